"""A search: the settings of loop 1, checked before the first token, kept in evolve.json."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from graphs.agent.loop import agent_model
from graphs.evaluation.graph import check_tasks
from graphs.fields import SERVER, described
from graphs.loop_run import LoopContext, LoopFolder, LoopRun
from graphs.reviewer.check import check_machine, check_place
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.gate import Rule, reachable
from graphs.reviewer.state import Input
from graphs.settings import (
    SettingsError,
    check_least,
    episode_settings,
)
from graphs.spending import check_prices, parse_ceilings, read_prices
from scaffolds import Scaffold
from traces.folders import disk_failure


@dataclass(kw_only=True, frozen=True)
class Context(LoopContext):
    """How episodes are played, the same for every candidate; and the reviewer's server. Holds no secrets."""

    reviewer_base_url: Annotated[
        str | None,
        described("Reviewer base URL", "OpenAI-compatible server of `reviewer_model`, with /v1.", example=SERVER),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Search(LoopRun):
    """One search."""

    kind: ClassVar[str] = "search"
    key: ClassVar[str] = "search"
    free: ClassVar[tuple[str, ...]] = ("approve", "ceilings", "attempt_ceilings", "concurrency")
    """Not how many attempts there may be: the gate's error budget was spread over them."""
    free_context: ClassVar[str] = "reviewer_base_url"
    vacant_but_for: ClassVar[str] = "versions"
    folder_type: ClassVar[type[LoopFolder]] = SearchFolder
    context_type: ClassVar[type[LoopContext]] = Context
    input_type: ClassVar[Any] = Input
    published: ClassVar[str] = "seeds"

    folder: SearchFolder
    context: Context
    reviewer_model: str
    seeds: list[int]
    holdout_seeds: list[int]
    versions: int
    attempts: int
    continuations: int
    gate: str
    confidence: float
    reevaluate_incumbent: bool
    attempt_ceilings: dict[str, float]

    @classmethod
    def checked(cls, given: Input, context: Context | None) -> tuple[dict[str, Any], Context]:
        """The fields that `given` asks for, and the context, checked. Raises SettingsError or UnknownWorld."""
        settings, context = super().checked(given, context)
        settings["gate"] = str(settings["gate"])
        if not settings["seeds"]:
            raise SettingsError("A search needs at least one seed to judge by.")
        if shared := sorted(set(settings["seeds"]) & set(settings["holdout_seeds"])):
            raise SettingsError(
                f"The seed {shared[0]} is both a gate seed and a hold-out seed: a hold-out seed must never have been "
                "played before the end, so give `holdout_seeds` that `seeds` does not name."
            )
        check_least(settings, versions=1, attempts=1, continuations=0)
        if not 0.5 <= settings["confidence"] < 1:
            raise SettingsError(f"The confidence lies between 0.5 and 1 (1 excluded), not at {settings['confidence']}.")
        parse_ceilings(settings["attempt_ceilings"])
        if context.trust_scaffold_code:
            raise SettingsError("A search runs code that a reviewer wrote: leave `trust_scaffold_code` out.")
        return settings, context

    @property
    def attempts_total(self) -> int:
        """Attempts the search may make at most: the gate's error budget is spread over them."""
        return self.versions * self.attempts * (1 + self.continuations)

    @property
    def rule(self) -> Rule:
        """The gate's rule."""
        return Rule(self.gate)

    def begun_with(self) -> str:
        """Version 0, a copy of the scaffold that the search was begun with."""
        return str(self.folder.version(0))

    def prepare(self) -> None:
        """Copy the scaffold to version 0."""
        copy_scaffold(Path(str(self.context.scaffold)), self.folder.version(0))

    def check(self, scaffold: str) -> Scaffold:
        """Load and build all that the search needs. Raises our errors."""
        check_place(self.folder.path)
        check_machine()
        given: dict[str, Any] = {"world": self.world, "model": self.model, "seed": self.seeds[0]}
        settings = episode_settings({**given, "task": self.tasks[0]}, self.context.play(scaffold=scaffold))
        loaded = check_tasks(settings, self.tasks)
        agent_model(self.reviewer_model, "reviewer", self.world, self.context.reviewer_base_url)
        models = {self.model, self.context.gameplay_model or self.model, self.reviewer_model}
        for ceilings in (self.ceilings, self.attempt_ceilings):
            check_prices(ceilings, read_prices(self.context.prices), models)
        return loaded

    def has_results(self) -> bool:
        """Whether playing the start has begun."""
        return self.folder.start.run.exists()

    def warnings(self) -> list[str]:
        """A gate that cannot open, or figures that say little."""
        found = []
        if self.rule is Rule.PAIRED:
            closed = reachable(len(self.pairs(self.seeds)), self.confidence, self.attempts_total)
            found += [closed] if closed else []
        if not self.holdout_seeds:
            found.append("Without `holdout_seeds` the gain is reported on the seeds it was selected on, luck included.")
        if len(self.pairs(self.seeds)) == 1:
            found.append("One episode is all the gate sees: its score says next to nothing about the next seed.")
        return found


def copy_scaffold(source: Path, target: Path) -> None:
    """Copy a scaffold so that `target` is there whole or not at all. TraceFailure where the disk refuses."""
    beside = target.with_name(f"{target.name}.tmp")
    loaded = Scaffold.load(source)
    try:
        for left in (beside, target):
            shutil.rmtree(left, ignore_errors=True)
        loaded.copy(beside)
        beside.rename(target)
    except OSError as error:
        raise disk_failure("write", target, error) from error
