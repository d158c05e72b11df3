"""The live objects of one episode: world, notebook, hooks, trace and models. The rest is in the graph's state."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from chat_models import Affinity
from graphs.inner_agent.branches import Branches, Living
from graphs.inner_agent.result import Account
from graphs.inner_agent.served_runs import ServedRuns
from graphs.inner_agent.state import Message, Position, plain
from graphs.run_lock import Busy, EpisodeLease
from graphs.settings import EpisodeSettings, SettingsError
from memory_fs import MemoryFS, Outcome
from tools import Dialect, Vocabulary
from tools.reading import excerpt
from tools.thoughts import ThoughtReader
from traces import (
    Conversation,
    EpisodeFolder,
    EpisodeResult,
    Failure,
    OperationRecord,
    RunFolder,
    StepRecord,
    TraceWriter,
)
from traces.effects import CHANGED
from traces.records import total_tokens
from traces.run_file import add_note
from worlds import Observation, World

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from chat_models import Completion, Retry
    from scaffolds import HooksRunner, Scaffold
    from traces.langsmith_export import LiveEpisode

logger = logging.getLogger(__name__)


@dataclass
class RecordedStart:
    """The recorded beginning of a step that is played again up to a recall, whose answer may be another one."""

    replies: list[Completion]
    """Of the models, in order; the last one holds the recall."""
    recall: OperationRecord
    """As it was recorded."""
    place: int
    """Its index among the operations of its conversation."""
    answer: tuple[Outcome, str] | None
    """Instead of the notebook's; None to keep that."""

    def settle(self, facts: dict[str, Any], text: str) -> str:
        """What the model reads of the recall, now run with `facts` and answered with `text`. Changes the facts.

        SettingsError where the recall is not the recorded one.
        """
        known = {name: getattr(self.recall, name) for name in ("operation", "arguments", "outcome", "total")}
        if any(facts[name] != value for name, value in known.items()) or facts["lines"] != list(self.recall.lines):
            raise SettingsError(
                f"Played again, the step does not come to the {self.recall.operation} that was recorded in it: it was "
                "recorded with another version, or what the scaffold does differs from time to time."
            )
        if self.answer is None:
            return text
        outcome, text = self.answer
        facts.update(outcome=str(outcome), lines=[], provenance=[], total=0, code=CHANGED)
        return text


IDLE_STEPS = 3
"""Steps in a row in which nothing is done, after which a person is warned."""
Routine = Literal["LOG", "PLAN"]
Role = Literal["memory", "gameplay"]


class Session:
    """One live episode. Built by `sessions.Sessions.open`, new or by replaying the recorded actions."""

    system: Message
    """The system message, the same in every prompt of the episode; set by `opening`."""
    position: Position
    """Set when the world is reset, and after each step."""

    def __init__(
        self,
        settings: EpisodeSettings,
        folder: EpisodeFolder,
        scaffold: Scaffold,
        world: World,
        notebook: MemoryFS,
        dialect: Dialect,
        models: dict[Role, BaseChatModel],
        retry: Retry,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.scaffold = scaffold
        self.world = world
        self.notebook = notebook
        self.dialect = dialect
        self.retry = retry
        self.affinity = Affinity()
        """Which of several servers the episode stays with."""
        self._models = models
        self.hooks: HooksRunner | None = scaffold.hooks()
        self.trace = TraceWriter(folder)
        self.account = Account(settings, scaffold, folder)
        self.thoughts: dict[str, ThoughtReader] = {role: ThoughtReader() for role in ("memory", "gameplay")}
        """By role: separates thoughts from replies."""
        self.vocabularies: dict[Routine, Vocabulary] = {
            routine: scaffold.vocabulary(routine, world.actions, notebook=settings.notebook, hooks=self.hooks)
            for routine in (("LOG", "PLAN") if settings.notebook == "on" else ("PLAN",))
        }
        """The operations allowed in each routine."""
        self._tools = {routine: dialect.tools(words) for routine, words in self.vocabularies.items()}
        self._constraints = {
            (routine, role): dialect.constraint(words, getattr(model, "thought_characters", None))
            for routine, words in self.vocabularies.items()
            for role, model in models.items()
            if settings.constrained and getattr(model, "takes_constraint", False)
        }
        # A run that ended without releasing the episode (a dropped stream, say) keeps it no longer than this.
        servers = max(
            len(urls) if isinstance(urls, list) else 1 for urls in (settings.base_url, settings.gameplay_base_url)
        )
        patience_s = 60 + settings.timeout_s * settings.attempts * 2 * servers
        self.lease = EpisodeLease(str(folder.path), patience_s=patience_s)
        self.served = ServedRuns(folder)
        self.live: LiveEpisode | None = None
        """Sends the episode to LangSmith; None where it is not traced."""
        self.recorded_start: RecordedStart | None = None
        """How the next step begins, where it is played again up to a recall."""
        self.may_fork = False
        """Whether runs may begin at earlier steps, so that branches are worth their memory."""
        self.branches = Branches()
        self._noted: set[str] = set()
        self.hook_operations: list[OperationRecord] = []
        """What hooks wrote in the current step."""
        self.start_revision = 0
        """The notebook's revision when the current step began: an interrupted step begins there again."""

    def tool_schemas(self, routine: Routine) -> list[dict[str, Any]] | None:
        """JSON schemas for native tool calling; None when the dialect needs none."""
        return self._tools[routine]

    def constraint(self, routine: Routine, role: Role) -> str | None:
        """The regular expression that a role's replies must match; None when they are not constrained."""
        return self._constraints.get((routine, role))

    def recorded_reply(self) -> Completion | None:
        """The next reply of a step that is played again; None where the model is to be asked."""
        start = self.recorded_start
        return start.replies.pop(0) if start is not None and start.replies else None

    def turns(self, routine: Routine, *, consulting: bool = False) -> int:
        """Model turns a routine may take; `consulting`: another conversation commits the action."""
        turns = self.scaffold.settings.turns
        return turns.log if routine == "LOG" else turns.consulting if consulting else turns.plan

    def model(self, role: Role) -> BaseChatModel:
        """The chat model that plays a role."""
        return self._models[role]

    @property
    def servers_out(self) -> list[str]:
        """Base URLs of its servers that take no calls at present."""
        return sorted({url for model in self._models.values() for url in getattr(model, "out", ())})

    def role(self, part: Literal["log", "plan", "act"]) -> Role:
        """The role that the scaffold gives LOG, the consulting half of PLAN, or committing the action."""
        role: Role = getattr(self.scaffold.settings.roles, part)
        return role

    @property
    def hands_over(self) -> bool:
        """Whether PLAN's consultation is handed to another model (or, always, to the same) for the action."""
        if self.settings.handoff == "always":
            return True
        return self.settings.gameplay_model is not None and self.role("plan") != self.role("act")

    def files(self) -> list[tuple[str, int]]:
        """The notebook's files with their line counts; empty when the notebook is off."""
        return [] if self.settings.notebook == "off" else list(self.notebook.index().items())

    def play(self, action: str, conversations: Sequence[Conversation], complaints: list[str], **facts: Any) -> None:
        """Send an action to the world, append the step to the trace, and advance to the position after it.

        `complaints`: notices on the step's replies, for the next step. `facts`: further fields of the StepRecord.
        """
        before = self.position
        after, reward, terminated, truncated, info = self.world.step(action)
        calls = [call for conversation in conversations for call in conversation.calls]
        played = StepRecord(
            step=before.step,
            observation=plain(before.observation),
            conversations=list(conversations),
            action=action,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            info=info,
            tokens=total_tokens(call.tokens for call in calls),
            model_calls=len(calls),
            complaints=complaints,
            latency_s=time.monotonic() - self.account.step_began,
            revision=self.notebook.revision,
            hook_operations=self.hook_operations,
            **facts,
        )
        self.trace.write(played)
        if self.live is not None:
            self.live.played(played)
        self.advance(played, after)
        if self.account.idle_steps == IDLE_STEPS:
            self.note([_idle(self.settings, conversations[-1])])
        where = f"{self.settings.task} seed {self.settings.seed}"
        self.note([f"{where}: {alarm}." for alarm in self.account.alarms()])
        if self.position.over:
            self.end(self.result())

    def advance(self, played: StepRecord, after: Observation) -> None:
        """Count a step, just played or replayed, and move to the position after it."""
        self.account.add_step(played)
        for conversation in played.conversations:
            for call in conversation.calls:
                self.thoughts[conversation.role].learn(call.thoughts, cut=call.finish_reason == "length")
        self.position = self.position.next(played, after)
        self.start_revision = played.revision
        self.hook_operations = []

    def mark(self) -> None:
        """Keep a branch of the world for forks at this step or later. Only by the run that plays the episode."""
        if not self.position.over:
            self.branches.keep(self.position.step, self.world, self.position.observation)

    def living(self, fork: EpisodeFolder, step: int) -> tuple[Living, int] | None:
        """What `Branches.begin` returns; for the step that comes next, from a branch of the world as it is now."""
        if step == self.position.step:
            with suppress(Busy):
                self.lease.acquire(None)  # the world is not stepped meanwhile
                try:
                    self.mark()
                finally:
                    self.lease.release()
        return self.branches.begin(fork, step)

    def result(self, failure: Failure | None = None, limited: str | None = None) -> EpisodeResult:
        """The episode's result at its position; `limited` says which ceiling stopped it."""
        return self.account.result(self.position, self.trace.digests(self.notebook.history), failure, limited)

    def end(self, result: EpisodeResult) -> None:
        """Write the result beside the trace. An episode that failed or was limited can be resumed."""
        self.trace.finish(result)
        if self.live is not None:
            self.live.end(result)

    def note(self, sentences: Sequence[str]) -> None:
        """Keep in run.json what a person should know of the run, and report it, once in a run."""
        for sentence in sentences:
            if sentence not in self._noted:
                self._noted.add(sentence)
                if add_note(RunFolder(self.folder.path.parents[3]), sentence):
                    logger.warning(sentence)

    def close(self) -> None:
        """Close files and engine; what was played is on disk."""
        with ExitStack() as stack:  # where closing one fails, the others are closed all the same
            for one in (self.branches, self.hooks, self.world, self.notebook, self.trace, self.live):
                if one is not None:
                    stack.callback(one.close)

    def untraced(self) -> AbstractContextManager[None]:
        """Turn LangChain's own tracing off where the episode is sent to LangSmith step by step."""
        if self.live is None:
            return nullcontext()
        from langsmith import tracing_context

        return tracing_context(enabled=False)


def _idle(settings: EpisodeSettings, last: Conversation) -> str:
    """The warning that a model does nothing; `last` is its last conversation."""
    reply = next((one for one in reversed(last.messages) if one["role"] == "assistant"), {})
    written = excerpt(str(reply.get("content") or reply.get("tool_calls") or "nothing"))
    return (
        f"{last.model}: {IDLE_STEPS} steps of {settings.task} seed {settings.seed} without one valid operation or "
        f"action; its last reply was {written!r}. Try `constrained`, the other `dialect` or another model."
    )
