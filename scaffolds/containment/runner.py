"""Runs a foreign scaffold's code for one episode in a contained process: a `HooksRunner`, as the direct one is.

No answer of the process is trusted: its types, its length and the protocol of `scaffolds.hooks` and
`scaffolds.operations` are checked.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from memory_fs import MemoryFS, MemoryResult
from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.conversation import Broke, ContainedCalls, sent, shortened
from scaffolds.containment.wire import Bounds, Stopped
from scaffolds.faults import HookFailure
from scaffolds.hooks import (
    MAINTAIN_RULE,
    Decision,
    Send,
    View,
    check_maintained,
    checked_decision,
    checked_notices,
)
from scaffolds.notebook_view import GuardedNotebook
from scaffolds.operations import guarded
from scaffolds.own_operations import rebound
from scaffolds.scaffold_code import ScaffoldCode
from tools import Operation

_T = TypeVar("_T")


class ContainedHooks:
    """Hooks and own operations of one episode. HookFailure if the process cannot be started or its code breaks.

    `code`: hooks.py and operations.py, where present; `maintained`: the files `maintain` may write;
    `modules`: what its world offers (`WorldEntry.modules`).
    """

    def __init__(
        self,
        code: Mapping[str, ScaffoldCode],
        entry_points: Collection[str],
        maintained: Collection[str],
        bounds: Bounds,
        modules: Sequence[str] = (),
    ) -> None:
        self._code = code
        self._entry_points = frozenset(entry_points)
        self._maintained = frozenset(maintained)
        self._bounds = bounds
        self._steps = 0
        """Steps since the code first wrote; each begins with `observe`."""
        self._written = 0
        """Bytes that the code has added to the notebook's journal."""
        try:
            self._calls = ContainedCalls(bounds, modules)
        except CannotContain as error:
            path = next(iter(code.values())).path.parent
            raise HookFailure(f"{path}: its code cannot be contained: {error}", kind="containment") from error
        first = next(iter(code))
        self._ask(first, "Hooks()" if first == "hooks.py" else "reading it", "begin", self._given())

    @property
    def pid(self) -> int:
        """The process id outside the container."""
        return self._calls.process.pid

    def observe(self, view: View) -> list[str]:
        """The hooks' notices on a step; empty if they have none."""
        self._steps += 1
        if "observe" not in self._entry_points:
            return []
        doing = f"observe, step {view.step}"
        value = self._ask("hooks.py", doing, "observe", {"view": _plain(view)})
        with self._code["hooks.py"].blamed(doing):
            return checked_notices(value)

    def maintain(self, view: View, notebook: MemoryFS) -> None:
        """Let the hooks bring their files up to date."""
        if "maintain" not in self._entry_points:
            return
        doing = f"maintain, step {view.step}"
        shown = GuardedNotebook(notebook, self._maintained, MAINTAIN_RULE)
        before = notebook.journal_bytes
        value = self._ask("hooks.py", doing, "maintain", {"view": _plain(view)}, shown)
        self._charge("hooks.py", doing, notebook.journal_bytes - before)
        with self._code["hooks.py"].blamed(doing):
            shown.check()
            check_maintained(value)

    def act(self, action: str, view: View) -> Decision:
        """What becomes of an action the model committed."""
        if "act" not in self._entry_points:
            return Send(action)
        doing = f"act({action!r:.80}), step {view.step}"
        value = self._ask("hooks.py", doing, "act", {"action": action, "view": _plain(view)})
        decided = self._read("hooks.py", doing, _decision(), value)
        with self._code["hooks.py"].blamed(doing):
            return checked_decision(decided, action, view)

    def bound(self, operation: Operation) -> Operation:
        """One of the scaffold's own operations, to run in this episode's process."""

        def run(notebook: MemoryFS, arguments: Mapping[str, Any]) -> MemoryResult:
            doing = f"operation {operation.name}"
            shown = guarded(notebook, operation.name, operation.kind)
            given = {"name": operation.name, "arguments": dict(arguments)}
            before = notebook.journal_bytes
            value = self._ask("operations.py", doing, "operate", given, shown)
            self._charge("operations.py", doing, notebook.journal_bytes - before)
            with self._code["operations.py"].blamed(doing):
                shown.check()
            result = self._read("operations.py", doing, _result(), value)
            if len(result.file or "") > notebook.limits.max_name_bytes:
                raise self._garbage("operations.py", doing, value)
            return result

        return rebound(operation, run)

    def close(self) -> None:
        """End the process."""
        self._calls.close()

    def _given(self) -> dict[str, Any]:
        return {"code": sent(self._code), "maintained": sorted(self._maintained)}

    def _ask(
        self, file: str, doing: str, call: str, given: Mapping[str, Any], notebook: GuardedNotebook | None = None
    ) -> object:
        """The value of a call; anything else is a HookFailure."""
        try:
            return self._calls.ask(call, given, notebook)
        except Stopped as stopped:
            raise HookFailure(f"{self._code[file].path}: {doing}: {stopped}", kind=stopped.kind) from None
        except Broke as broke:
            path = self._code[file if broke.file is None or broke.file not in self._code else broke.file].path
            place = f"{path}:{broke.line}" if broke.line else str(path)
            raise HookFailure(f"{place}: {doing}: {broke.what}", what=broke.what, line=broke.line) from None

    def _read(self, file: str, doing: str, form: TypeAdapter[_T], value: object) -> _T:
        try:
            return form.validate_python(value)
        except ValidationError:
            raise self._garbage(file, doing, value) from None

    def _charge(self, file: str, doing: str, written: int) -> None:
        """Count what the code has added to the journal. HookFailure above the limit."""
        if not self._written:
            self._steps = 1  # steps replayed on a resume have written before
        self._written += written
        most = self._bounds.journal_bytes + self._bounds.step_journal_bytes * self._steps
        if self._written > most:
            self._calls.close()
            what = (
                f"it has written {self._written:,} bytes into the notebook's history; by now {most:,} are allowed: "
                "write what has changed"
            )
            raise HookFailure(f"{self._code[file].path}: {doing}: {what}", kind="output")

    def _garbage(self, file: str, doing: str, value: object) -> HookFailure:
        self._calls.close()
        what = f"it answered with something invalid: {shortened(value)}"
        return HookFailure(f"{self._code[file].path}: {doing}: {what}", kind="garbage")


def _plain(view: View) -> dict[str, Any]:
    return {
        "step": view.step,
        "observation": dict(view.observation),
        "action": view.action,
        "actions": view.actions,
        "world": view.world,
        "task": view.task,
    }


@lru_cache(maxsize=1)
def _decision() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)


@lru_cache(maxsize=1)
def _result() -> TypeAdapter[MemoryResult]:
    return TypeAdapter(MemoryResult)
