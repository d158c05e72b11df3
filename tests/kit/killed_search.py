"""Drive a search in processes that kill themselves (-9), each at another event; a program of its own.

    python tests/kit/killed_search.py INPUT.json EVENT [EVENT …]

INPUT.json holds {"given": fields of Input, "context": fields of Context}. Imports once, then forks: a process for each
EVENT, which dies as soon as it sees one of that kind, and a last one that goes to the end.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from graphs.agent.loop import agent_model
from graphs.reviewer import Context, Input, open_search

NEEDED = (
    *("langchain.agents", "chat_models.scripted_player", "chat_models.served"),
    *("graphs.reviewer.tools", "graphs.reviewer.trace_tools.tools", "graphs.agent.middleware"),
    *("worlds.scripted_world", "worlds.players.vault"),
)
"""What a search imports when it uses it: here once, for all processes."""


async def drive(given: Input, context: Context, fatal: str | None) -> None:
    """Begin the search, or go on with it; die at the first event of the kind `fatal`."""
    async with open_search(given, context) as search:
        async for event in search.stream():
            if event["event"] == fatal:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """One process after the other."""
    asked: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    given, context = Input(**{**asked["given"], "resume": True}), Context(**asked["context"])
    for module in NEEDED:
        import_module(module)
    # Made once and kept: setting up TLS takes longer than all else.
    agent_model(given["reviewer_model"], "reviewer", given["world"], context.reviewer_base_url)
    gc.freeze()
    for fatal in (*sys.argv[2:], None):
        child = os.fork()
        if child == 0:
            asyncio.run(drive(given, context, fatal))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if died != (fatal is not None):
            raise SystemExit(f"the process that was to die at {fatal!r} ended with status {status}")


if __name__ == "__main__":
    main()
