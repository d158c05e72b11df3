#!/usr/bin/env bash
# uvicorn 0.54.0, starlette 1.10.0: a request that is still being answered when a stopping server loses patience looks like a fault of the app.
# Guess: past timeout_graceful_shutdown the server closes what is still open, or answers 503, and ends in silence.
# Seen: it cancels the handler, the CancelledError passes through the app as an exception of its own, and the client gets "500 Internal
#   Server Error" while the log shows a traceback. A handler that catches the CancelledError can still answer: its 503 arrives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uvicorn==0.54.0" "starlette==1.10.0"
cat >"$folder/program.py" <<'PYTHON'
import asyncio
import io
import logging
import threading
import time
import urllib.error
import urllib.request

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def plain(_):
    await asyncio.sleep(30)
    return PlainTextResponse("done")


async def catching(_):
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return PlainTextResponse("ending", 503)


def stopped_in_the_middle(handler):
    log = io.StringIO()
    logging.getLogger("uvicorn.error").handlers = [logging.StreamHandler(log)]
    entered = threading.Event()

    async def answer(request):
        entered.set()
        return await handler(request)

    app = Starlette(routes=[Route("/", answer)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
    running = threading.Thread(target=server.run)
    running.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    seen = []

    def ask():
        try:
            seen.append(urllib.request.urlopen(f"http://127.0.0.1:{port}/").status)
        except urllib.error.HTTPError as error:
            seen.append(error.code)

    asking = threading.Thread(target=ask)
    asking.start()
    entered.wait()
    server.should_exit = True
    running.join()
    asking.join()
    return f"status {seen[0]}, tracebacks in the log: {log.getvalue().count('Traceback')}"


print("plain handler:", stopped_in_the_middle(plain))
print("catching handler:", stopped_in_the_middle(catching))
PYTHON
out=$("$folder/venv/bin/python" "$folder/program.py")
echo "uvicorn $("$folder/venv/bin/python" -c 'import uvicorn; print(uvicorn.__version__)')"
echo "$out"
[ "$out" = "plain handler: status 500, tracebacks in the log: 1
catching handler: status 503, tracebacks in the log: 0" ]
