#!/usr/bin/env bash
# gymnasium 1.2.0: the space of texts holds no text with a blank in it.
# Guess: spaces.Text(max_length=1000) is the space of all texts of up to 1000 characters.
# Seen: by default it is ASCII letters and digits, at least one: a sentence, a line break and the empty text are outside
#   it, and every observation of a text world that declares it. `charset` has to list each character that may come.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gymnasium==1.2.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from gymnasium.spaces import Text

space = Text(max_length=1000)
texts = ["north", "You see a door.", "a\nb", "", "caf\u00e9", "x" * 1000]
held = [text in space for text in texts]
print("gymnasium", version("gymnasium"), "min_length", space.min_length, "characters", "".join(sorted(space.character_set)))
for text, holds in zip(texts, held, strict=True):
    print(f"  {text[:20]!r}: {holds}")
assert held == [True, False, False, False, False, True]
assert "You see a door." in Text(max_length=1000, charset=frozenset("You see a door."))
PYTHON
