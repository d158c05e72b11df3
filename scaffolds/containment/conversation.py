"""Calls to contained code: a request, notebook operations that it asks for, and an answer or a fault."""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from memory_fs import MemoryResult
from scaffolds.containment.process import ContainedProcess
from scaffolds.containment.wire import Bounds, Stopped
from scaffolds.notebook_view import GuardedNotebook
from scaffolds.scaffold_code import BrokenPromise, ScaffoldCode

_ARGUMENTS: dict[str, tuple[type, ...]] = {
    **{"index": (), "read": (str,), "create": (str,), "tail": (str, int)},
    **dict.fromkeys(("search", "count", "append", "write"), (str, str)),
    "upsert": (str, str, str),
}
"""Argument types of each notebook operation."""
_WHAT_CHARS = 500
"""Kept of the description of a fault."""


class Broke(Exception):
    """The contained code raised, as its process reports: what happened, and in which file and line if known."""

    def __init__(self, fault: object) -> None:
        facts = fault if isinstance(fault, dict) else {}
        line, file, what = (facts.get(name) for name in ("line", "file", "what"))
        self.what = " ".join(what.split())[:_WHAT_CHARS] if isinstance(what, str) else "it gives no reason"
        self.line = line if type(line) is int and 0 < line < 1_000_000 else None
        self.file = file if isinstance(file, str) else None
        super().__init__(self.what)


class ContainedCalls:
    """Calls to one contained process, which may import `modules`. CannotContain if it cannot be started."""

    def __init__(self, bounds: Bounds, modules: Sequence[str]) -> None:
        self._bounds = bounds
        self.process = ContainedProcess(bounds, modules)

    def ask(self, call: str, given: Mapping[str, Any], notebook: GuardedNotebook | None = None) -> object:
        """Make a call and return its value; `notebook` carries out the operations that the code asks for meanwhile.

        Broke where the code raises. Stopped where it breaks the protocol or a limit: the process is ended.
        """
        try:
            self.process.call(call, given)
            for _ in range(self._bounds.notebook_requests):
                message = self.process.receive()
                if "ask" not in message:
                    return _value(message)
                self.process.send(_reply(message, notebook))
            requests = f"{self._bounds.notebook_requests:,} notebook requests"
            raise Stopped("output", f"it made {requests} in one call without answering")
        except Broke:
            raise
        except Stopped as reason:
            raise self.process.stop(reason) from None
        except BaseException:  # the notebook failed, or Ctrl-C: the process still waits for a reply
            self.process.close()
            raise

    def close(self) -> None:
        """End the process."""
        self.process.close()


def sent(code: Mapping[str, ScaffoldCode]) -> dict[str, tuple[str, str]]:
    """The code in the form that is sent: as loaded, even if the files have changed since."""
    return {name: (str(one.path), one.source) for name, one in code.items()}


def shortened(value: object) -> str:
    """A value in a few words. repr() itself fails on a value nested a thousand deep."""
    return reprlib.repr(value)[:200]


def _value(message: Mapping[str, Any]) -> object:
    if "fault" in message:
        raise Broke(message["fault"])
    if "value" not in message:
        raise Stopped("garbage", f"it answered with neither a value nor a fault: {shortened(message)}")
    return message["value"]


def _reply(message: Mapping[str, Any], notebook: GuardedNotebook | None) -> dict[str, Any]:
    """Carry out a notebook operation that contained code asks for, if it may."""
    name, arguments = message["ask"], message.get("arguments")
    if notebook is None or not isinstance(name, str) or name not in _ARGUMENTS or not isinstance(arguments, list):
        raise Stopped("garbage", f"it asked for an unknown operation: {shortened(message)}")
    if [type(argument) for argument in arguments] != list(_ARGUMENTS[name]):
        types = ", ".join(one.__name__ for one in _ARGUMENTS[name])
        return {"refused": f"notebook.{name} takes ({types}), not {shortened(arguments)}"}
    operation: Callable[..., MemoryResult | dict[str, int]] = getattr(notebook, name)
    try:
        result = operation(*arguments)
    except BrokenPromise as refusal:
        return {"refused": str(refusal)}
    return {"result": asdict(result) if isinstance(result, MemoryResult) else result}
