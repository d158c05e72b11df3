"""A run of loop 2: its settings, checked before the first token, kept in specialize.json."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from chat_models.factory import has_server
from graphs.agent.loop import agent_model
from graphs.curator.folders import SpecializationFolder
from graphs.curator.players import check_servable, weights_of
from graphs.curator.state import Input
from graphs.evaluation.graph import check_tasks
from graphs.fields import SERVER, defaults_of, described, shown_value
from graphs.loop_run import LoopContext, LoopFolder, LoopRun
from graphs.outer_loop import draw_seeds
from graphs.settings import Context as PlayContext
from graphs.settings import (
    SettingsError,
    check_least,
    episode_settings,
)
from graphs.spending import check_prices, read_prices
from scaffolds import Scaffold
from traces import RunFolder, read_run
from training.base_model import find_base
from training.recipe import Recipe, load_recipe, recipe_names, recipe_of
from training.selection import DEFAULT_POLICY, load_policy
from training.sft_config import read_arguments
from worlds import world_entry


@dataclass(kw_only=True, frozen=True)
class Context(LoopContext):
    """How episodes are played, the same for all of a run. `gameplay_model` commits the actions in evaluations; the
    base if empty. Holds no secrets."""

    curator_base_url: Annotated[
        str | None,
        described("Curator base URL", "OpenAI-compatible server of `curator_model`, with /v1.", example=SERVER),
    ] = None

    def collecting(self) -> PlayContext:
        """For the training episodes: one model plays all of them alone."""
        return self.play(gameplay_model=None, gameplay_base_url=None, handoff="auto")

    def evaluating(self, gameplay_model: str) -> PlayContext:
        """For every evaluation, controls too: the same handoff, whichever model keeps the memory."""
        url = self.gameplay_base_url if gameplay_model == self.gameplay_model else None  # None: the base's own server
        return self.play(gameplay_model=gameplay_model, gameplay_base_url=url, handoff="always")


@dataclass(frozen=True, kw_only=True)
class Specialization(LoopRun):
    """One run of loop 2."""

    kind: ClassVar[str] = "run of loop 2"
    key: ClassVar[str] = "specialization"
    free: ClassVar[tuple[str, ...]] = (
        *("approve", "ceilings", "concurrency", "controls", "launcher"),
        *("specialist_server", "specialist_url"),
    )
    free_context: ClassVar[str] = "curator_base_url"
    apart: ClassVar[tuple[str, ...]] = ("folder", "context", "digest", "start", "start_policy")
    folder_type: ClassVar[type[LoopFolder]] = SpecializationFolder
    context_type: ClassVar[type[LoopContext]] = Context
    input_type: ClassVar[Any] = Input
    published: ClassVar[str] = "final_seeds"

    folder: SpecializationFolder
    context: Context
    start: Recipe
    """What the curator starts from."""
    start_policy: str
    """Likewise, as TOML."""
    base: str
    weights: str
    traces: str = ""
    """The evaluation that is learned from; empty where the run collects its own."""
    curator_model: str
    train_seeds: list[int]
    validation_seeds: list[int]
    final_seeds: list[int]
    iterations: int
    recipe: str
    policy: str = DEFAULT_POLICY.stem
    minimum_examples: int
    controls: bool
    launcher: list[str]
    train_options: list[str]
    specialist_server: list[str] = field(default_factory=list)
    specialist_url: str = ""

    def __post_init__(self) -> None:
        if not self.weights:
            object.__setattr__(self, "weights", weights_of(self.base))

    @classmethod
    def restored(cls, kept: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """The context, the recipe and the policy to start from; runs of before there was a choice have the default."""
        policy = kept["start_policy"] if "start_policy" in kept else load_policy(DEFAULT_POLICY.stem)
        start = recipe_of(kept["start_recipe"], str(path))
        return {**super().restored(kept, path), "start": start, "start_policy": policy}

    @classmethod
    def checked(cls, given: Input, context: Context | None) -> tuple[dict[str, Any], Context]:
        """The fields that `given` asks for, and the context, checked. SettingsError, UnknownWorld or TrainingError."""
        settings, context = super().checked(given, context)
        settings["traces"] = settings.get("traces") or ""
        if settings["traces"]:
            settings |= _played(settings)
        settings.setdefault("base", settings["model"])
        settings.setdefault("recipe", default_recipe(settings["world"], settings["base"]))
        settings.setdefault("validation_seeds", len(settings["final_seeds"]))
        settings.setdefault("weights", "")
        start = load_recipe(settings["recipe"])
        settings.setdefault("minimum_examples", start.data.minimum_examples)
        settings |= _seeds(settings, world_entry(settings["world"]).seeds)
        check_least(settings, iterations=1, minimum_examples=1)
        return {**settings, "start": start, "start_policy": load_policy(settings["policy"])}, context

    @property
    def never_trained_on(self) -> list[int]:
        """The seeds that no example may come from."""
        return sorted({*self.validation_seeds, *self.final_seeds})

    @property
    def gameplay(self) -> str:
        """The model that commits the actions in evaluations."""
        return self.context.gameplay_model or self.base

    def with_specialist(self, gameplay_model: str) -> PlayContext:
        """How a specialist is evaluated: as the base is, but for where it is served."""
        context = self.context.evaluating(gameplay_model)
        if not self.specialist_server:
            return context
        url = context.gameplay_base_url
        if url is None and gameplay_model in (self.base, self.gameplay) and has_server(gameplay_model):
            url = context.base_url  # any other is the specialist itself
        return replace(context, base_url=self.specialist_url, gameplay_base_url=url)

    def plain(self) -> dict[str, Any]:
        """As specialize.json keeps it."""
        recipe = self.start.model_dump(mode="json")
        return {**super().plain(), "start_recipe": recipe, "start_policy": self.start_policy}

    def check(self, scaffold: str) -> Scaffold:
        """Load and build all that the run needs. Raises our errors."""
        loaded = self._playable(self.context.evaluating(self.gameplay), self.base, self.validation_seeds)
        if self.traces:
            _check_same_scaffold(self.traces, loaded)
        else:
            self._playable(self.context.collecting(), self.model, self.train_seeds)
        if (self.context.dialect or loaded.settings.dialect) != "tags":
            raise SettingsError("A specialist learns text: give a scaffold that speaks tags, or set `dialect` to tags.")
        if self.context.notebook != "on":
            raise SettingsError(f"With the notebook {self.context.notebook!r} there is no memory to specialise in.")
        if self.context.arm != "none":
            raise SettingsError(
                f"The control arm {self.context.arm} is for evaluations: no memory can be specialised in it."
            )
        if self.digest and self.digest != loaded.digest:
            raise SettingsError(
                f"The scaffold {scaffold} is not what it was when {self.folder.run} was written: "
                "restore it to go on, or give another `out`."
            )
        agent_model(self.curator_model, "curator", self.world, self.context.curator_base_url)
        models = {self.model, self.base, self.gameplay, self.curator_model}
        check_prices(self.ceilings, read_prices(self.context.prices), models)
        weights_of(self.base)
        find_base(self.weights)
        _check_options(self)
        if self.specialist_server or self.specialist_url:
            _check_server(self)
            self._playable(self.with_specialist(self.gameplay), f"{self.base}-specialist", self.validation_seeds)
        else:
            check_servable(self.base, self.context.base_url)
        return loaded

    def _playable(self, context: PlayContext, model: str, seeds: list[int]) -> Scaffold:
        given: dict[str, Any] = {"world": self.world, "model": model, "seed": seeds[0], "task": self.tasks[0]}
        return check_tasks(episode_settings(given, context), self.tasks)

    def has_results(self) -> bool:
        """Whether there are training episodes."""
        return self.folder.collect.run.exists()

    def warnings(self) -> list[str]:
        """Models that are not the base's, and seeds whose figures say little."""
        found = []
        if self.model != self.base:
            found.append(
                f"The traces are those of {self.model}{no_language_model(self.model)}, not of the base {self.base}: "
                "the specialist learns its memory decisions."
            )
        if self.gameplay != self.base:
            found.append(f"{self.gameplay}{no_language_model(self.gameplay)} commits the actions in every evaluation.")
        if set(self.validation_seeds) & set(world_entry(self.world).seeds):
            found.append("Recipes are chosen by seeds of the published protocol: results on those cannot be compared.")
        if set(self.train_seeds) & set(world_entry(self.world).seeds):
            found.append(
                "Seeds of the published protocol are trained on: a specialist's results on those mean nothing."
            )
        if len(self.pairs(self.validation_seeds)) == 1:
            found.append("Recipes are chosen by one episode: its score says next to nothing about the next seed.")
        return found


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
            others = (settings[one] for one in ("final_seeds", "validation_seeds", "train_seeds"))
            taken = {*published, *(seed for one in others if isinstance(one, list) for seed in one)}
            taken |= {seed for one in sets.values() for seed in one}
            sets[name] = draw_seeds(f"{settings['seed']}/{name}", given, taken)
            continue
        sets[name] = list(given)
        if not given:
            raise SettingsError(f"The {name} name none: name at least one, or how many to draw.")
    for one, other in (("train", "validation"), ("train", "final"), ("validation", "final")):
        if shared := sorted({*sets[f"{one}_seeds"]} & {*sets[f"{other}_seeds"]}):
            raise SettingsError(
                f"The seed {shared[0]} is both a {one} and a {other} seed: what is trained on, what recipes are chosen "
                "by and what is reported must be played on different seeds."
            )
    return sets


def _played(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Who played the traces to learn from, which tasks and which seeds. SettingsError if they cannot be used."""
    traces = RunFolder(Path(asked["traces"]).resolve())
    found = read_run(traces)
    if found is None or "seeds" not in found["configuration"]:
        raise SettingsError(f"traces: {traces.path} is no evaluation: give the run folder of one.")
    if not traces.summary.exists():
        raise SettingsError(f"traces: the evaluation in {traces.path} is not over: go on with it first.")
    plan = found["configuration"]
    if plan["world"] != asked["world"]:
        raise SettingsError(f"traces: {traces.path} was played in {plan['world']}, not in {asked['world']}.")
    if plan["effective_dialect"] != "tags":
        raise SettingsError(f"traces: {traces.path} speaks {plan['effective_dialect']}; a specialist learns tags.")
    played = {"model": plan["settings"]["model"], "tasks": plan["tasks"], "train_seeds": plan["seeds"]}
    defaults = {**defaults_of(Input), "tasks": list(world_entry(plan["world"]).tasks)}
    for name, value in played.items():
        if asked[name] not in (value, defaults.get(name)):
            raise SettingsError(f"{name} is what {traces.path} was played with ({shown_value(value)}): leave it out.")
    return {**played, "traces": str(traces.path)}


def _check_same_scaffold(traces: str, scaffold: Scaffold) -> None:
    """SettingsError where traces were played with other prompts than the specialist would be."""
    found = read_run(RunFolder(Path(traces)))
    if found is not None and found["configuration"]["scaffold_digest"] != scaffold.digest:
        raise SettingsError(
            f"{traces} was played with another scaffold or another version of it: give the one it was played with, "
            f"{found['configuration']['settings']['scaffold']}."
        )


def no_language_model(model: str) -> str:
    """What follows the name of a scripted stand-in wherever it is shown."""
    return " (no language model)" if model == "scripted" else ""


def _check_server(run: Specialization) -> None:
    """SettingsError for a command of a specialist's server that cannot do, or one without an address of its own."""
    words, url = run.specialist_server, run.specialist_url.rstrip("/")
    if not words or not url:
        raise SettingsError("Give `specialist_server` and `specialist_url` both, or neither.")
    if not run.base.startswith("vllm:"):
        raise SettingsError(f"`specialist_server` is for a base of a server, vllm:NAME; {run.base} needs none.")
    for name in ("{folder}", "{name}"):
        if not any(name in word for word in words):
            raise SettingsError(
                f"`specialist_server` says nowhere {name}: it must serve the weights there as that name."
            )
    if shutil.which(words[0]) is None:
        raise SettingsError(f"There is no program {words[0]!r} here: give another `specialist_server`.")
    theirs = (run.context.base_url, run.context.gameplay_base_url, run.context.curator_base_url)
    others = [one for each in theirs for one in (each if isinstance(each, list) else [each])]
    if _address(url) in {_address(one) for one in others if one}:
        raise SettingsError(f"{url} is the address of another server of the run: give another `specialist_url`.")


def _address(url: str) -> tuple[str, int | None]:
    """Host and port; this machine by any name is one. A URL that cannot be read is refused elsewhere."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return "127.0.0.1" if host in ("localhost", "0.0.0.0", "::1") else host, parts.port
    except ValueError:
        return url, None


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
        reason = complaint.getvalue().strip().splitlines()[-1:] or ["?"]
        raise SettingsError(f"The options of the training cannot be read: {reason[0]}") from None
