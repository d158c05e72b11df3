#!/usr/bin/env bash
# langsmith 0.14.17: LANGSMITH_TRACING=1 switches nothing on, and changing it later changes nothing.
# Guess: a switch in the environment takes 1, true and True alike, and is read when it is needed.
# Seen: only the lower-case word "true" counts. The first reading is kept for the process: setting it right afterwards is
#   not seen until the cache is cleared. Nothing is printed either way; traces are missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langsmith==0.14.17
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
from importlib.metadata import version

from langsmith.utils import get_env_var, tracing_is_enabled

seen = {}
for value in ("1", "True", "yes", "true"):
    os.environ["LANGSMITH_TRACING"] = value
    get_env_var.cache_clear()
    seen[value] = tracing_is_enabled()
os.environ["LANGSMITH_TRACING"] = "1"
get_env_var.cache_clear()
first = tracing_is_enabled()
os.environ["LANGSMITH_TRACING"] = "true"
later = tracing_is_enabled()
print("langsmith", version("langsmith"), seen, "set right after a first reading:", later)
assert seen == {"1": False, "True": False, "yes": False, "true": True}
assert (first, later) == (False, False)
PYTHON
