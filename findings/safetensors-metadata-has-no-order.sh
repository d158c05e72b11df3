#!/usr/bin/env bash
# safetensors 0.8.0: equal tensors with equal metadata are not equal bytes.
# Guess: `save` is a function of its arguments, so files can be compared and addressed by their hash.
# Seen: tensors are ordered, the metadata's keys are not: with three keys, twenty calls in one process give several files.
#   With one key (what transformers and PEFT write) there is only one order, and the bytes are equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy
from safetensors.numpy import save

tensors = {"a": numpy.zeros(2, numpy.float32), "b": numpy.ones(3, numpy.float32)}
three = {save(tensors, {"seed": "1", "rank": "16", "base": "tiny"}) for _ in range(200)}
one = {save(tensors, {"format": "pt"}) for _ in range(200)}
print("safetensors", version("safetensors"))
print("files of equal tensors and equal metadata, 200 calls:", len(three), "with three keys,", len(one), "with one")
assert len(three) > 1
assert len(one) == 1
assert {len(file) for file in three} == {len(next(iter(three)))}
PYTHON
