"""What an episode has spent and scored so far, the result that is made of it, and the failures that can end it."""

from __future__ import annotations

import time

from chat_models import Completion, ProviderFailure
from graphs.inner_agent.state import Position, plain
from graphs.settings import CEILINGS, EpisodeSettings, read_rules
from graphs.spending import CeilingReached, Spending, check_usage_reported, parse_ceilings, read_prices
from memory_fs import NotebookFailure
from scaffolds import HookFailure, Scaffold
from traces import (
    EpisodeFolder,
    EpisodeResult,
    Failure,
    FileDigest,
    MetricsAccumulator,
    ModelCall,
    StepRecord,
    TraceFailure,
)
from traces.flags import is_idle
from traces.records import ServerUse, total_tokens, total_use
from worlds import EngineFailure


class Account:
    """The totals of one episode: tokens, costs, time and metrics, each recorded step counted once."""

    def __init__(self, settings: EpisodeSettings, scaffold: Scaffold, folder: EpisodeFolder) -> None:
        self._settings = settings
        self._scaffold = scaffold
        self._folder = folder
        self._prices = read_prices(settings.prices)
        self._metrics = MetricsAccumulator()
        self._spending = Spending(parse_ceilings(settings.ceilings), "episode")
        self._run_spending: Spending | None = None
        self._rules = read_rules(settings.stop_when)
        self._alarms = read_rules(settings.alarms)
        self._stopped: str | None = None
        self.idle_steps = 0
        """Steps in a row, up to the last one, in which nothing was done (`traces.flags.is_idle`)."""
        self._wall_s = 0.0
        self.tokens = total_tokens(())
        """Tokens of all recorded steps."""
        self.servers: dict[str, ServerUse] = {}
        """What each of several servers did in them, by base URL."""
        self.step_began = time.monotonic()

    def model_name(self, role: str) -> str:
        """The specification of the model that plays a role."""
        gameplay = self._settings.gameplay_model or self._settings.model
        return gameplay if role == "gameplay" else self._settings.model

    def share(self, run: Spending, *, past: bool = True) -> None:
        """Count this episode's spending to come, and the past, as that of an evaluation too."""
        self._run_spending = run
        spent = self._spending.spent if past else dict.fromkeys(CEILINGS, 0.0)
        run.add(calls=int(spent["calls"]), tokens=int(spent["tokens"]), cost=spent["cost"])

    async def ready(self) -> None:
        """Wait until `check_ceilings` can tell whether the run may spend more."""
        if self._run_spending is not None:
            await self._run_spending.ready()

    def check_ceilings(self) -> None:
        """CeilingReached if the episode or its run may spend nothing more, or a rule of the settings stops it."""
        if self._stopped is not None:
            raise CeilingReached(self._stopped, "episode")
        self._spending.check((time.monotonic() - self.step_began) / 60)
        if self._run_spending is not None:
            self._run_spending.check()

    def add_call(self, role: str, call: Completion | ModelCall) -> None:
        """Count a model call, when it is answered: the calls of an interrupted step were paid for, too. A reply of a
        recording, of no attempt, costs the run nothing.

        SettingsError if its tokens are unknown and a ceiling needs them.
        """
        price = self._prices.get(self.model_name(role))
        prompt, completion = call.prompt_tokens or 0, call.completion_tokens or 0
        cost = price.cost(prompt, completion, call.cached_tokens or 0) if price else 0.0
        known = call.prompt_tokens is not None and call.completion_tokens is not None
        for spending in (self._spending, self._run_spending if call.attempts else None):
            if spending is not None:
                if not known:
                    check_usage_reported(spending.ceilings, self.model_name(role))
                spending.add(calls=1, tokens=prompt + completion, cost=cost)

    def add_step(self, played: StepRecord) -> None:
        """Count a recorded step; its model calls are counted by `add_call`."""
        self._metrics.update(played)
        self.tokens = total_tokens((self.tokens, played.tokens))
        self._spending.add(minutes=played.latency_s / 60)
        self._wall_s += played.latency_s
        used = [call.use for conversation in played.conversations for call in conversation.calls]
        self.servers = total_use((self.servers, *used))
        self.idle_steps = self.idle_steps + 1 if is_idle(played) else 0
        if self._rules:
            metrics = self._metrics.result()
            self._stopped = next((rule.said(metrics) for rule in self._rules if rule.holds(metrics)), None)

    def alarms(self) -> list[str]:
        """That a rule of the alarms holds, as a clause: of each rule once."""
        if not self._alarms:
            return []
        metrics = self._metrics.result()
        ringing = [rule for rule in self._alarms if rule.holds(metrics)]
        self._alarms = [rule for rule in self._alarms if rule not in ringing]
        return [rule.said(metrics) for rule in ringing]

    @property
    def health(self) -> dict[str, float | None]:
        """The health of the episode's memory so far (`traces.health.HEALTH`)."""
        return self._metrics.health

    def cost(self) -> float | None:
        """US dollars so far; None where a model has no price, or did not report the tokens of every call."""
        models = {self.model_name("memory"), self.model_name("gameplay")}
        known = self.tokens["prompt"] is not None and self.tokens["completion"] is not None
        return round(self._spending.spent["cost"], 6) if known and models <= self._prices.keys() else None

    def result(
        self,
        position: Position,
        files: dict[str, FileDigest],
        failure: Failure | None = None,
        limited: str | None = None,
    ) -> EpisodeResult:
        """The result of the episode at a position; `limited` says which ceiling stopped it."""
        settings, seen = self._settings, plain(position.observation)
        measured = self._metrics.result(seen)
        return EpisodeResult(
            world=settings.world,
            task=settings.task,
            seed=settings.seed,
            status="failed" if failure is not None else "limited" if limited is not None else "finished",
            steps=position.step - 1,
            progression=position.info["progression"],
            episode_return=position.episode_return,
            end_reason=None if failure is not None else limited or position.end_reason,
            failure=failure,
            tokens=measured["tokens"],
            model_calls=measured["model_calls"],
            cost=self.cost(),
            wall_s=round(self._wall_s, 3),
            servers={url: {**use, "seconds": round(use["seconds"] or 0.0, 3)} for url, use in self.servers.items()},
            metrics=measured,
            scaffold=self._scaffold.name,
            scaffold_digest=self._scaffold.digest,
            model=settings.model,
            gameplay_model=settings.gameplay_model,
            final_observation=seen,
            attempt=self._folder.attempt,
            files=files,
        )


_ROOMS: dict[type[Exception], str] = {
    ProviderFailure: "provider",
    EngineFailure: "world",
    NotebookFailure: "notebook",
    TraceFailure: "trace",
    HookFailure: "hooks",
}
MACHINE_FAILURES = (ProviderFailure, EngineFailure, NotebookFailure, TraceFailure, HookFailure)
"""The machine's failures: an episode ends as *failed*. All are RuntimeErrors, whose sentences a LangGraph server passes
on to its clients; of other exceptions it names the type alone."""


def failure_record(error: Exception, step: int) -> Failure:
    """What the trace keeps of a machine's failure: where it arose, its kind, one sentence, and the step."""
    where = next(room for kind, room in _ROOMS.items() if isinstance(error, kind))
    return Failure(where=where, kind=str(getattr(error, "kind", where)), sentence=str(error), step=step)
