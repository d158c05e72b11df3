"""Begin a run, or take it up again: every check before the first token, then its run folder with the settings."""

from __future__ import annotations

import contextlib
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphs.agent_model import agent_model
from graphs.bad_values import shown_value
from graphs.curator.context import Context
from graphs.curator.folders import SpecializationFolder
from graphs.curator.players import check_servable, weights_of
from graphs.curator.specialization import FREE, Specialization, read_specialization, specialization_settings
from graphs.curator.state import Input
from graphs.evaluation.prepare_node import check_tasks
from graphs.inner_agent.ceilings import check_prices, read_prices
from graphs.inner_agent.context import Context as PlayContext
from graphs.inner_agent.context import SettingsError, check_usable, default_scaffold, episode_settings
from graphs.inner_agent.run_file import check_place
from graphs.taking_up import anew, check_vacant, differs, play_on
from scaffolds import Scaffold
from scaffolds.folder import resolve
from traces import read_run, write_run
from traces.plain_json import write_file
from training.base_model import find_base
from training.sft_config import read_arguments
from worlds import world_entry


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
