"""Calls to contained code: a request, notebook operations it asks for meanwhile, and an answer or a fault."""

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
"""What each notebook operation takes."""
_WHAT_CHARS = 500
"""How much is kept of what contained code says of its fault."""


class Broke(Exception):
    """The contained code broke, as its process says: what happened, and in which file and line if it knows."""

    def __init__(self, fault: object) -> None:
        told = fault if isinstance(fault, dict) else {}
        line, file = told.get("line"), told.get("file")
        what = told.get("what")
        self.what = " ".join(what.split())[:_WHAT_CHARS] if isinstance(what, str) else "it does not say what broke"
        self.line = line if type(line) is int and 0 < line < 1_000_000 else None
        self.file = file if isinstance(file, str) else None
        super().__init__(self.what)


class Conversation:
    """Calls to one contained process, which may import `modules`. CannotContain if it cannot be started."""

    def __init__(self, bounds: Bounds, modules: Sequence[str]) -> None:
        self._bounds = bounds
        self.process = ContainedProcess(bounds, modules)

    def ask(self, call: str, given: Mapping[str, Any], notebook: GuardedNotebook | None = None) -> object:
        """The value that answers a call; `notebook` is what the code may ask of meanwhile.

        Broke where the code fails at it. Stopped where it does something else than answering: the process is ended.
        """
        try:
            self.process.call(call, given)
            for _ in range(self._bounds.notebook_requests):
                message = self.process.hear()
                if "ask" not in message:
                    return _value(message)
                self.process.say(_reply(message, notebook))
            requests = f"{self._bounds.notebook_requests:,} notebook requests"
            raise Stopped("output", f"it made {requests} in one call and would not end")
        except Broke:
            raise
        except Stopped as reason:
            raise self.process.stop(reason) from None
        except BaseException:  # the notebook failed, or Ctrl-C: the process waits for a reply
            self.process.close()
            raise

    def close(self) -> None:
        """End the process."""
        self.process.close()


def sent(code: Mapping[str, ScaffoldCode]) -> dict[str, tuple[str, str]]:
    """The code as it is sent inside: what was read, whatever the files hold by now."""
    return {name: (str(one.path), one.source) for name, one in code.items()}


def shortened(value: object) -> str:
    """What was sent, in a few words. repr() itself fails on what is nested a thousand deep."""
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
        raise Stopped("garbage", f"it asked for something there is not: {shortened(message)}")
    if [type(argument) for argument in arguments] != list(_ARGUMENTS[name]):
        types = ", ".join(one.__name__ for one in _ARGUMENTS[name])
        return {"refused": f"notebook.{name} takes ({types}), not {shortened(arguments)}"}
    operation: Callable[..., MemoryResult | dict[str, int]] = getattr(notebook, name)
    try:
        result = operation(*arguments)
    except BrokenPromise as refusal:
        return {"refused": str(refusal)}
    return {"result": asdict(result) if isinstance(result, MemoryResult) else result}
