#!/usr/bin/env bash
# langgraph 1.2.22: a misspelt key or node is dropped, and the run ends as if all were well.
# Guess: a node that returns a key the state does not have, or goes to a node that does not exist, raises.
# Seen: unknown keys of an update and of the input vanish, in silence; an update with none but unknown keys raises nothing
#   either. Command(goto="nowhere") is one warning in the log, and the run ends there with what it has.
#   And a node that returns Command(goto=...) still follows its static edges: both targets run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langgraph==1.2.22 langgraph-checkpoint==4.3.2 langchain-core==1.7.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import operator
from importlib.metadata import version
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command


class Counted(TypedDict):
    steps: int


class Seen(TypedDict):
    seen: Annotated[list[str], operator.add]


def run(node: object, given: dict[str, object]) -> dict[str, object]:
    builder = StateGraph(Counted)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile().invoke(given)


print("langgraph", version("langgraph"))
misspelt = run(lambda state: {"step": 7}, {"steps": 0, "sead": 1})
print("  an update and an input with misspelt keys:", misspelt)
nowhere = run(lambda state: Command(update={"steps": 1}, goto="nowhere"), {"steps": 0})
print("  goto a node that does not exist:", nowhere)
builder = StateGraph(Seen)
builder.add_node("a", lambda state: Command(update={"seen": ["a"]}, goto="b"), destinations=("b",))
builder.add_node("b", lambda state: {"seen": ["b"]})
builder.add_node("c", lambda state: {"seen": ["c"]})
for start, end in ((START, "a"), ("a", "c"), ("b", END), ("c", END)):
    builder.add_edge(start, end)
both = builder.compile().invoke({"seen": []})
print("  goto b beside an edge to c:", both)
assert misspelt == {"steps": 0}
assert nowhere == {"steps": 1}
assert both == {"seen": ["a", "b", "c"]}
PYTHON
