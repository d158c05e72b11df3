"""A run folder of an outer loop has one run that drives it, however it is run: any other is refused in one sentence.

The command line holds the folder for as long as it runs (`graphs.resumable`). A graph that is served (Studio, the
LangGraph API) or invoked knows of no end of its own: each node of it holds the folder while it works, so that a run
that waits for a person holds nothing. A run that comes between two nodes of another takes the folder, and the other is
refused at its next one: nothing is half done there. What a killed process held is free.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from graphs.inner_agent.context import SettingsError
from traces.folders import disk_failure, disk_failures

LOCK = "lock"
"""File of a run folder that whoever drives it holds."""
Node = Callable[..., Any]


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a run folder that is laid out. SettingsError if another run drives it, TraceFailure for a bad disk."""
    try:
        file = (out / LOCK).open("wb")
    except OSError as error:
        raise disk_failure("write", out / LOCK, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"Another run drives what is in {out}: wait for its end.") from None
        except OSError:
            pass  # a network file system without locks: nobody can be kept out there
        yield


def begun(out: Path) -> bool:
    """Whether a run has begun in a folder; before, there may be nothing to hold, and what is refused writes nothing."""
    return (out / LOCK).exists()


def alone(node: Node, *, begins: bool = False, held_outside: bool = False) -> Node:
    """The node, holding the run folder of its state while it works; what the disk refuses it is a TraceFailure.

    `begins`: it may have to lay the folder out. `held_outside`: whoever drives the graph holds the folder already.
    """

    def hold(stack: ExitStack, state: Mapping[str, Any]) -> None:
        stack.enter_context(disk_failures())
        if held_outside:
            return
        out = Path(str(state.get("out")))  # checked by the node that begins
        if not begins or begun(out):
            stack.enter_context(held(out))

    @functools.wraps(node)
    def work(state: Mapping[str, Any], *arguments: Any, **more: Any) -> Any:
        with ExitStack() as stack:
            hold(stack, state)
            return node(state, *arguments, **more)

    @functools.wraps(node)
    async def work_on(state: Mapping[str, Any], *arguments: Any, **more: Any) -> Any:
        with ExitStack() as stack:
            await asyncio.to_thread(hold, stack, state)
            return await node(state, *arguments, **more)

    return work_on if inspect.iscoroutinefunction(node) else work
