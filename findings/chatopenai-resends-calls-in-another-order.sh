#!/usr/bin/env bash
# langchain-openai 1.7.3: a message with one malformed tool call is sent back to the model in another order.
# Guess: an AIMessage that is appended to the history goes back to the server as it came.
# Seen: calls whose arguments are no JSON are kept apart (`invalid_tool_calls`) and, when the message is sent again,
#   follow the valid ones. The model reads a history in which it made its calls in another order than it did, and a
#   server sees a prompt that no longer extends the one before (its prefix cache ends there).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langchain-openai==1.7.3 openai==3.51.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

calls = [
    {"id": "a", "type": "function", "function": {"name": "first", "arguments": "{not json"}},
    {"id": "b", "type": "function", "function": {"name": "second", "arguments": "{}"}},
]
message = {"role": "assistant", "content": None, "tool_calls": calls}
reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
reply["choices"] = [{"index": 0, "finish_reason": "tool_calls", "message": message}]
received = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
llm = ChatOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", model="m", api_key="none")
answer = llm.invoke("go")
llm.invoke([HumanMessage("go"), answer, ToolMessage("1", tool_call_id="a"), ToolMessage("2", tool_call_id="b")])
came = [call["function"]["name"] for call in calls]
went = [call["function"]["name"] for call in received[-1]["messages"][1]["tool_calls"]]
print("langchain-openai", version("langchain-openai"))
print("came:", came, "sent back:", went)
assert went == ["second", "first"], went
PYTHON
