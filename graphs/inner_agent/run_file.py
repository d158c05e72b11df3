"""run.json: the settings, versions and host of a run, written before its first episode and read when it goes on."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphs.fields import shown_value
from graphs.settings import Context, EpisodeSettings, SettingsError, episode_settings, validated
from scaffolds.folder import resolve
from traces import EpisodeFolder, RunFolder, read_result, read_run, write_run
from traces.run_file import add_note

logger = logging.getLogger(__name__)

_PER_EPISODE = ("world", "task", "seed")
SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys"),
    *("/usr/bin", "/usr/lib", "/usr/sbin"),
)
"""Folders of the operating system that hold no runs."""


FREE = (
    *("base_url", "gameplay_base_url", "timeout_s", "attempts", "patience_s", "runs", "trust_scaffold_code"),
    *("ceilings", "stop_when", "alarms", "prices", "trace_sample", "trace_hide"),
)
"""Settings that may differ when a run goes on: addresses, timeouts and what is sent to LangSmith change
no episode."""


def begin_run(run: RunFolder, settings: EpisodeSettings, scaffold_digest: str, **plan: Any) -> None:
    """Write run.json for a new run; for one that goes on, check that nothing decisive has changed.

    `plan`: what else to keep (tasks, seeds, protocol). Raises SettingsError naming the setting that differs.
    """
    common = {name: value for name, value in dataclasses.asdict(settings).items() if name not in _PER_EPISODE}
    found = read_run(run)
    if found is None:
        write_run(run, {"settings": common, "scaffold_digest": scaffold_digest, **plan})
        return
    recorded = found["configuration"]
    if recorded["scaffold_digest"] != scaffold_digest:
        raise SettingsError(
            f"The scaffold {settings.scaffold} is not what it was when {run.run} was written: "
            "restore it to go on with that run, or give another `out`."
        )
    then = {**_defaults(), **recorded, **recorded["settings"]}  # a run of before a setting was there has its default
    for name, value in {**common, **plan}.items():
        if name in then and _is_noted(name, then[name], value):
            sentence = f"{name} was {then[name]} and is {value} since a resume."
            if add_note(run, sentence):
                logger.warning(sentence)
            continue
        # The scaffold may have another name or place: its content was compared above.
        if name in then and name not in (*FREE, "scaffold") and then[name] != value:
            raise SettingsError(
                f"{run.run} was started with {name}={then[name]!r}, not {value!r}: "
                "give the same to go on with it, or another `out` for another run."
            )


def _defaults() -> dict[str, Any]:
    """Of the settings that any episode has, by name."""
    empty = Context()
    return {field.name: getattr(empty, field.name) for field in dataclasses.fields(Context)}


def _is_noted(name: str, then: Any, now: Any) -> bool:
    """Whether a setting may change when a run goes on though it changes its episodes: fewer new tokens where prompts do
    not fit, and what happens where they do not."""
    return (name == "max_tokens" and now < then) or (name == "overflow" and now != then)


def thread_settings(folder: EpisodeFolder, given: Mapping[str, Any], context: Context | None) -> EpisodeSettings:
    """The settings of an episode: those it was started with, if it was; else those that its first run asks for.

    A later run may change what changes no episode (where the server is, how patient we are); asking for anything else
    that differs is refused. What a context leaves at its default is not asked for.
    """
    recorded = recorded_settings(folder)
    if recorded is None:
        return _first_settings(folder, given, context)
    asked = validated(context or Context())
    changes = {}
    for field in dataclasses.fields(Context):
        value = getattr(asked, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if value == default or value == getattr(recorded, field.name):
            continue
        noted = _is_noted(field.name, getattr(recorded, field.name), value)
        if (
            field.name not in FREE
            and not noted
            and not (field.name == "scaffold" and _same_folder(value, recorded.scaffold))
        ):
            raise SettingsError(
                f"The episode in {folder.path} was started with {field.name}={getattr(recorded, field.name)!r}, "
                f"not {value!r}: start a new thread for other settings."
            )
        if field.name in FREE or noted:
            changes[field.name] = value
    return dataclasses.replace(recorded, **changes)


def _first_settings(folder: EpisodeFolder, given: Mapping[str, Any], context: Context | None) -> EpisodeSettings:
    """The settings of an episode that is not begun: what its folder is called, it plays."""
    check_place(str(run_of(folder).path))
    world, task, seed = folder.path.parts[-3:]
    called = {"world": world, "task": task, "seed": int(seed.removeprefix("seed-"))}
    asked = {name: value for name, value in given.items() if value not in (None, "")}
    for name, value in called.items():
        if asked.setdefault(name, value) != value:
            raise SettingsError(f"{folder.path} is the folder of {name} {value}, not of {shown_value(asked[name])}.")
    return episode_settings(asked, context)


def check_place(path: str) -> None:
    """SettingsError for a folder that is surely a mistake: no name, inside a scaffold, a folder of the system."""
    if not path.strip():
        raise SettingsError("The folder to write is empty: name one, such as runs/NAME.")
    folder = Path(path).resolve()
    if any(folder.is_relative_to(system) for system in SYSTEM) and not folder.is_relative_to("/dev/shm"):
        raise SettingsError(f"{path} lies in a folder of the operating system: name another, such as runs/NAME.")
    for inside in (folder, *folder.parents):
        if (inside / "scaffold.toml").is_file():
            raise SettingsError(f"{path} lies in the scaffold {inside}: name a folder elsewhere, such as runs/NAME.")


def check_not_summed_up(folder: EpisodeFolder) -> None:
    """SettingsError for an episode to be played on alone whose evaluation has ended: its summary would not hold it."""
    run = run_of(folder)
    if not run.summary.exists():
        return
    result = read_result(folder, content=True)
    if result is None or result.status not in ("finished", "damaged"):  # each of these is refused in its own words
        raise SettingsError(
            f"{folder.path} belongs to an evaluation that has ended, and is in its summary: go on with the evaluation "
            f"in {run.path} by `resume`, or fork the episode."
        )


def check_vacant(folder: Path, what: str, *, unfinished: str = "") -> None:
    """SettingsError unless `folder` is free for a new `what` ("search", "run of loop 2").

    `unfinished`: an entry that may be in it, left by one that was killed when it began.
    """
    if folder.exists() and (not folder.is_dir() or any(found.name != unfinished for found in folder.iterdir())):
        found = f"holds something that is no {what}" if folder.is_dir() else "is a file, and a folder is needed"
        raise SettingsError(f"{folder} {found}: give another `out`.")


def _same_folder(one: str, other: str) -> bool:
    return resolve(one) == resolve(other)


def recorded_settings(folder: EpisodeFolder) -> EpisodeSettings | None:
    """The settings an episode was started with, from its run's run.json; None if that has none yet."""
    found = read_run(run_of(folder))
    if found is None:
        return None
    known = {field.name for field in dataclasses.fields(EpisodeSettings)} - set(_PER_EPISODE)
    common = {name: value for name, value in found["configuration"]["settings"].items() if name in known}
    world, task, name = folder.path.parts[-3:]
    seed = int(name.removeprefix("seed-"))
    plan = found["configuration"]
    if "seeds" in plan and (world != plan["world"] or task not in plan["tasks"] or seed not in plan["seeds"]):
        raise SettingsError(f"The run in {run_of(folder).path} has no episode {world}/{task} seed {seed} in its plan.")
    return EpisodeSettings(**common, world=world, task=task, seed=seed)


def run_of(folder: EpisodeFolder) -> RunFolder:
    """The run an episode's folder RUN/episodes/WORLD/TASK/seed-N belongs to. SettingsError if it lies elsewhere."""
    parts = folder.path.resolve().parts
    if len(parts) < 5 or parts[-4] != "episodes" or not re.fullmatch(r"seed-\d+", parts[-1]):
        raise SettingsError(f"{folder.path} is no episode's folder: those are RUN/episodes/WORLD/TASK/seed-N.")
    return RunFolder(folder.path.parents[3] if len(folder.path.parts) > 4 else Path())
