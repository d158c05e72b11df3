#!/usr/bin/env bash
# langgraph 1.2.22 (langgraph-checkpoint 4.3.2): what a checkpoint gives back is not always the type that was put in.
# Guess: sets, dates, decimals and paths come back as they were, so the other types of the standard library do too, or
#   raise as `range` and `complex` do.
# Seen: a tuple comes back as a list, a Counter and an OrderedDict as a dict, and a deque without its maxlen, so that
#   a bounded history grows without bound after a resume. No warning. The value that `invoke` itself returns is still
#   the right type: only a resumed run sees the other one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langgraph==1.2.22
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from collections import Counter, OrderedDict, deque
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph


class State(TypedDict):
    value: Any


graph = StateGraph(State)
graph.add_node("keep", lambda state: {})
graph.add_edge(START, "keep")
app = graph.compile(checkpointer=InMemorySaver())


def through(value):
    config = {"configurable": {"thread_id": repr(value)}}
    at_once = app.invoke({"value": value}, config)["value"]
    assert type(at_once) is type(value) and at_once == value, at_once
    return app.get_state(config).values["value"]


print("langgraph", version("langgraph"), "checkpoint", version("langgraph-checkpoint"))
for value in ({1, 2}, frozenset({1}), date(2026, 1, 1), Decimal("1.5"), b"x", {(1, 2): 3}):
    assert through(value) == value and type(through(value)) is type(value), value
for value, kind in (((1, 2), list), (Counter("aab"), dict), (OrderedDict(a=1), dict)):
    back = through(value)
    print(repr(value), "->", repr(back))
    assert type(back) is kind, back
back = through(deque([1], maxlen=3))
print("deque([1], maxlen=3) ->", repr(back))
assert type(back) is deque and back.maxlen is None, back
PYTHON
