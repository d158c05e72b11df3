"""The settings of one search: checked before the first token, kept in evolve.json, read from there by every node."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphs.evaluation.scores import Pair
from graphs.evaluation.state import Input as EvaluationInput
from graphs.fields import defaults_of
from graphs.inner_agent.ceilings import parse_ceilings
from graphs.inner_agent.context import SettingsError, validated
from graphs.input_types import asked_for, check_input, check_least, check_tasks_of
from graphs.reviewer.context import Context
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.gate import Rule
from graphs.reviewer.state import Input
from graphs.taking_up import reading
from traces import RunFolder, read_run
from worlds import world_entry

FREE = ("approve", "ceilings", "attempt_ceilings", "concurrency")
"""What may differ when a search goes on: what it may spend and who is asked. How many attempts it may make is not: the
gate's error budget was spread over them."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search."""

    folder: SearchFolder
    context: Context
    digest: str
    """Of the start scaffold."""
    world: str
    model: str
    reviewer_model: str
    tasks: list[str]
    seeds: list[int]
    holdout_seeds: list[int]
    versions: int
    attempts: int
    continuations: int
    gate: str
    confidence: float
    reevaluate_incumbent: bool
    approve: bool
    seed: int
    ceilings: dict[str, float]
    attempt_ceilings: dict[str, float]
    concurrency: int

    @property
    def attempts_total(self) -> int:
        """Attempts the search may make at most: the gate's error budget is spread over them."""
        return self.versions * self.attempts * (1 + self.continuations)

    def pairs(self, seeds: list[int]) -> list[Pair]:
        """Every task with each of these seeds."""
        return [(task, seed) for task in self.tasks for seed in seeds]

    @property
    def rule(self) -> Rule:
        """The gate's rule."""
        return Rule(self.gate)

    def plain(self) -> dict[str, Any]:
        """As evolve.json keeps it."""
        apart = ("folder", "context", "digest")
        own = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in apart}
        play = dataclasses.asdict(self.context)
        return {"search": own, "settings": play, "scaffold_digest": self.digest}

    def evaluation(self, out: RunFolder, seeds: list[int], ceilings: dict[str, float]) -> EvaluationInput:
        """The input of an evaluation of any scaffold of this search; begun or finished ones are gone on with."""
        return EvaluationInput(
            world=self.world,
            tasks=self.tasks,
            seeds=seeds,
            model=self.model,
            out=str(out.path),
            concurrency=self.concurrency,
            resume=True,
            ceilings=ceilings,
        )


def read_search(out: str | Path) -> Search:
    """The search in a run folder. SettingsError if there is none."""
    folder = SearchFolder(Path(out))
    found = read_run(folder)
    if found is None:
        raise SettingsError(f"{folder.path} holds no search: there is no {folder.run.name} in it.")
    known = {one.name for one in dataclasses.fields(Context)}
    with reading(folder.run):
        kept = found["configuration"]
        context = Context(**{name: value for name, value in kept["settings"].items() if name in known})
        return Search(folder=folder, context=context, digest=kept["scaffold_digest"], **kept["search"])


def search_settings(given: Input, context: Context | None) -> tuple[dict[str, Any], Context]:
    """The fields of `Search` that `given` asks for, and the context, checked. Raises SettingsError or UnknownWorld."""
    check_input(Input, given)
    entry = world_entry(given["world"])
    settings = asked_for(Input, given, {**defaults_of(Input), "tasks": list(entry.tasks), "seeds": list(entry.seeds)})
    settings["gate"] = str(settings["gate"])
    check_tasks_of(entry, settings["tasks"])
    for name in ("seeds", "holdout_seeds"):
        values = settings[name]
        if len(set(values)) != len(values):
            raise SettingsError(f"The {name} name one twice: {', '.join(map(str, values))}.")
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
        raise SettingsError("A search runs code that nobody has read, a reviewer's: leave `trust_scaffold_code` out.")
    return settings, context


def _check_numbers(settings: dict[str, Any]) -> None:
    check_least(settings, versions=1, attempts=1, continuations=0, seed=0, concurrency=1)
    if wrong := [seed for seed in (*settings["seeds"], *settings["holdout_seeds"]) if seed < 0]:
        raise SettingsError(f"A seed is a whole number of at least 0, not {wrong[0]}.")
    if not 0.5 <= settings["confidence"] < 1:
        raise SettingsError(f"The confidence lies between 0.5 and 1 (1 excluded), not at {settings['confidence']}.")
    for name in ("ceilings", "attempt_ceilings"):
        parse_ceilings(settings[name])
