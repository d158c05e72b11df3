"""What both outer loops share: a run that can be stopped and resumed, questions to a person, drawn seeds."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.types import interrupt

from graphs.inner_agent.run_file import FREE
from graphs.run_lock import has_begun, run_lock
from graphs.settings import Context, SettingsError
from scaffolds import Scaffold
from traces import TraceDamaged, TraceFailure
from traces.plain_json import read_file, write_file

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph, StateGraph


C = TypeVar("C", bound=Context)


def anew(was: object, now: object) -> object:
    """A setting as it is asked for now; one left out or empty is not, and a ceiling that is not named again stays."""
    if now in (None, {}, []):
        return was
    return {**was, **now} if isinstance(was, dict) and isinstance(now, dict) else now


def differs(folder: Path, what: str, name: str, was: object, now: object) -> SettingsError:
    """The refusal of a setting other than that a "run" or "search" (`what`) was begun with."""
    return SettingsError(
        f"The {what} in {folder} was begun with {name}={was!r}, not {now!r}: "
        f"give the same to go on with it, or another `out` for another {what}."
    )


def check_vacant(folder: Path, what: str, *, unfinished: str = "") -> None:
    """SettingsError where something stands that is no `what` ("search", "run of loop 2"): nothing is mixed with it.

    `unfinished`: a file that may be there, left by one that was killed when it began.
    """
    if folder.exists() and (not folder.is_dir() or any(found.name != unfinished for found in folder.iterdir())):
        found = f"holds something that is no {what}" if folder.is_dir() else "is a file, and a folder is needed"
        raise SettingsError(f"{folder} {found}: give another `out`.")


@contextmanager
def reading(settings: Path) -> Iterator[None]:
    """TraceDamaged where a file of settings holds other things than it should: edited, or of another release."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        what = f"does not hold what it should ({error})"
        raise TraceDamaged(f"{settings} {what}: restore it, or choose another `out`") from error


def play_on(kept: C, asked: C, *, digest: str, own_free: str, folder: Path, what: str) -> C:
    """The context as it was begun, with what may be changed as it is asked for now; SettingsError for the rest.

    What stands at its default is not asked for. `digest`: of the scaffold begun with, which may lie elsewhere now;
    `own_free`: the field of this loop's own that may change.
    """
    changes: dict[str, object] = {}
    for field in dataclasses.fields(kept):
        was = getattr(kept, field.name)
        value = anew(was, getattr(asked, field.name))
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if value in (default, was):
            continue
        if field.name == "scaffold":
            if Scaffold.load(str(value), trust_code=asked.trust_scaffold_code).digest != digest:
                raise differs(folder, what, "scaffold", was, value)
        elif field.name not in (*FREE, own_free):
            raise differs(folder, what, field.name, was, value)
        else:
            changes[field.name] = value
    return replace(kept, **changes)  # type: ignore[arg-type]  # fields of the very class


STATE = "state.sqlite"
"""The checkpoints of a run folder."""
THREAD = "search"
"""The one thread in them."""


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """What an outer loop is made of."""

    name: str
    """Of the graph: "reviewer"."""
    build: Callable[[], StateGraph[Any, Any, Any, Any]]
    """The graph; its run folder is held by whoever drives it."""
    lay_out: Callable[[Any, Any], object]
    """Checks input and context, writes the run folder, or compares both with what is there; raises our errors."""
    outputs: tuple[str, ...]
    """Fields of the graph's output."""
    step_limit: int = 100_000
    """Supersteps of one run."""


class OpenRun:
    """An outer loop that this process drives: the graph, with its checkpoints in RUN/state.sqlite."""

    def __init__(
        self, kind: Resumable, graph: CompiledStateGraph[Any, Any, Any, Any], given: Mapping[str, Any], context: Any
    ) -> None:
        self.graph = graph
        self._kind = kind
        self._given = given
        self._context = context

    async def stream(self, answer: object = None) -> AsyncIterator[dict[str, Any]]:
        """Begin or go on, and tell what happens (the graph's custom events).

        It ends with the graph, or where a person is asked (`question`): `answer` is then what they say.
        """
        given = await self._entry(answer)
        events = self.graph.astream(
            given, self._config(), context=self._context, stream_mode="custom", durability="sync"
        )
        async for event in events:
            yield event

    async def question(self) -> dict[str, Any] | None:
        """What a person is asked, where it waits for an answer."""
        state = await self.graph.aget_state(self._config())
        for task in state.tasks:
            for asked in task.interrupts:
                return dict(asked.value)
        return None

    async def result(self) -> dict[str, Any]:
        """The output of what has ended."""
        values = (await self.graph.aget_state(self._config())).values
        return {name: values.get(name) for name in self._kind.outputs}

    async def _entry(self, answer: object) -> Any:
        """What the graph is called with: the answer, nothing (its next node is known), or the input, to begin."""
        from langgraph.types import Command

        state = await self.graph.aget_state(self._config())
        if not state.next:
            return self._given
        await asyncio.to_thread(self._kind.lay_out, self._given, self._context)
        return None if answer is None else Command(resume=answer)

    def _config(self) -> Any:
        name = f"{self._kind.name} {Path(self._given['out']).name}"
        return {"configurable": {"thread_id": THREAD}, "run_name": name, "recursion_limit": self._kind.step_limit}


@asynccontextmanager
async def opened(kind: Resumable, given: Mapping[str, Any], context: Any = None) -> AsyncIterator[OpenRun]:
    """A run for the length of an `async with` block; `given` says where it lies and what is asked for.

    With `resume` in it, one that was stopped or killed goes on where it stood. Raises our errors, also where another
    run drives it.
    """
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    out = Path(given["out"])
    with ExitStack() as holding:
        taken_up = has_begun(out)
        if taken_up:  # what another run drives is left as it is, its settings among it
            holding.enter_context(run_lock(out))
        await asyncio.to_thread(kind.lay_out, given, context)
        if not taken_up:
            holding.enter_context(run_lock(out))
        try:
            async with AsyncSqliteSaver.from_conn_string(str(out / STATE)) as saver:
                graph = kind.build().compile(checkpointer=saver, name=kind.name)
                yield OpenRun(kind, graph, {**given, "resume": True}, context)
        except sqlite3.Error as error:
            advice = "if it is damaged, remove it: what is finished is found again in the folder"
            raise TraceFailure(f"{out / STATE} cannot be used ({error}); {advice}.") from error


HOW = 'Answer yes, or no with a reason in plain words; {"approve": false, "reason": "…"} is understood, too.'


def approved(
    answers: Path, step: str, digest: str, question: str, yes: str, no: str, facts: Mapping[str, Any]
) -> tuple[bool, str]:
    """A person's answer, and their reason: asked for (LangGraph's interrupt) once, then kept in the file `answers`.

    An answer at a `step` holds for the very thing it was given for, told by `digest`. `yes` and `no` say what follows
    from each answer, `facts` what to judge by. An answer that cannot be read is asked for again.
    """
    kept = read_file(answers) if answers.exists() else {}
    known = kept.get(step)
    if known is None or known["digest"] != digest:
        full = {"ask": question, "answers": {"yes": yes, "no": no}, "how": HOW, "step": step, **facts}
        answer = read_answer(interrupt(full))
        while answer is None:
            again = {**full, "ask": f"{question} The last answer was neither yes nor no."}
            answer = read_answer(interrupt(again))
        known = {"approve": answer[0], "reason": answer[1], "digest": digest}
        write_file(answers, {**kept, step: known})
    return bool(known["approve"]), str(known["reason"])


def read_answer(answer: object) -> tuple[bool, str] | None:
    """(approved, reason) of an answer in any of its forms; None if it is neither yes nor no."""
    reason = ""
    if isinstance(answer, Mapping):
        reason = str(answer.get("reason") or "")
        answer = answer.get("approve")
    if isinstance(answer, str):
        word, _, rest = answer.strip().partition(" ")
        answer = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}.get(
            word.lower().rstrip(",.:;!")
        )
        reason = reason or rest.strip()
    return (answer, reason) if isinstance(answer, bool) else None


LEAST, BEYOND = 100_000, 2**31
"""Drawn seeds are far from those that people and protocols name."""


def draw_seeds(words: str, count: int, taken: Collection[int]) -> list[int]:
    """So many seeds in ascending order; `words` say what for, such as "0/v1.a2"."""
    chance = random.Random(int.from_bytes(hashlib.sha256(words.encode()).digest(), "big"))
    drawn: set[int] = set()
    while len(drawn) < count:
        seed = chance.randrange(LEAST, BEYOND)
        if seed not in taken:
            drawn.add(seed)
    return sorted(drawn)
