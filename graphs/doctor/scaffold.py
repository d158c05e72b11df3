"""How a scaffold goes with a model: LOG and PLAN of an episode's beginning, sampled, and what a run will take.

The replies come about as in an episode: its opening, its nodes, its reading of replies. PLAN is that of step 1, LOG
that of step 2, the first there is.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from langgraph.graph import START, StateGraph
from langgraph.types import Command
from langsmith import tracing_context

from chat_models import ProviderFailure
from graphs.doctor.rows import Row, ok
from graphs.inner_agent import nodes
from graphs.inner_agent.node import ask
from graphs.inner_agent.opening import open_session
from graphs.inner_agent.routine import read_reply
from graphs.inner_agent.session import Routine, Session
from graphs.inner_agent.state import State
from graphs.settings import EpisodeSettings
from graphs.spending import Price
from tools import Call, Kind, Mistake
from traces import RunFolder

SAMPLES = 5
"""Replies sampled of LOG and of PLAN."""
FOLLOWED = 3
"""Replies of one routine that are asked for, where it does not end sooner."""
FOLLOW_S = 60.0
"""Seconds after which only each routine's first reply is asked for."""
GOOD, POOR = 0.9, 0.5
"""Shares of replies without a mistake: from the first on a scaffold goes well, below the second it hardly plays."""
ROUTINES: Mapping[Routine, frozenset[str]] = {
    "LOG": frozenset({"log", "remember"}),
    "PLAN": frozenset({"plan", "recall"}),
}
"""The nodes of each routine."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One reply."""

    routine: Routine
    good: bool
    """Whether it holds operations, no mistake, and no action that the world does not know."""
    ended: bool
    """Whether the routine ended with it."""
    cut: bool
    """Whether it was cut at the limit of new tokens."""
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    latency_s: float


@dataclass
class Samples:
    """All replies, and how they were asked for."""

    replies: list[Sampled] = field(default_factory=list)
    wall_s: float = 0.0
    side_by_side: int = 1
    failure: str | None = None
    """Why the sampling ended early."""
    turns: Mapping[Routine, int] = field(default_factory=dict)
    """Replies that the scaffold allows a routine."""

    def of(self, routine: Routine) -> list[Sampled]:
        """The replies of a routine."""
        return [one for one in self.replies if one.routine == routine]


async def sample(settings: EpisodeSettings, concurrency: int) -> Samples:
    """Sample the routines in as many copies of an episode, side by side up to `concurrency`.

    Raises what opening an episode raises. A model that fails ends the sampling, with what came before.
    """
    samples = Samples(side_by_side=min(SAMPLES, concurrency))
    free = asyncio.Semaphore(samples.side_by_side)
    with _sessions(settings) as sessions:
        samples.turns = {routine: sessions[0].turns(routine, consulting=sessions[0].hands_over) for routine in ROUTINES}
        began = time.monotonic()

        async def one(session: Session) -> None:
            async with free:
                await _beginning(session, samples.replies, began + FOLLOW_S)

        async def all_of_them(_: Samples) -> None:
            async with asyncio.TaskGroup() as group:
                for session in sessions:
                    group.create_task(one(session))

        # The nodes stream events through the graph they run in.
        builder: Any = StateGraph(Samples)
        builder.add_node("sample", all_of_them)
        builder.add_edge(START, "sample")
        try:
            with tracing_context(enabled=False):
                await builder.compile().ainvoke(samples)
        except* ProviderFailure as failed:
            samples.failure = str(failed.exceptions[0])
        samples.wall_s = time.monotonic() - began
    return samples


@contextmanager
def _sessions(settings: EpisodeSettings) -> Iterator[list[Session]]:
    """Copies of an episode in a folder of their own that is deleted, each sampled with other seeds."""
    opened: list[Session] = []
    with tempfile.TemporaryDirectory(prefix="automem-doctor-") as folder:
        try:
            for number in range(SAMPLES):
                own = dataclasses.replace(settings, sampling=settings.sampling + number)
                run = RunFolder(Path(folder) / str(number))
                session = open_session(own, run.episode(own.world, own.task, own.seed))
                opened.append(session)
                if session.live is not None:  # nothing of this goes to LangSmith
                    session.live.close()
                    session.live = None
            yield opened
        finally:
            for session in opened:
                session.close()


async def _beginning(session: Session, into: list[Sampled], follow_until: float) -> None:
    """PLAN of step 1, its action, and LOG of step 2."""
    state = cast("State", {"steps": 2, "step": 1})
    _follow(state, nodes.observe(state, session))
    await _routine("PLAN", session, state, into, follow_until)
    node = _follow(state, nodes.act(state, session))
    if node in ROUTINES["PLAN"]:  # a hook vetoed the action
        _follow(state, nodes.act({**state, "choice": None}, session))
    if _follow(state, nodes.observe(state, session)) == "log":
        await _routine("LOG", session, state, into, follow_until)


async def _routine(routine: Routine, session: Session, state: State, into: list[Sampled], follow_until: float) -> None:
    """One routine, as far as it is followed; its replies are added to `into`."""
    turn, run = (nodes.log, nodes.remember) if routine == "LOG" else (nodes.plan, nodes.recall)
    for number in range(FOLLOWED):
        if number and time.monotonic() > follow_until:
            return
        steps = turn(state, session)
        request = next(steps)
        completion = await ask(session, request)
        session.account.add_call(request.role, completion)
        try:
            steps.send(completion)
        except StopIteration as end:
            node = _follow(state, end.value)
        conversation = state["conversation"]
        assert conversation is not None, "the routine is open until what follows it"
        reading = read_reply(session, conversation)
        if node == run.__name__:
            node = _follow(state, run(state, session))
        into.append(
            Sampled(
                routine=routine,
                good=all(_is_valid(item, session) for item in reading.items),
                ended=node not in ROUTINES[routine],
                cut=completion.finish_reason == "length",
                prompt_tokens=completion.prompt_tokens,
                completion_tokens=completion.completion_tokens,
                cached_tokens=completion.cached_tokens,
                latency_s=completion.latency_s,
            )
        )
        if node not in ROUTINES[routine]:
            return


def _is_valid(item: Call | Mistake, session: Session) -> bool:
    """Whether it is an operation and, if it is an action, one of the world's."""
    if isinstance(item, Mistake):
        return False
    action = getattr(item.arguments, "action", None)
    return item.operation.kind is not Kind.WORLD or session.world.actions.find(str(action)) is not None


def _follow(state: State, command: Command[Any]) -> str:
    """Take a node's update into the state; the node it leads to."""
    cast("dict[str, Any]", state).update(cast("dict[str, Any]", command.update))
    return str(command.goto)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take, as far as the samples say."""

    steps: int
    """World steps of the whole run, if no episode ends early."""
    calls: float
    prompt_tokens: float | None
    completion_tokens: float | None
    hours: float
    cost: float | None
    """US dollars; None without a price or token counts."""


def estimate(samples: Samples, steps: int, price: Price | None) -> Estimate:
    """Calls, tokens, time and money of a run of so many world steps. There must be samples.

    A routine that was not followed to its end is taken to go on ending as often as the replies seen did, up to the
    scaffold's limit.
    """
    shares = {routine: _replies_per_routine(samples, routine) for routine in ROUTINES if samples.of(routine)}
    calls = steps * sum(shares.values())
    prompt, completion, cached = (
        _per_step(samples, shares, f"{kind}_tokens") for kind in ("prompt", "completion", "cached")
    )
    cost = None
    if price is not None and prompt is not None and completion is not None:
        cost = steps * price.cost(round(prompt), round(completion), round(cached or 0))
    hours = calls * samples.wall_s / len(samples.replies) / 3600
    total = [None if one is None else steps * one for one in (prompt, completion)]
    return Estimate(steps, calls, total[0], total[1], hours, cost)


def _replies_per_routine(samples: Samples, routine: Routine) -> float:
    replies = samples.of(routine)
    ending = sum(one.ended for one in replies) / len(replies)
    # Of a constant chance to end, cut off at the limit of turns: 1 + (1 - p) + (1 - p)² + …
    return sum((1 - ending) ** turn for turn in range(samples.turns[routine]))


def _per_step(samples: Samples, shares: Mapping[Routine, float], name: str) -> float | None:
    """Tokens of one kind per world step; None where one was not counted."""
    total = 0.0
    for routine, replies in shares.items():
        counts = [getattr(one, name) for one in samples.of(routine)]
        if any(count is None for count in counts):
            return None
        total += replies * statistics.mean(counts)
    return total


def new_tokens(samples: Samples, max_tokens: int) -> int | None:
    """A limit of new tokens that leaves room for every good reply; None where none is known or it is as low already.

    Twice the longest reply without a mistake that ended by itself, in whole 64s; where all have mistakes, of these.
    """
    whole = [one for one in samples.replies if not one.cut]
    ended = [(one.good, one.completion_tokens) for one in whole if one.completion_tokens is not None]
    counts = [tokens for good, tokens in ended if good] or [tokens for _, tokens in ended]
    if not counts:
        return None
    limit = max(128, -(-2 * max(counts) // 64) * 64)
    return limit if limit < max_tokens else None


def scaffold_rows(samples: Samples, *, context: int | None, max_tokens: int) -> list[Row]:
    """What the samples say."""
    rows = [_routine_row(routine, samples.of(routine)) for routine in ROUTINES if samples.of(routine)]
    if samples.failure is not None:
        what, _, advice = samples.failure.rstrip(".").rpartition("; ")
        rows.append(Row("sampling", "fault", what or advice, advice))
    prompts = [one.prompt_tokens for one in samples.replies if one.prompt_tokens is not None]
    if prompts and context is not None:
        found = f"{max(prompts)} tokens of {context}, of which a reply may take {max_tokens}"
        if max(prompts) + max_tokens > context:
            rows.append(Row("prompt", "fault", found, "lower `max_tokens`, or serve the model with a longer context"))
        else:
            rows.append(ok("prompt", found))
    return rows


def _routine_row(routine: Routine, replies: list[Sampled]) -> Row:
    good = sum(one.good for one in replies)
    cut = sum(one.cut for one in replies)
    counts = [one.completion_tokens for one in replies if one.completion_tokens is not None]
    tokens = f", {statistics.mean(counts):.0f} tokens each" if counts else ""
    found = f"{good} of {len(replies)} replies without a mistake{tokens}" + (f", {cut} cut at the limit" if cut else "")
    if good >= GOOD * len(replies):
        return ok(routine, found)
    advice = "see the line to run next" if good >= POOR * len(replies) else "constrain replies, or name a larger model"
    return Row(routine, "warning", found, advice)
