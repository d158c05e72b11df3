#!/usr/bin/env bash
# langgraph 1.2.22: a pause for a person in a graph without a checkpointer is accepted, and lost.
# Guess: `interrupt()` without a checkpointer raises, since there is nothing to resume from.
# Seen: `invoke` returns normally with `__interrupt__` in its result, as with a checkpointer. Only the attempt to resume
#   raises, when the question has been asked and the work before it is gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langgraph==1.2.22
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict):
    n: int


graph = StateGraph(State)
graph.add_node("ask", lambda state: {"n": interrupt("go on?")})
graph.add_edge(START, "ask")
app = graph.compile()
print("langgraph", version("langgraph"))
result = app.invoke({"n": 1})
print("invoke:", {key: value for key, value in result.items() if key != "__interrupt__"}, result["__interrupt__"][0].value)
assert result["n"] == 1 and result["__interrupt__"][0].value == "go on?"
try:
    app.invoke(Command(resume=2))
except RuntimeError as error:
    print("resume:", error)
else:
    raise SystemExit("resuming does not raise any more")
PYTHON
