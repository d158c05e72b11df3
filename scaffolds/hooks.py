"""Hooks: code of a scaffold that runs at each step. What it gets, what it may return, and who runs it.

A scaffold's hooks.py defines `class Hooks`; one instance lives for one episode. It may have any of

    def observe(self, view: View) -> list[str]                       # notices for this step's LOG and PLAN
    def maintain(self, view: View, notebook: NotebookView) -> None   # writes the files declared maintained_by="hooks"
    def act(self, action: str, view: View) -> Send | Repair | Veto   # sends, repairs or vetoes the model's action

In every step `observe`, then `maintain`, run once before LOG; `act` runs for each action the model commits, with the
action as the model wrote it. When an episode is resumed, `observe` and `act` are called again for every earlier step,
so keep state there; what `maintain` has written is in the notebook.

Only plain data is exchanged (texts, numbers, lists and the dataclasses below). Hooks that the repository ships, or that
the user trusts, run in this process; all others in a contained one (`scaffolds.containment`), which runs this file too,
so it imports the standard library only.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from scaffolds.faults import ScaffoldError, nearest
from scaffolds.notebook_view import GuardedNotebook, NotebookView
from scaffolds.scaffold_code import BrokenPromise, ScaffoldCode

if TYPE_CHECKING:
    from memory_fs import MemoryFS
    from tools import Operation

__all__ = ["Decision", "DirectHooks", "HooksRunner", "NotebookView", "Repair", "Send", "Veto", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """A step as a hook sees it: what the model sees and no more (no seed, no reward)."""

    step: int
    """The step being played, from 1."""
    observation: Mapping[str, str]
    """The world's present observation: `long` and `short`."""
    action: str | None
    """The action that led here; None in the first step."""
    actions: Sequence[str]
    """The names of the world's actions."""
    world: str
    task: str


@dataclass(frozen=True, slots=True)
class Send:
    """The action passes as it is."""

    action: str
    kind: Literal["send"] = "send"


@dataclass(frozen=True, slots=True)
class Repair:
    """Another action of the world is sent instead; the model reads why."""

    action: str
    why: str
    kind: Literal["repair"] = "repair"


@dataclass(frozen=True, slots=True)
class Veto:
    """Nothing is sent; the model reads why and chooses again."""

    why: str
    kind: Literal["veto"] = "veto"


Decision: TypeAlias = Send | Repair | Veto


class HooksRunner(Protocol):
    """Who runs a scaffold's hooks for one episode, and its own operations where they are contained.

    An exception in them becomes a HookFailure.
    """

    def observe(self, view: View) -> list[str]:
        """The hooks' notices on a step; empty if they have none."""

    def maintain(self, view: View, notebook: MemoryFS) -> None:
        """Let the hooks bring their files up to date."""

    def act(self, action: str, view: View) -> Decision:
        """What becomes of an action the model committed."""

    def bound(self, operation: Operation) -> Operation:
        """One of the scaffold's own operations as this episode runs it."""

    def close(self) -> None:
        """The episode is over."""


ENTRY_POINTS = {"observe": 1, "maintain": 2, "act": 2}
"""The hooks, and the number of arguments of each."""
MAINTAIN_RULE = 'maintain writes only files that scaffold.toml declares maintained_by = "hooks"'
NOTICE_CHARS = 16_000
"""Characters of all notices of a step, or of a reason: as many as one result of the notebook (`memory_fs.Limits`)."""


class DirectHooks:
    """Runs trusted hooks in this process. `maintained`: the files `maintain` may write."""

    def __init__(self, code: ScaffoldCode, maintained: Collection[str]) -> None:
        self._code = code
        self._maintained = frozenset(maintained)
        with code.blamed("Hooks()"):
            hooks = code.run().Hooks()
        self._observe = getattr(hooks, "observe", None)
        self._maintain = getattr(hooks, "maintain", None)
        self._act = getattr(hooks, "act", None)

    def observe(self, view: View) -> list[str]:
        """The hooks' notices on a step; empty if they have none."""
        if self._observe is None:
            return []
        with self._code.blamed(f"observe, step {view.step}"):
            return checked_notices(self._observe(_own(view)))

    def maintain(self, view: View, notebook: NotebookView) -> None:
        """Let the hooks bring their files up to date."""
        if self._maintain is None:
            return
        with self._code.blamed(f"maintain, step {view.step}"):
            guarded = GuardedNotebook(notebook, self._maintained, MAINTAIN_RULE)
            check_maintained(self._maintain(_own(view), guarded))
            guarded.check()

    def act(self, action: str, view: View) -> Decision:
        """What becomes of an action the model committed."""
        if self._act is None:
            return Send(action)
        with self._code.blamed(f"act({action!r:.80}), step {view.step}"):
            return checked_decision(self._act(action, _own(view)), action, view)

    def bound(self, operation: Operation) -> Operation:
        """The operation as it is: a trusted one runs by itself."""
        return operation

    def close(self) -> None:
        """Nothing to release."""


def _own(view: View) -> View:
    """A view with its own observation, which the hooks may change."""
    return replace(view, observation=dict(view.observation))


def check_hooks(code: ScaffoldCode) -> frozenset[str]:
    """Which entry points the hooks have. Runs the file once; ScaffoldError (file, line) if it breaks the protocol."""
    hooks = getattr(code.run(), "Hooks", None)
    if not isinstance(hooks, type):
        raise ScaffoldError("hooks.py must define `class Hooks`", code.path)
    found = {}
    for name, method in inspect.getmembers(hooks, code.is_home_of):
        line = method.__code__.co_firstlineno
        if name in ENTRY_POINTS:
            found[name] = method
            _check_signature(code, name, method, line)
        elif not name.startswith("_"):
            known = nearest(name, ENTRY_POINTS)
            advice = f"there is no hook {name!r}, {known} (what is your own begins with an underscore)"
            raise ScaffoldError(advice, code.path, line)
    if not found:
        raise ScaffoldError(f"class Hooks has none of {', '.join(ENTRY_POINTS)}", code.path)
    try:
        hooks()
    except (Exception, SystemExit) as error:
        problem = f"Hooks() raised {type(error).__name__}: {error}"
        raise ScaffoldError(problem, code.path, code.line_in(error)) from error
    return frozenset(found)


def _check_signature(code: ScaffoldCode, name: str, method: object, line: int) -> None:
    assert callable(method)
    try:
        inspect.signature(method).bind(*[None] * (1 + ENTRY_POINTS[name]))
    except TypeError:
        forms = {
            "observe": "observe(self, view) -> list[str]",
            "maintain": "maintain(self, view, notebook) -> None",
            "act": "act(self, action, view) -> Send | Repair | Veto",
        }
        raise ScaffoldError(f"this hook is written {forms[name]}", code.path, line) from None
    if inspect.iscoroutinefunction(method):
        raise ScaffoldError(f"{name} must be a plain function, not async", code.path, line)


def checked_notices(notices: object) -> list[str]:
    """The notices that `observe` returned. BrokenPromise if they are invalid."""
    if not isinstance(notices, list) or not all(isinstance(notice, str) for notice in notices):
        raise BrokenPromise(f"it must return a list of texts, not {notices!r:.200}")
    length = len("\n".join(notices))  # an empty notice is a line of the prompt too
    if length > NOTICE_CHARS:
        raise BrokenPromise(f"it may return {NOTICE_CHARS:,} characters, not {length:,}")
    return list(notices)


def check_maintained(returned: object) -> None:
    """BrokenPromise if `maintain` returned anything."""
    if returned is not None:
        raise BrokenPromise(f"it must return None, not {returned!r:.200}")


def checked_decision(decided: object, action: str, view: View) -> Decision:
    """The decision that `act` returned. BrokenPromise if it is invalid."""
    if not isinstance(decided, Send | Repair | Veto):
        raise BrokenPromise(f"it must return Send, Repair or Veto, not {decided!r:.200}")
    if isinstance(decided, Send) and decided.action != action:
        raise BrokenPromise(f"Send passes the model's action as it is, not {decided.action!r}: use Repair(action, why)")
    if isinstance(decided, Repair) and decided.action not in view.actions:
        raise BrokenPromise(f"Repair({decided.action!r}) is no action of the world")
    if not isinstance(decided, Send) and not (isinstance(decided.why, str) and decided.why.strip()):
        raise BrokenPromise(f"{type(decided).__name__} needs a reason for the model, in words")
    if not isinstance(decided, Send) and len(decided.why) > NOTICE_CHARS:
        raise BrokenPromise(f"a reason may have {NOTICE_CHARS:,} characters, not {len(decided.why):,}")
    return decided
