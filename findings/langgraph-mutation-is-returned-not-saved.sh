#!/usr/bin/env bash
# langgraph 1.2.22: a list that a node changes in place is in the result and not in the checkpoint.
# Guess: changing the state in place either works or does not.
# Seen: without a checkpointer it works. With one, `invoke` returns the changed list, `get_state` of the same thread shows
#   the old one, and the next run of the thread goes on from the old one. Tests that look at results pass.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langgraph==1.2.22 langgraph-checkpoint==4.3.2 langchain-core==1.7.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from typing import TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph


class State(TypedDict):
    notes: list[str]
    steps: int


def node(state: State) -> dict[str, int]:
    state["notes"].append("a note")
    return {"steps": state["steps"] + 1}


builder = StateGraph(State)
builder.add_node("node", node)
builder.add_edge(START, "node")
graph = builder.compile(checkpointer=InMemorySaver())
thread = {"configurable": {"thread_id": "1"}}
returned = graph.invoke({"notes": [], "steps": 0}, thread)
saved = dict(graph.get_state(thread).values)
print("langgraph", version("langgraph"))
print("  returned:", returned)
print("  saved:   ", saved)
assert returned == {"notes": ["a note"], "steps": 1}
assert saved == {"notes": [], "steps": 1}
PYTHON
