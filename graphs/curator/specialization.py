"""The settings of one run of loop 2: checked before the first token, kept in specialize.json, read by every node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphs.curator.context import Context
from graphs.curator.folders import SpecializationFolder
from graphs.curator.state import Input
from graphs.evaluation.scores import Pair
from graphs.evaluation.state import Input as EvaluationInput
from graphs.fields import defaults_of
from graphs.inner_agent.ceilings import parse_ceilings
from graphs.inner_agent.context import SettingsError, validated
from graphs.input_types import asked_for, check_input, check_least, check_tasks_of
from graphs.seeds import draw_seeds
from graphs.taking_up import reading
from traces import RunFolder, read_run
from training.recipe import Recipe, load_recipe, recipe_names, recipe_of
from worlds import world_entry

MOST_DRAWN = 100_000
"""Seeds of one kind that are drawn: more could hardly be played."""

FREE = ("approve", "ceilings", "concurrency", "controls", "launcher")
"""What may differ when a run goes on: what it may spend, who is asked, where trainings run, what is reported beside."""


@dataclass(frozen=True, kw_only=True)
class Specialization:
    """One run."""

    folder: SpecializationFolder
    context: Context
    digest: str
    """Of the scaffold."""
    start: Recipe
    """What the curator starts from."""
    world: str
    model: str
    base: str
    weights: str
    curator_model: str
    tasks: list[str]
    train_seeds: list[int]
    validation_seeds: list[int]
    final_seeds: list[int]
    iterations: int
    recipe: str
    minimum_examples: int
    controls: bool
    approve: bool
    seed: int
    launcher: list[str]
    train_options: list[str]
    ceilings: dict[str, float]
    concurrency: int

    def pairs(self, seeds: list[int]) -> list[Pair]:
        """Every task with each of these seeds."""
        return [(task, seed) for task in self.tasks for seed in seeds]

    @property
    def never_trained_on(self) -> list[int]:
        """The seeds that no example may come from."""
        return sorted({*self.validation_seeds, *self.final_seeds})

    @property
    def gameplay(self) -> str:
        """Who commits the actions in evaluations."""
        return self.context.gameplay_model or self.base

    def plain(self) -> dict[str, Any]:
        """As specialize.json keeps it."""
        apart = ("folder", "context", "digest", "start")
        own = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in apart}
        play = dataclasses.asdict(self.context)
        recipe = self.start.model_dump(mode="json")
        return {"specialization": own, "settings": play, "scaffold_digest": self.digest, "start_recipe": recipe}

    def evaluation(self, out: RunFolder, seeds: list[int], model: str) -> EvaluationInput:
        """The input of an evaluation; begun or finished ones are gone on with."""
        return EvaluationInput(
            world=self.world,
            tasks=self.tasks,
            seeds=seeds,
            model=model,
            out=str(out.path),
            concurrency=self.concurrency,
            resume=True,
        )


def read_specialization(out: str | Path) -> Specialization:
    """The run in a folder. SettingsError if there is none."""
    folder = SpecializationFolder(Path(out))
    found = read_run(folder)
    if found is None:
        raise SettingsError(f"{folder.path} holds no run of loop 2: there is no {folder.run.name} in it.")
    known = {one.name for one in dataclasses.fields(Context)}
    with reading(folder.run):
        kept = found["configuration"]
        context = Context(**{name: value for name, value in kept["settings"].items() if name in known})
        start = recipe_of(kept["start_recipe"], str(folder.run))
        return Specialization(
            folder=folder, context=context, digest=kept["scaffold_digest"], start=start, **kept["specialization"]
        )


def specialization_settings(given: Input, context: Context | None) -> tuple[dict[str, Any], Recipe, Context]:
    """The fields of `Specialization` that `given` asks for, its start recipe and the context, checked.

    Raises SettingsError, UnknownWorld or TrainingError.
    """
    check_input(Input, given)
    entry = world_entry(given["world"])
    settings = asked_for(
        Input, given, {**defaults_of(Input), "tasks": list(entry.tasks), "final_seeds": list(entry.seeds)}
    )
    settings.setdefault("base", settings["model"])
    settings.setdefault("recipe", default_recipe(settings["world"], settings["base"]))
    settings.setdefault("validation_seeds", len(settings["final_seeds"]))
    settings.setdefault("weights", None)
    start = load_recipe(settings["recipe"])
    settings.setdefault("minimum_examples", start.data.minimum_examples)
    check_tasks_of(entry, settings["tasks"])
    settings |= _seeds(settings, entry.seeds)
    check_least(settings, iterations=1, minimum_examples=1, seed=0, concurrency=1)
    parse_ceilings(settings["ceilings"])
    return settings, start, validated(context or Context())


def default_recipe(world: str, base: str) -> str:
    """The recipe to start from: the paper's for a served base where it has one, else that for a small model."""
    papers = f"paper-{world}"
    return papers if papers in recipe_names() and not base.startswith("embedded") else "small-cpu"


def _seeds(settings: Mapping[str, Any], published: tuple[int, ...]) -> dict[str, list[int]]:
    """The three sets of seeds, drawn where a number was given. SettingsError unless they are disjoint."""
    sets: dict[str, list[int]] = {}
    for name in ("final_seeds", "validation_seeds", "train_seeds"):
        given = settings[name]
        if isinstance(given, int):
            if given < 1:
                raise SettingsError(f"{name}: at least 1 is drawn, not {given}.")
            if given > MOST_DRAWN:
                raise SettingsError(f"{name}: at most {MOST_DRAWN:,} are drawn, not {given:,}.")
            others = (settings[one] for one in ("final_seeds", "validation_seeds", "train_seeds"))
            taken = {*published, *(seed for one in others if isinstance(one, list) for seed in one)}
            taken |= {seed for one in sets.values() for seed in one}
            sets[name] = draw_seeds(f"{settings['seed']}/{name}", given, taken)
            continue
        sets[name] = list(given)
        if wrong := [seed for seed in given if seed < 0]:
            raise SettingsError(f"A seed is a whole number of at least 0, not {wrong[0]}.")
        if len(set(given)) != len(given) or not given:
            raise SettingsError(f"The {name} name one twice, or none: {', '.join(map(str, given)) or 'none'}.")
    for one, other in (("train", "validation"), ("train", "final"), ("validation", "final")):
        if shared := sorted({*sets[f"{one}_seeds"]} & {*sets[f"{other}_seeds"]}):
            raise SettingsError(
                f"The seed {shared[0]} is both a {one} and a {other} seed: what is trained on, what recipes are chosen "
                "by and what is reported must be played on different seeds."
            )
    return sets
