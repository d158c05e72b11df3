"""Commands of automem that are stopped by signals; a program of its own.

    python tests/kit/stopped_commands.py PLAN.json

PLAN.json is a list of runs: {"words", "errors": file, "until"?, "says"?, "signals"?, "stdin"?: true, "stdout": file}.
Imports once, then forks a process for each run. It gets its signals, 20 ms apart, once a file that fits the pattern
`until` is not empty and holds the words `says`. Standard input stays open and is silent where "stdin"; standard output
is a pipe that nobody reads where "stdout" is null. Prints a list: [status, number of children left] of each run.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from processes import wait_until_ended

from cli.app import main as automem

NEEDED = (
    *("langchain.agents", "chat_models.scripted_player", "cli.demo"),
    *("graphs.reviewer.tools", "graphs.reviewer.trace_tools.tools", "graphs.agent.middleware"),
    *("worlds.scripted_world", "worlds.players.vault", "rich.live", "langsmith.run_trees"),
)
"""What the commands import when they use it: here once, for all processes."""
BOUND_S = 30.0


def command(run: dict[str, Any]) -> None:
    """Be the process of one run."""
    reading, writing = os.pipe()  # of standard input, which nobody writes to, and of an output that nobody reads
    os.dup2(reading if run.get("stdin") else os.open(os.devnull, os.O_RDONLY), 0)
    if run["stdout"] is not None:
        os.dup2(os.open(run["stdout"], os.O_WRONLY | os.O_CREAT), 1)
    else:
        os.dup2(writing, 1)
        os.close(writing)
        os.close(reading)
    os.dup2(os.open(run["errors"], os.O_WRONLY | os.O_CREAT), 2)
    sys.argv = ["automem", *run["words"]]
    status = 0
    try:
        automem()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


def there(pattern: str, words: str) -> bool:
    """Whether a file that fits is not empty, and holds the words."""
    return any((text := path.read_bytes()) and words.encode() in text for path in Path().glob(pattern))


def children(process: int) -> list[int]:
    """The processes that descend from this one."""
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *children(child)]
    return found


def stopped(run: dict[str, Any]) -> list[int]:
    """Run, stop, and wait; the exit status (of a signal: its number below zero) and how many children were left."""
    process = os.fork()
    if process == 0:
        command(run)
    latest = time.monotonic() + BOUND_S
    while "until" in run and not there(run["until"], run.get("says", "")) and time.monotonic() < latest:
        time.sleep(0.01)
    family = children(process)
    for number in run.get("signals", ()):
        os.kill(process, number)
        time.sleep(0.02)
    while (ended := os.waitpid(process, os.WNOHANG))[0] == 0 and time.monotonic() < latest:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return [999, len(family)]
    return [os.waitstatus_to_exitcode(ended[1]), sum(not wait_until_ended(one) for one in family)]


def main() -> None:
    """One run after the other."""
    for module in NEEDED:
        import_module(module)
    gc.freeze()
    sys.stdout.write(json.dumps([stopped(run) for run in json.loads(Path(sys.argv[1]).read_text())]))


if __name__ == "__main__":
    main()
