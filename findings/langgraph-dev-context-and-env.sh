#!/usr/bin/env bash
# langgraph-api 0.16.7 (`langgraph dev`): a misspelt context key and a variable of the shell are both passed over.
# Guess: the server treats `context` as the compiled graph does (an unknown key is a TypeError there), and an exported
#   variable wins over the .env file, as with python-dotenv, Docker Compose and uv.
# Seen: the server drops unknown context keys before the graph is called, so a typing error runs with the default and
#   reports success. The file named by "env" in langgraph.json replaces variables that are set in the shell.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  langgraph==1.2.22 langgraph-api==0.16.7 langgraph-runtime-inmem==0.36.7 "langgraph-cli[inmem]==0.4.40"
mkdir "$folder/app" && cd "$folder/app"
cat > graph.py <<'PYTHON'
import os
from dataclasses import dataclass
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime


@dataclass
class Context:
    budget: int = 1


class State(TypedDict):
    seen: str


def look(state: State, runtime: Runtime[Context]) -> State:
    return {"seen": f"budget {runtime.context.budget}, colour {os.environ.get('COLOUR')}"}


builder = StateGraph(State, context_schema=Context)
builder.add_node("look", look)
builder.add_edge(START, "look")
graph = builder.compile()
PYTHON
echo 'COLOUR=of-the-file' > .env
echo '{"dependencies": ["."], "graphs": {"agent": "graph:graph"}, "env": ".env"}' > langgraph.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
COLOUR=of-the-shell LANGSMITH_TRACING=false LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_NO_VERSION_CHECK=true \
  "$folder/venv/bin/langgraph" dev --no-browser --no-reload --port "$port" > log 2>&1 &
server=$!
COLOUR=of-the-shell PYTHONPATH=. "$folder/venv/bin/python" - "$port" <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import version

import graph


def served(context):
    body = json.dumps({"assistant_id": "agent", "input": {"seen": ""}, "context": context}).encode()
    url = f"http://127.0.0.1:{sys.argv[1]}/runs/wait"
    with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"})) as answer:
        return json.load(answer)["seen"]


for _ in range(120):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/ok")
        break
    except urllib.error.URLError:
        time.sleep(0.5)

print("langgraph-api", version("langgraph-api"), "langgraph", version("langgraph"))
misspelt = {"bugdet": 5}
try:
    graph.graph.invoke({"seen": ""}, context=misspelt)
except TypeError as error:
    print("in process:", error)
else:
    raise SystemExit("the graph accepts an unknown key now")
answer = served(misspelt)
print("served:", answer)
assert answer == "budget 1, colour of-the-file", answer
assert served({"budget": 5}).startswith("budget 5")
PYTHON
