"""The live things of one episode: world, notebook, hooks, trace and models. Everything else travels in the state."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from graphs.inner_agent.served_runs import ServedRuns
from graphs.inner_agent.state import Message, Moment, Talk, plain
from graphs.run_lock import Claim
from graphs.settings import EpisodeSettings
from graphs.spending import CeilingReached, Spending, parse_ceilings, read_prices
from memory_fs import MemoryFS
from tools import Dialect, Vocabulary
from traces import EpisodeFolder, EpisodeResult, Failure, MetricsAccumulator, OperationRecord, StepRecord, TraceWriter
from worlds import Observation, World

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from chat_models import Retry
    from graphs.inner_agent.routine import Ask
    from scaffolds import HooksRunner, Scaffold
    from traces.langsmith_export import LiveEpisode

Routine = Literal["LOG", "PLAN"]
Role = Literal["memory", "gameplay"]


class Session:
    """One live episode. Built by `sessions.Sessions.open`, new or by replaying the recorded actions."""

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
        self._models = models
        self.hooks: HooksRunner | None = scaffold.hooks()
        self.trace = TraceWriter(folder)
        self.metrics = MetricsAccumulator()
        self.spending = Spending(parse_ceilings(settings.ceilings), "episode")
        self.run_spending: Spending | None = None
        """What the whole run has spent, when the episode is one of an evaluation."""
        self._prices = read_prices(settings.prices)
        self.tokens: Counter[str] = Counter()
        """Tokens of all calls so far: "prompt", "completion", "cached"."""
        self.wall_s = 0.0
        """Seconds that the recorded steps took, each once, whatever was interrupted in between."""
        self.step_began = time.monotonic()
        self._vocabularies = {
            routine: scaffold.vocabulary(routine, world.actions, notebook=settings.notebook, hooks=self.hooks)
            for routine in (("LOG", "PLAN") if settings.notebook == "on" else ("PLAN",))
        }
        self._tools = {routine: dialect.tools(words) for routine, words in self._vocabularies.items()}
        self._constraints = {
            (routine, role): dialect.constraint(words, getattr(model, "thought_characters", None))
            for routine, words in self._vocabularies.items()
            for role, model in models.items()
            if settings.constrained
        }
        self.system: Message = {"role": "system", "content": self._system_text()}
        # A run that was abandoned without a word (its stream dropped, say) must not hold the episode for ever.
        self.claim = Claim(str(folder.path), patience_s=60 + settings.timeout_s * settings.attempts * 2)
        self.served = ServedRuns(folder)
        self.moment: Moment
        self.live: LiveEpisode | None = None
        """Who sends the episode to LangSmith; None where nobody asked for it."""
        self.hook_operations: list[OperationRecord] = []
        """What hooks wrote in the current step."""
        self.start_revision = 0
        """The notebook's revision when the current step began: where an interrupted step is taken up again."""

    # What the nodes ask

    def vocabulary(self, routine: Routine) -> Vocabulary:
        """The operations allowed in a routine."""
        return self._vocabularies[routine]

    def tool_schemas(self, routine: Routine) -> list[dict[str, Any]] | None:
        """JSON schemas for native tool calling; None when the dialect needs none."""
        return self._tools[routine]

    def constraint(self, routine: Routine, role: Role) -> str | None:
        """The regular expression that a role's replies must match; None when they are not constrained."""
        return self._constraints.get((routine, role))

    def turns(self, routine: Routine, *, consulting: bool = False) -> int:
        """Model turns a routine may take; `consulting`: whose action another conversation commits."""
        turns = self.scaffold.settings.turns
        return turns.log if routine == "LOG" else turns.consulting if consulting else turns.plan

    def model(self, role: Role) -> BaseChatModel:
        """The chat model that plays a role."""
        return self._models[role]

    def role(self, part: Literal["log", "plan", "act"]) -> Role:
        """Whose part it is, by the scaffold: LOG, the consulting half of PLAN, committing the action."""
        role: Role = getattr(self.scaffold.settings.roles, part)
        return role

    @property
    def hands_over(self) -> bool:
        """Whether PLAN's consultation is handed to another model (or, always, to the same) for the action."""
        if self.settings.handoff == "always":
            return True
        return self.settings.gameplay_model is not None and self.role("plan") != self.role("act")

    def model_name(self, role: Role) -> str:
        """The specification of the model that plays a role, for traces."""
        gameplay = self.settings.gameplay_model or self.settings.model
        return gameplay if role == "gameplay" else self.settings.model

    def check_ceilings(self) -> None:
        """CeilingReached if the episode or its run may spend nothing more."""
        self.spending.check((time.monotonic() - self.step_began) / 60)
        if self.run_spending is not None:
            self.run_spending.check()

    def paid(self, role: str, prompt: int | None, completion: int | None, cached: int | None) -> None:
        """Count a model call."""
        price = self._prices.get(self.model_name("gameplay" if role == "gameplay" else "memory"))
        cost = price.cost(prompt or 0, completion or 0, cached or 0) if price else 0.0
        for spending in (self.spending, self.run_spending):
            if spending is not None:
                spending.add(calls=1, tokens=(prompt or 0) + (completion or 0), cost=cost)

    def share(self, run: Spending) -> None:
        """Count this episode's spending, past and to come, as its run's too."""
        self.run_spending = run
        spent = self.spending.spent
        run.add(calls=int(spent["calls"]), tokens=int(spent["tokens"]), cost=spent["cost"])

    def call_settings(self, request: Ask) -> dict[str, Any]:
        """Keyword arguments of `chat_models.call` for a request."""
        asked = {"tools": request.tools, "seed": request.seed, "constraint": request.constraint}
        return {**asked, "retry": self.retry}

    def files(self) -> list[tuple[str, int]]:
        """The notebook's files with their line counts; empty when the notebook is off."""
        return [] if self.settings.notebook == "off" else list(self.notebook.index().items())

    def open_talk(self, routine: Routine, notices: list[str]) -> Talk:
        """A conversation that opens with the routine's message about the current moment."""
        moment = self.moment
        variables: dict[str, Any] = {
            "step": moment.step,
            "action": moment.action,
            "observation": moment.observation,
            "notices": notices,
            "files": self.files(),
        }
        if routine == "LOG":
            variables["previous"] = moment.previous
        self.notebook.mark(moment.step, routine)
        part: Literal["log", "plan"] = "log" if routine == "LOG" else "plan"
        opening: Message = {"role": "user", "content": self.scaffold.render(part, **variables)}
        return Talk(
            routine=routine,
            role=self.role(part),
            turns=self.turns(routine, consulting=self.hands_over),
            messages=[opening],
            calls=[],
            operations=[],
        )

    def record(self, played: StepRecord, after: Observation) -> None:
        """Append a played step to the trace, and stand at what the world showed after it."""
        self.trace.write(played)
        if self.live is not None:
            self.live.played(played)
        self.stand_after(played, after)
        if self.moment.over:
            self._end(self.result())

    def stand_after(self, played: StepRecord, after: Observation) -> None:
        """Move on to the moment after a step, just played or replayed."""
        self.metrics.update(played)
        self.tokens.update(played.tokens)
        self.spending.add(minutes=played.latency_s / 60)
        self.wall_s += played.latency_s
        self.moment = Moment(
            step=played.step + 1,
            observation=after,
            info=played.info,
            previous=self.moment.observation,
            action=played.action,
            complaints=tuple(played.complaints),
            reward=played.reward,
            episode_return=self.moment.episode_return + played.reward,
            terminated=played.terminated,
            truncated=played.truncated,
        )
        self.start_revision = played.revision
        self.hook_operations = []

    def end_reason(self) -> str | None:
        """The world's own word for why the episode ended, "max_steps" at its limit, None while it goes on."""
        if self.moment.truncated:
            return "max_steps"
        reason: str | None = self.moment.info["end_reason"]
        return reason

    def fail(self, failure: Failure) -> None:
        """Leave the machine's failure with the episode, apart from its trace; the episode can be resumed."""
        self._end(self.result(failure))

    def limit(self, reached: CeilingReached) -> None:
        """Leave the result of an episode that a ceiling stopped; it can be resumed with a higher one."""
        self._end(self.result(limited=str(reached)))

    def result(self, failure: Failure | None = None, limited: str | None = None) -> EpisodeResult:
        """How the episode stands or ended; `limited` says which ceiling stopped it."""
        settings, moment = self.settings, self.moment
        measured = self.metrics.result(plain(moment.observation))
        return EpisodeResult(
            world=settings.world,
            task=settings.task,
            seed=settings.seed,
            status="failed" if failure is not None else "limited" if limited is not None else "finished",
            steps=moment.step - 1,
            progression=moment.info["progression"],
            episode_return=moment.episode_return,
            end_reason=None if failure is not None else limited or self.end_reason(),
            failure=failure,
            tokens=measured["tokens"],
            model_calls=measured["model_calls"],
            cost=self.cost(),
            wall_s=round(self.wall_s, 3),
            metrics=measured,
            scaffold=self.scaffold.name,
            scaffold_digest=self.scaffold.digest,
            model=settings.model,
            gameplay_model=settings.gameplay_model,
            final_observation=plain(moment.observation),
            attempt=self.folder.attempt,
            files=self.trace.digests(self.notebook.history),
        )

    def close(self) -> None:
        """Let go of files and engine; what was played stays on disk."""
        if self.live is not None:
            self.live.close()
        self.trace.close()
        self.notebook.close()
        self.world.close()
        if self.hooks is not None:
            self.hooks.close()

    def cost(self) -> float | None:
        """US dollars so far; None where a model has no price."""
        models = {self.settings.model, self.settings.gameplay_model or self.settings.model}
        return round(self.spending.spent["cost"], 6) if models <= self._prices.keys() else None

    def untraced(self) -> AbstractContextManager[None]:
        """Keep LangChain's own tracing off what runs in it, where the episode is sent to LangSmith step by step."""
        if self.live is None:
            return nullcontext()
        from langsmith import tracing_context

        return tracing_context(enabled=False)

    def _end(self, result: EpisodeResult) -> None:
        self.trace.finish(result)
        if self.live is not None:
            self.live.end(result)

    def _system_text(self) -> str:
        settings, scaffold = self.settings, self.scaffold
        forms = {routine: self.dialect.forms(words) for routine, words in self._vocabularies.items()}
        return scaffold.render(
            "system",
            world=settings.world,
            task=settings.task,
            actions=[(name, self.world.actions.help(name)) for name in self.world.actions],
            log_forms=forms.get("LOG", []),
            plan_forms=forms["PLAN"],
            files=[] if settings.notebook == "off" else [(n, f.purpose) for n, f in scaffold.settings.files.items()],
            turns=scaffold.settings.turns.shown(),
            notebook=settings.notebook,
            dialect=self.dialect.name,
        )
