"""Runs a scaffold's code inside the container: one line of JSON in, one or more out, until the parent closes the pipe.

Requests:  {"id", "call": "declare" | "begin" | "observe" | "maintain" | "act" | "operate", …}
Answers:   {"id", "value"} or {"id", "fault": {"file", "line", "what"}}
Meanwhile: {"id", "ask": a notebook operation, "arguments"}, which the parent replies to with {"result"} or {"refused"}

The code that runs here can change anything in this process, so the parent trusts no line of it.
"""

import gc
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, get_args

from memory_fs import MemoryResult, Outcome, RejectionCode, Source
from scaffolds.containment.inside.limits import limit
from scaffolds.faults import HookFailure, ScaffoldError
from scaffolds.hooks import DirectHooks, View, check_hooks
from scaffolds.notebook_view import NotebookView
from scaffolds.operations import Declaration, declarations
from scaffolds.scaffold_code import BrokenPromise, ScaffoldCode

_FAULTS = (HookFailure, ScaffoldError, AttributeError, KeyError, TypeError, ValueError, RecursionError, MemoryError)


def main() -> None:
    """Take the limits from the command line, then answer requests."""
    os.environ.clear()  # bubblewrap and Python set PWD and LC_CTYPE
    limit(**json.loads(sys.argv[1]))
    pipe = Pipe()
    pipe.send({"ready": True})
    runner = Runner(pipe)
    while request := pipe.next():
        try:
            pipe.send({"id": request["id"], "value": runner.carry_out(request)})
        except _FAULTS as error:  # any other ends this process and prints a traceback
            pipe.send({"id": request["id"], "fault": _fault(error)})


class Pipe:
    """The two ends of the protocol; afterwards standard input is empty, and standard output is standard error."""

    def __init__(self) -> None:
        self._requests = os.fdopen(os.dup(0), "rb")
        self._answers = os.dup(1)
        os.dup2(2, 1)
        empty, end = os.pipe()
        os.close(end)
        os.dup2(empty, 0)
        os.close(empty)
        self._id = 0

    def next(self) -> dict[str, Any] | None:
        """The next request; None when the parent has closed the pipe."""
        line = self._requests.readline()
        request: dict[str, Any] | None = json.loads(line) if line else None
        self._id = request["id"] if request else 0
        return request

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line."""
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._answers, line) :]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request of our own in the middle of a call, and return the parent's reply."""
        self.send({"id": self._id, **request})
        reply: dict[str, Any] = json.loads(self._requests.readline() or "{}")
        return reply


class PipedNotebook:
    """A NotebookView: each operation is a request to the parent, which carries it out or refuses it."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.search, self.read = partial(self._result, "search"), partial(self._result, "read")
        self.tail, self.count = partial(self._result, "tail"), partial(self._result, "count")
        self.append, self.write = partial(self._result, "append"), partial(self._result, "write")
        self.create, self.upsert = partial(self._result, "create"), partial(self._result, "upsert")

    def index(self) -> dict[str, int]:
        """File names and their line counts."""
        return self._reply("index")

    def _reply(self, operation: str, *arguments: object, **named: object) -> dict[str, Any]:
        form = inspect.signature(getattr(NotebookView, operation)).bind(self, *arguments, **named)
        reply = self._pipe.ask({"ask": operation, "arguments": form.args[1:]})
        if "refused" in reply:
            raise BrokenPromise(reply["refused"])
        return dict(reply["result"])

    def _result(self, operation: str, *arguments: object, **named: object) -> MemoryResult:
        facts = self._reply(operation, *arguments, **named)
        return MemoryResult(
            **{
                **facts,
                "outcome": Outcome(facts["outcome"]),
                "lines": tuple(facts["lines"]),
                "provenance": tuple(Source(*source) for source in facts["provenance"]),
                "code": RejectionCode(facts["code"]) if facts["code"] else None,
            }
        )


class Runner:
    """The scaffold's code, loaded once: hooks and operations of one episode."""

    def __init__(self, pipe: Pipe) -> None:
        self._notebook = PipedNotebook(pipe)
        self._hooks: DirectHooks
        self._operations: dict[str, Declaration] = {}

    def carry_out(self, request: dict[str, Any]) -> object:
        """The value that answers a request."""
        call: Callable[..., object] = getattr(self, f"_{request['call']}")
        return call(**{name: value for name, value in request.items() if name not in ("id", "call")})

    def _declare(self, code: dict[str, list[str]]) -> dict[str, object]:
        files = _files(code)
        hooks, operations = files.get("hooks.py"), files.get("operations.py")
        return {
            "entry_points": sorted(check_hooks(hooks)) if hooks else [],
            "operations": [_declared(one) for one in declarations(operations)] if operations else [],
        }

    def _begin(self, code: dict[str, list[str]], maintained: list[str]) -> None:
        files = _files(code)
        if "hooks.py" in files:
            self._hooks = DirectHooks(files["hooks.py"], maintained)
        if "operations.py" in files:
            self._operations = {one.name: one for one in declarations(files["operations.py"])}
        gc.freeze()  # what was loaded stays: garbage collection skips it

    def _observe(self, view: dict[str, Any]) -> list[str]:
        return self._hooks.observe(_view(view))

    def _maintain(self, view: dict[str, Any]) -> None:
        self._hooks.maintain(_view(view), self._notebook)

    def _act(self, action: str, view: dict[str, Any]) -> dict[str, Any]:
        return asdict(self._hooks.act(action, _view(view)))

    def _operate(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return asdict(self._operations[name].run(self._notebook, arguments))


def _files(code: dict[str, list[str]]) -> dict[str, ScaffoldCode]:
    return {name: ScaffoldCode(Path(path), source) for name, (path, source) in code.items()}


def _view(view: dict[str, Any]) -> View:
    return View(**{**view, "actions": tuple(view["actions"])})


def _declared(one: Declaration) -> dict[str, object]:
    """A declaration as plain data."""
    arguments = []
    for name, hint in one.arguments.items():
        metadata = getattr(hint, "__metadata__", ())
        bare = hint.__origin__ if metadata else hint
        fields = [item.settings for item in metadata if hasattr(item, "settings")]
        choices = list(get_args(bare))
        arguments.append(
            {"name": name, "type": None if choices else bare.__name__, "choices": choices, "fields": fields}
        )
    return {"name": one.name, "kind": one.kind, "help": one.help, "line": one.line, "arguments": arguments}


def _fault(error: Exception) -> dict[str, object]:
    """An error as plain data. What it refers to (perhaps a list that filled the memory) is released first."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if isinstance(error, ScaffoldError):
        return {"file": error.path.name if error.path else None, "line": error.line, "what": error.problem}
    if isinstance(error, HookFailure):
        return {"file": None, "line": error.line, "what": error.what}
    return {"file": None, "line": None, "what": f"{type(error).__name__}: {error}"}
