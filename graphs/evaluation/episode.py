"""Why an episode failed: the machine, or what was being played; and whether playing on can help."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from langchain_core.runnables import RunnableConfig

from chat_models.failures import RETRIED, FailureKind
from chat_models.keys import new_context
from graphs.inner_agent.branches import Living
from graphs.inner_agent.graph import graph as inner_agent
from graphs.inner_agent.node import in_thread
from graphs.inner_agent.result import MACHINE_FAILURES, failure_record
from graphs.inner_agent.session import RecordedStart, Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.inner_agent.state import Input
from graphs.settings import EpisodeSettings, SettingsError
from graphs.spending import CeilingReached, Spending
from traces import EpisodeFolder, EpisodeResult, Failure, TraceDamaged, TraceFailure, TraceReader, read_result
from traces.health import HEALTH
from traces.records import ServerUse


def players_own(cause: Mapping[str, Any]) -> bool:
    """Whether a failed episode was caused by what was played: its code broke, or its prompts grew too long.

    That containment could not be set up at all is a failure of the machine.
    """
    if cause["where"] == "provider":
        return str(cause["kind"]) == FailureKind.CONTEXT_TOO_LONG
    return str(cause["where"]) == "bug" or (cause["where"] == "hooks" and cause["kind"] != "containment")


def may_pass(cause: Mapping[str, Any]) -> bool:
    """Whether playing on at once can help: a server that was away may be back."""
    return cause["where"] == "provider" and cause["kind"] in set(RETRIED)


class Progress(TypedDict):
    """How far an episode is: streamed when it is opened, after every step, and when it has ended."""

    event: str
    """"began", "step" or "ended"; an episode that was finished before has only ended."""
    task: str
    seed: int
    step: int
    """World steps played so far."""
    progression: float
    """In [0, 1]."""
    tokens: dict[str, int | None]
    """So far: "prompt", "completion", "cached"; None where a server did not report some of them."""
    servers: dict[str, ServerUse]
    """So far, by base URL, where a model has several servers."""
    out: list[str]
    """Base URLs of servers that take no calls at present."""
    cost: float | None
    """US dollars so far; None where a model has no price."""
    status: str
    """"playing", "finished", "limited", "failed" or "damaged"."""
    health: dict[str, float | None]
    """Of its memory so far: the figures of `traces.health`; None where one has no cases yet."""
    note: str
    """End reason, or the failure in one sentence."""


OPENED_AT_ONCE = 2
"""Episodes that are opened side by side: it takes CPU time, and the threads in which the steps of the others run."""
_OPENINGS: dict[asyncio.AbstractEventLoop, tuple[asyncio.Semaphore, int]] = {}
"""Of each event loop with episodes that are opened or wait for it, and how many they are."""


@dataclass(frozen=True, slots=True)
class EpisodePart:
    """A part of an episode to be played alone; what was spent before it is not counted."""

    last: int
    """Its last step."""
    reason: str
    """Why the episode then ends as limited."""
    recorded_start: tuple[int, RecordedStart] | None = None
    """A step, and its recorded beginning, with which it is played again."""

    def open(self, session: Session) -> None:
        """Let the step that has a recorded beginning begin with it, if it is the next."""
        if self.recorded_start is not None and self.recorded_start[0] == session.position.step:
            session.recorded_start = copy.deepcopy(self.recorded_start[1])

    def check(self, session: Session) -> None:
        """SettingsError where the step just played did not come to the end of its recorded beginning."""
        if session.recorded_start is not None:
            raise SettingsError(
                f"Played again, step {session.position.step - 1} of {session.folder.path} does not come to its recall: "
                "it was recorded with another version."
            )


async def play_episode(
    settings: EpisodeSettings,
    folder: EpisodeFolder,
    report: Callable[[Progress], None],
    run: Spending,
    part: EpisodePart | None = None,
    living: Living | None = None,
) -> EpisodeResult:
    """Play an episode to its end and return its result; a finished one is read, a broken one continued.

    A damaged one is returned as it is read: more steps would rest on a false record.

    A machine's failure ends this episode as failed, a ceiling as limited; both are returned, not raised: the others go
    on. `run` is what the whole run spends; `living` the episode's world, where that need not be replayed.
    """
    finished = await ended_before(folder, report, run)
    if finished is not None:
        return finished
    try:
        async with _turn_to_open():
            session = await in_thread(SESSIONS.hold, settings, folder, living)
    except asyncio.CancelledError:
        await asyncio.to_thread(SESSIONS.close, folder)
        raise
    except MACHINE_FAILURES as error:
        result = await asyncio.to_thread(unopened, settings, folder, failure_record(error, 0))
    else:
        session.account.share(run, past=part is None)
        result = await _play_on(session, folder, report, part)
    report(ended(result))
    return result


@contextlib.asynccontextmanager
async def _turn_to_open() -> AsyncIterator[None]:
    """Wait until fewer than OPENED_AT_ONCE episodes are being opened in this event loop."""
    loop = asyncio.get_running_loop()
    turns, waiting = _OPENINGS.get(loop, (asyncio.Semaphore(OPENED_AT_ONCE), 0))
    _OPENINGS[loop] = turns, waiting + 1
    try:
        async with turns:
            yield
    finally:
        _, waiting = _OPENINGS.pop(loop)
        if waiting > 1:
            _OPENINGS[loop] = turns, waiting - 1


async def ended_before(
    folder: EpisodeFolder, report: Callable[[Progress], None], run: Spending
) -> EpisodeResult | None:
    """The result of an episode that is not played on, counted and reported; None where it is to be played."""
    finished = await asyncio.to_thread(read_result, folder, content=True)
    if finished is None or finished.status not in ("finished", "damaged"):
        return None
    tokens = (finished.tokens["prompt"] or 0) + (finished.tokens["completion"] or 0)
    run.add(finished.model_calls, tokens, finished.cost or 0.0)
    report(ended(finished))
    return finished


async def _play_on(
    session: Session, folder: EpisodeFolder, report: Callable[[Progress], None], part: EpisodePart | None
) -> EpisodeResult:
    try:
        report(_playing(session, "began"))
        while not session.position.over:
            # A fresh context: the step's stream and traces are none of those this runs under.
            if part is not None and session.position.step > part.last:
                result = session.result(limited=part.reason)
                await asyncio.to_thread(session.end, result)
                return result
            if part is not None:
                part.open(session)
            await asyncio.create_task(play_step(session), context=new_context())
            if part is not None:
                part.check(session)
            report(_playing(session, "step"))
        return session.result()
    except MACHINE_FAILURES as error:
        return session.result(failure_record(error, session.position.step))
    except CeilingReached as reached:
        return session.result(limited=str(reached))
    finally:
        await asyncio.to_thread(SESSIONS.close, folder)


async def play_step(session: Session) -> None:
    """Play one world step; CeilingReached where nothing more may be spent.

    The session sends the step to LangSmith; the graph's own traces would send it a second time.
    """
    with session.untraced():
        now = await inner_agent.ainvoke(Input(episode=str(session.folder.path), steps=1), step_config(session))
    raise_limited(now)


def raise_limited(now: Mapping[str, Any]) -> None:
    """CeilingReached if a step's output, or an update of its last node, says that a ceiling ended it."""
    if now.get("status") == "limited":
        raise CeilingReached(now["reason"])


def step_config(session: Session) -> RunnableConfig:
    """How one world step is run; named for other tracers than ours."""
    settings, step = session.settings, session.position.step
    name = f"{settings.world}/{settings.task} seed {settings.seed} step {step}"
    return {"run_name": name, "recursion_limit": 10_007}


def _playing(session: Session, event: str) -> Progress:
    return Progress(
        event=event,
        task=session.settings.task,
        seed=session.settings.seed,
        step=session.position.step - 1,
        progression=session.position.info["progression"],
        tokens=dict(session.account.tokens),
        servers=dict(session.account.servers),
        health=session.account.health,
        out=session.servers_out,
        cost=session.account.cost(),
        status="playing",
        note="",
    )


def ended(result: EpisodeResult) -> Progress:
    """The last event of an episode with this result."""
    return Progress(
        event="ended",
        task=result.task,
        seed=result.seed,
        step=result.steps,
        progression=result.progression,
        tokens=result.tokens,
        servers=result.servers,
        health={name: result.metrics.get(name) for name in HEALTH},
        out=[],
        cost=result.cost,
        status=result.status,
        note=result.failure.sentence if result.failure else result.end_reason or "",
    )


def unopened(settings: EpisodeSettings, folder: EpisodeFolder, failure: Failure) -> EpisodeResult:
    """The result of an episode that could not be opened: with what its trace, if it has one, holds of it already."""
    steps, progression, episode_return = _played(folder)
    return EpisodeResult(
        world=settings.world,
        task=settings.task,
        seed=settings.seed,
        status="failed",
        steps=steps,
        progression=progression,
        episode_return=episode_return,
        failure=dataclasses.replace(failure, step=steps + 1 if steps else 0),
        scaffold="/".join(Path(settings.scaffold).parts[-2:]),
        model=settings.model,
        gameplay_model=settings.gameplay_model,
        attempt=folder.attempt,
    )


def complete(result: EpisodeResult) -> bool:
    """Whether an episode is over, so that the next of the arm persisted can go on from its notebook."""
    if result.failure is not None:
        return players_own(dataclasses.asdict(result.failure))
    return not str(result.end_reason).startswith("the run's ceiling")


def waiting(settings: EpisodeSettings, folder: EpisodeFolder, earlier: EpisodeResult) -> EpisodeResult:
    """The result of an episode that cannot begin before `earlier` is complete: it ends for the same cause."""
    if earlier.failure is not None:
        return unopened(settings, folder, earlier.failure)
    unplayed = unopened(settings, folder, Failure(where="", kind="", sentence="", step=0))
    return dataclasses.replace(unplayed, status="limited", failure=None, end_reason=earlier.end_reason)


def _played(folder: EpisodeFolder) -> tuple[int, float, float]:
    """Steps, progression and return that a trace holds, as far as it can be read: errors are reported elsewhere."""
    steps, progression, episode_return = 0, 0.0, 0.0
    with contextlib.suppress(TraceFailure, TraceDamaged):
        if folder.steps.exists():
            with TraceReader(folder) as reader:
                for played in reader:
                    steps, progression = played.step, played.info["progression"]
                    episode_return += played.reward
    return steps, progression, episode_return
