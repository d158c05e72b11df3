"""One run of loop 2: its settings, checked before the first token, kept in specialize.json; begun or resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from graphs import settings as inner_agent
from graphs.agent.loop import agent_model
from graphs.curator.folders import SpecializationFolder
from graphs.curator.players import check_servable, weights_of
from graphs.curator.state import Input
from graphs.evaluation.nodes import check_tasks
from graphs.evaluation.state import Input as EvaluationInput
from graphs.evaluation.statistics import Pair
from graphs.fields import SERVER, defaults_of, shown, shown_value
from graphs.inner_agent.run_file import check_place
from graphs.outer_loop import anew, check_vacant, differs, draw_seeds, play_on, reading
from graphs.settings import Context as PlayContext
from graphs.settings import (
    SettingsError,
    asked_for,
    check_input,
    check_least,
    check_tasks_of,
    check_usable,
    default_scaffold,
    episode_settings,
    validated,
)
from graphs.spending import check_prices, parse_ceilings, read_prices
from scaffolds import Scaffold
from scaffolds.folder import resolve
from traces import RunFolder, read_run, write_run
from traces.plain_json import write_file
from training.base_model import find_base
from training.recipe import Recipe, load_recipe, recipe_names, recipe_of
from training.sft_config import read_arguments
from worlds import world_entry


@dataclass(kw_only=True, frozen=True)
class Context(inner_agent.Context):
    """How episodes are played, the same for all of a run. `gameplay_model` commits the actions in evaluations; the
    base if empty. Holds no secrets."""

    curator_base_url: Annotated[
        str | None, shown("Curator base URL", "OpenAI-compatible server of `curator_model`, with /v1.", example=SERVER)
    ] = None

    def collecting(self) -> inner_agent.Context:
        """For the training episodes: one model plays all of them alone."""
        return self._play(gameplay_model=None, gameplay_base_url=None, handoff="auto")

    def evaluating(self, gameplay_model: str) -> inner_agent.Context:
        """For every evaluation, controls too: the same handoff, whoever keeps the memory."""
        url = self.gameplay_base_url if gameplay_model == self.gameplay_model else None  # None: the base's own server
        return self._play(gameplay_model=gameplay_model, gameplay_base_url=url, handoff="always")

    def _play(self, **changes: Any) -> inner_agent.Context:
        own = {one.name: getattr(self, one.name) for one in fields(inner_agent.Context)}
        return inner_agent.Context(**{**own, **changes})


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


def lay_out(given: Input, context: Context | None) -> Specialization:
    """The run that `given` asks for, its folder written. Raises our errors, and then nothing is written."""
    if not isinstance(given.get("out"), str):
        raise SettingsError(f"The input out must name a folder, not {shown_value(given.get('out'))}.")
    check_usable({"out": given["out"]})
    check_place(given["out"])
    folder = SpecializationFolder(Path(given["out"]))
    begun = read_run(folder)
    if begun is not None:
        if not given.get("resume"):
            raise SettingsError(f"{folder.path} holds a run already: give `resume` to go on with it.")
        run = _taken_up(read_specialization(folder.path), given, context)
        _check(run)
        if begun["configuration"] != run.plain():
            write_file(folder.run, {**begun, "configuration": run.plain()})
        return run
    settings, start, asked = specialization_settings(given, context)
    check_vacant(folder.path, "run of loop 2")
    scaffold = str(resolve(asked.scaffold or default_scaffold(settings["world"])))
    settings["weights"] = settings["weights"] or weights_of(settings["base"])
    run = Specialization(folder=folder, context=replace(asked, scaffold=scaffold), digest="", start=start, **settings)
    run = replace(run, digest=_check(run).digest)
    write_run(folder, run.plain())
    return run


def warnings(run: Specialization) -> list[str]:
    """What is not as the user may think, though nothing is wrong: told before the run begins."""
    said = []
    if run.model != run.base:
        said.append(
            f"The traces are those of {run.model}{no_language_model(run.model)}, not of the base {run.base}: "
            "the specialist learns its memory decisions."
        )
    if run.gameplay != run.base:
        said.append(f"{run.gameplay}{no_language_model(run.gameplay)} commits the actions in every evaluation.")
    if set(run.validation_seeds) & set(world_entry(run.world).seeds):
        said.append("Recipes are chosen by seeds of the published protocol: results on those cannot be compared.")
    if set(run.train_seeds) & set(world_entry(run.world).seeds):
        said.append("Seeds of the published protocol are trained on: a specialist's results on those mean nothing.")
    if len(run.pairs(run.validation_seeds)) == 1:
        said.append("Recipes are chosen by one episode: its score says next to nothing about the next seed.")
    return said


def no_language_model(model: str) -> str:
    """What is said of the scripted stand-ins wherever they are named."""
    return " (no language model)" if model == "scripted" else ""


def _check(run: Specialization) -> Scaffold:
    """Load and build all that the run needs. Raises our errors."""
    scaffold = _playable(run, run.context.collecting(), run.model, run.train_seeds)
    _playable(run, run.context.evaluating(run.gameplay), run.base, run.validation_seeds)
    if (run.context.dialect or scaffold.settings.dialect) != "tags":
        raise SettingsError("A specialist learns text: give a scaffold that speaks tags, or set `dialect` to tags.")
    if run.context.notebook != "on":
        raise SettingsError(f"With the notebook {run.context.notebook!r} there is no memory to specialise in.")
    if run.digest and run.digest != scaffold.digest:
        raise SettingsError(
            f"The scaffold {run.context.scaffold} is not what it was when {run.folder.run} was written: "
            "restore it to go on, or give another `out`."
        )
    agent_model(run.curator_model, "curator", run.world, run.context.curator_base_url)
    check_prices(run.ceilings, read_prices(run.context.prices), {run.model, run.base, run.gameplay, run.curator_model})
    weights_of(run.base)
    find_base(run.weights)
    _check_options(run)
    check_servable(run.base, run.context.base_url)
    return scaffold


def _playable(run: Specialization, context: PlayContext, model: str, seeds: list[int]) -> Scaffold:
    given: dict[str, Any] = {"world": run.world, "model": model, "seed": seeds[0], "task": run.tasks[0]}
    return check_tasks(episode_settings(given, context), run.tasks)


def _check_options(run: Specialization) -> None:
    """SettingsError or TrainingError for a launcher that is not here, or options the training script does not know."""
    if run.launcher and shutil.which(run.launcher[0]) is None:
        raise SettingsError(
            f"There is no program {run.launcher[0]!r} here to start trainings: give another `launcher`."
        )
    needed = ["--dataset", "d", "--base", run.weights, "--output", "o"]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            read_arguments([*needed, *run.train_options])
    except SystemExit:
        said = complaint.getvalue().strip().splitlines()[-1:] or ["?"]
        raise SettingsError(f"The options of the training cannot be read: {said[0]}") from None


def _taken_up(kept: Specialization, given: Input, context: Context | None) -> Specialization:
    """The run as it was begun, with what may be changed as it is asked for now. SettingsError for the rest."""
    full: Any = {"seed": kept.seed, "world": kept.world, "model": kept.model, "base": kept.base, **given}
    settings, _, asked = specialization_settings(full, context)
    changes: dict[str, Any] = {}
    for name in given:
        was = getattr(kept, name, None)
        value = anew(was, settings.get(name))
        if name in ("out", "resume") or value == was:
            continue
        if name not in FREE:
            raise differs(kept.folder.path, "run", name, was, value)
        changes[name] = value
    play = play_on(
        kept.context, asked, digest=kept.digest, own_free="curator_base_url", folder=kept.folder.path, what="run"
    )
    return replace(kept, context=play, **changes)
