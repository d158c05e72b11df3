#!/usr/bin/env bash
# zstandard 0.25.0: of a file of two frames, two functions return half and two return all, without an error.
# Guess: frames written one after another are one file (the zstd format says so, the zstd tool and gzip do so), so every
#   way of reading gives all of it.
# Seen: `decompress` and `ZstdDecompressor.decompress` return the first frame and do not mention the rest;
#   `stream_reader(...).read()` and `zstandard.open` return all. `decompress(..., read_across_frames=True)`, which the
#   signature offers, raises: it is not implemented.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check zstandard==0.25.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import zstandard

one = zstandard.ZstdCompressor()
file = one.compress(b"first\n") + one.compress(b"second\n")
reader = zstandard.ZstdDecompressor()
found = {
    "decompress": zstandard.decompress(file),
    "ZstdDecompressor.decompress": reader.decompress(file),
    "stream_reader": reader.stream_reader(io.BytesIO(file)).read(),
    "open": zstandard.open(io.BytesIO(file)).read(),
}
print("zstandard", zstandard.__version__)
for name, data in found.items():
    print(f"{name}: {data!r}")
assert [name for name, data in found.items() if data == b"first\n"] == list(found)[:2]
assert [name for name, data in found.items() if data == b"first\nsecond\n"] == list(found)[2:]
try:
    reader.decompress(file, read_across_frames=True)
except zstandard.ZstdError as error:
    print("read_across_frames=True:", error)
else:
    raise SystemExit("decompress reads across frames now")
PYTHON
