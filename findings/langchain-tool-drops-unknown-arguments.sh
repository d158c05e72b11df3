#!/usr/bin/env bash
# langchain-core 1.7.2: a tool call with an argument that the tool does not have is carried out without it.
# Guess: invoking a tool checks the arguments against its signature, in both directions.
# Seen: a missing or wrong argument raises; a misspelt one beside it is dropped in silence, and an optional argument then
#   has its default. Types are bent too: True is 1 for an int, "yes" is True for a bool. What a model is answered looks
#   like a call that was understood.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langchain-core==1.7.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from langchain_core.tools import tool


@tool
def search(text: str, limit: int = 10, exact: bool = False) -> str:
    """Search the notes."""
    return f"text={text!r} limit={limit!r} exact={exact!r}"


print("langchain-core", version("langchain-core"))
calls = [{"text": "door", "limits": 3}, {"text": "door", "limit": True}, {"text": "door", "exact": "yes"}]
answers = [search.invoke(call) for call in calls]
for call, answer in zip(calls, answers, strict=True):
    print(f"  {call} -> {answer}")
assert answers[0] == "text='door' limit=10 exact=False"
assert answers[1] == "text='door' limit=1 exact=False"
assert answers[2] == "text='door' limit=10 exact=True"
try:
    search.invoke({"limit": 3})
except ValueError as error:
    print("  without text:", type(error).__name__)
else:
    raise SystemExit("a missing argument was accepted")
PYTHON
