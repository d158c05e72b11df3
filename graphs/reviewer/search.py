"""A search: the settings of loop 1, checked before the first token, kept in evolve.json."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from graphs.agent.loop import agent_model
from graphs.evaluation.nodes import check_tasks
from graphs.fields import SERVER, defaults_of, shown
from graphs.loop_run import LoopContext, LoopRun, restored_context
from graphs.reviewer.check import check_machine, check_place
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.gate import Rule, reachable
from graphs.reviewer.state import Input
from graphs.settings import (
    SettingsError,
    asked_for,
    check_input,
    check_least,
    check_tasks_of,
    episode_settings,
    validated,
)
from graphs.spending import check_prices, parse_ceilings, read_prices
from scaffolds import Scaffold
from traces.folders import disk_failure
from worlds import world_entry


@dataclass(kw_only=True, frozen=True)
class Context(LoopContext):
    """How episodes are played, the same for every candidate; and the reviewer's server. Holds no secrets."""

    reviewer_base_url: Annotated[
        str | None,
        shown("Reviewer base URL", "OpenAI-compatible server of `reviewer_model`, with /v1.", example=SERVER),
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
    def folder_at(cls, out: Path) -> SearchFolder:
        """The run folder."""
        return SearchFolder(out)

    @classmethod
    def restored(cls, kept: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """The context."""
        return {"context": restored_context(Context, kept)}

    @classmethod
    def checked(cls, given: Input, context: Context | None) -> tuple[dict[str, Any], Context]:
        """The fields that `given` asks for, and the context, checked. Raises SettingsError or UnknownWorld."""
        check_input(Input, given)
        entry = world_entry(given["world"])
        defaults = {**defaults_of(Input), "tasks": list(entry.tasks), "seeds": list(entry.seeds)}
        settings = asked_for(Input, given, defaults)
        settings["gate"] = str(settings["gate"])
        check_tasks_of(entry, settings["tasks"])
        if not settings["seeds"]:
            raise SettingsError("A search needs at least one seed to judge by.")
        if shared := sorted(set(settings["seeds"]) & set(settings["holdout_seeds"])):
            raise SettingsError(
                f"The seed {shared[0]} is both a gate seed and a hold-out seed: a hold-out seed must never have been "
                "played before the end, so give `holdout_seeds` that `seeds` does not name."
            )
        _check_numbers(settings)
        context = validated(context or Context())
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

    def warnings(self) -> list[str]:
        """What will not work as the user may think, though nothing is wrong; shown before the search begins."""
        said = []
        if self.rule is Rule.PAIRED:
            closed = reachable(len(self.pairs(self.seeds)), self.confidence, self.attempts_total)
            said += [closed] if closed else []
        if not self.holdout_seeds:
            said.append("Without `holdout_seeds` the gain is reported on the seeds it was selected on, luck included.")
        if len(self.pairs(self.seeds)) == 1:
            said.append("One episode is all the gate sees: its score says next to nothing about the next seed.")
        return said


read_search = Search.read


def _check_numbers(settings: dict[str, Any]) -> None:
    check_least(settings, versions=1, attempts=1, continuations=0, seed=0, concurrency=1)
    if not 0.5 <= settings["confidence"] < 1:
        raise SettingsError(f"The confidence lies between 0.5 and 1 (1 excluded), not at {settings['confidence']}.")
    for name in ("ceilings", "attempt_ceilings"):
        parse_ceilings(settings[name])


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
