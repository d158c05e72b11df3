"""run.json: the settings, versions and host of a run, written before its first episode and read when it goes on."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from graphs.inner_agent.context import EpisodeSettings, SettingsError
from traces import EpisodeFolder, RunFolder, read_run, write_run

_PER_EPISODE = ("world", "task", "seed")


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
    changed = [name for name, value in common.items() if recorded["settings"].get(name) != value and name not in _FREE]
    if changed:
        name = changed[0]
        raise SettingsError(
            f"{run.run} was started with {name}={recorded['settings'].get(name)!r}, not {common[name]!r}: "
            "give the same settings to go on with it, or another --out for another run."
        )
    if recorded["scaffold_digest"] != scaffold_digest:
        raise SettingsError(
            f"The scaffold {settings.scaffold} has changed since {run.run} was written: "
            "restore it to go on with that run, or give another --out."
        )


_FREE = (
    *("base_url", "gameplay_base_url", "timeout_s", "attempts", "runs", "trust_scaffold_code"),
    *("ceilings", "prices"),
)
"""Settings that may differ when a run goes on: where a server is and how patient we are change no episode."""


def recorded_settings(folder: EpisodeFolder) -> EpisodeSettings | None:
    """The settings an episode was started with, from its run's run.json; None if that has none yet."""
    found = read_run(run_of(folder))
    if found is None:
        return None
    known = {field.name for field in dataclasses.fields(EpisodeSettings)} - set(_PER_EPISODE)
    common = {name: value for name, value in found["configuration"]["settings"].items() if name in known}
    world, task, seed = folder.path.parts[-3:]
    return EpisodeSettings(**common, world=world, task=task, seed=int(seed.removeprefix("seed-")))


def run_of(folder: EpisodeFolder) -> RunFolder:
    """The run an episode's folder RUN/episodes/WORLD/TASK/seed-N belongs to. SettingsError if it lies elsewhere."""
    parts = folder.path.parts
    if len(parts) < 5 or parts[-4] != "episodes" or not re.fullmatch(r"seed-\d+", parts[-1]):
        raise SettingsError(f"{folder.path} is no episode's folder: those are RUN/episodes/WORLD/TASK/seed-N.")
    return RunFolder(folder.path.parents[3])
