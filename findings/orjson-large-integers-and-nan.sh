#!/usr/bin/env bash
# orjson 3.13.0: numbers that JSON or Python can hold change on the way, without an error.
# Guess: orjson is json, only faster: what json reads as an integer stays one, and NaN raises or comes back as NaN.
# Seen: an integer beyond 64 bits is read as a float that has lost its last digits; writing one raises. NaN and infinity
#   are written as null and come back as None, where json writes NaN and reads it again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check orjson==3.13.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

import orjson

text = str(2**64 + 1)
print("orjson", version("orjson"))
print("  read", text, "json:", json.loads(text), "orjson:", orjson.loads(text))
print("  write NaN, infinity: json:", json.dumps([float("nan"), float("inf")]), "orjson:", orjson.dumps([float("nan"), float("inf")]))
assert json.loads(text) == 2**64 + 1
assert orjson.loads(text) == float(2**64) != json.loads(text)
assert isinstance(orjson.loads(text), float)
assert orjson.loads(str(2**64 - 1)) == 2**64 - 1
assert orjson.dumps([float("nan"), float("inf")]) == b"[null,null]"
try:
    orjson.dumps(2**64)
except TypeError as error:
    print("  write 2**64:", error)
else:
    raise SystemExit("2**64 was written")
PYTHON
