#!/usr/bin/env bash
# ray 2.60.0: a local Ray that was shut down leaves its session folder behind, and a long temporary path is an OSError.
# Guess: `ray.shutdown()` removes what `ray.init()` made; what Ray cannot use raises an error of Ray's.
# Seen: a folder session_* of logs and sockets stays after each start, and is never removed. Its sockets lie below the temporary folder
#   of the system: where that path is so long that a socket's would pass 107 bytes, `ray.init()` raises a plain OSError.
set -euo pipefail
folder=$(mktemp -d /tmp/fXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "ray[default]==2.60.0"
cat >"$folder/program.py" <<'PYTHON'
import sys
from pathlib import Path

import ray

place = Path(sys.argv[1])
place.mkdir(parents=True)
try:
    for _ in range(2):
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=str(place))
        ray.shutdown()
except Exception as error:
    print(type(error).__module__, type(error).__name__)
kept = [one for one in place.glob("session_2*") if any(file.stat().st_size for file in one.rglob("*.log"))]
print(len(kept), "session folders with logs")
PYTHON
export RAY_USAGE_STATS_ENABLED=0
run() { "$folder/venv/bin/python" "$folder/program.py" "$1" 2>/dev/null; }
short=$(run "$folder/r")
long=$(run "$folder/$(printf 'x%.0s' {1..90})")
echo "ray $("$folder/venv/bin/python" -c 'import ray; print(ray.__version__)')"
echo "  started and shut down twice: $short"
echo "  below a long path: $(head -1 <<<"$long")"
[ "$short" = "2 session folders with logs" ]
[ "$(head -1 <<<"$long")" = "builtins OSError" ]
