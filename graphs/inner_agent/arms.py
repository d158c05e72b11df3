"""The control arms of the notebook: what it is opened as, what it begins with, and what the program writes into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from graphs.inner_agent.session import Session
from graphs.settings import EpisodeSettings, SettingsError
from memory_fs import MemoryFS, OneFile, OthersNotebook, RankedLog, files_at
from scaffolds import Scaffold
from traces import EpisodeFolder, RunFolder, read_result, read_run
from worlds import EngineFailure, World

KEPT = {
    "oracle": ("truth.md", "the true state of the world at this step, kept by the program"),
    "raw-log": (
        "observations.md",
        "every observation of the episode, a line each, kept by the program; a search shows the lines that match best",
    ),
}
"""By arm, the one file of the notebook and what the model reads of its purpose."""
ROUTINE = "ARM"
"""The routine of the program's writes in the journal."""


def check_arm(settings: EpisodeSettings, world: World) -> None:
    """SettingsError where the world or the other run cannot give what the arm needs. The world may be reset."""
    if settings.arm == "shuffled":
        _others(settings)
    if settings.arm != "oracle":
        return
    world.reset(seed=settings.seed)
    if _truth(world) is None:
        raise SettingsError(
            f"The world {settings.world} gives no true state (World.truth), so the arm oracle cannot be played in it."
        )


def check_place(settings: EpisodeSettings, folder: EpisodeFolder) -> None:
    """SettingsError for an episode of the arm persisted that begins outside of an evaluation."""
    if settings.arm == "persisted" and not folder.journal.exists():
        _earlier(settings, folder)


def open_notebook(settings: EpisodeSettings, folder: EpisodeFolder, scaffold: Scaffold) -> MemoryFS:
    """The episode's notebook, holding at least its starting files."""
    place, limits, journal = folder.memory, scaffold.memory_limits(), folder.journal
    notebook: MemoryFS
    if settings.arm == "shuffled":
        notebook = OthersNotebook(place, limits, journal=journal, others=_others(settings))
    elif settings.arm == "raw-log":
        notebook = RankedLog(place, limits, journal=journal, file=KEPT["raw-log"][0])
    elif settings.arm == "oracle":
        notebook = OneFile(place, limits, journal=journal, file=KEPT["oracle"][0])
    else:
        notebook = MemoryFS(place, limits, journal=journal)
    if notebook.revision == 0:
        notebook.seed(_starting_files(settings, folder, scaffold))
    return notebook


def purposes(settings: EpisodeSettings, scaffold: Scaffold) -> list[tuple[str, str]]:
    """The files that the system message explains, each with its purpose."""
    if settings.arm in KEPT:
        return [KEPT[settings.arm]]
    return [] if settings.notebook == "off" else [(n, f.purpose) for n, f in scaffold.settings.files.items()]


def keep(session: Session) -> None:
    """Write what the program keeps in the notebook of this arm, if it keeps anything."""
    position, notebook = session.position, session.notebook
    if session.settings.arm not in KEPT:
        return
    notebook.mark(position.step, ROUTINE)
    if isinstance(notebook, RankedLog):
        after = f" after {position.action}" if position.action else ""
        notebook.log(f"step {position.step}{after}: {position.observation['long']} {position.observation['short']}")
    else:
        notebook.write(KEPT["oracle"][0], _truth(session.world) or "")


def _truth(world: World) -> str | None:
    """World.truth; what breaks in it is the machine's failure, as in a step."""
    try:
        return world.truth()
    except EngineFailure:
        raise
    except Exception as error:
        raise EngineFailure(f"World {world.name!r} ({world.task}) broke in its true state: {error!r}") from error


def _starting_files(settings: EpisodeSettings, folder: EpisodeFolder, scaffold: Scaffold) -> Mapping[str, str]:
    if settings.arm in KEPT:
        return {KEPT[settings.arm][0]: ""}
    if settings.arm == "persisted":
        return {**scaffold.memory, **_earlier(settings, folder)}
    return {} if settings.notebook == "off" else scaffold.memory


def episode_needed(settings: EpisodeSettings, folder: EpisodeFolder) -> EpisodeFolder | None:
    """The other episode whose notebook an episode of this arm is opened with; None for an arm that needs none."""
    if settings.arm == "shuffled":
        return _other(settings)
    return _before(settings, folder) if settings.arm == "persisted" else None


def _other(settings: EpisodeSettings) -> EpisodeFolder:
    """The episode of the next seed of the task in another run; of its last seed, that of the first."""
    run = RunFolder(Path(str(settings.others)))
    seeds = _seeds(run)
    if settings.seed not in seeds or len(seeds) < 2:
        raise SettingsError(f"{run.path} has no episode beside that of seed {settings.seed} to answer recalls from.")
    seed = seeds[(seeds.index(settings.seed) + 1) % len(seeds)]
    return run.episode(settings.world, settings.task, seed)


def _others(settings: EpisodeSettings) -> dict[str, str]:
    """The last notebook of that episode."""
    episode = _other(settings)
    if read_result(episode) is None:
        raise SettingsError(
            f"The arm shuffled answers recalls from {episode.path}, which has not ended: play that run to its end with "
            "--resume, or leave the arm out."
        )
    return files_at(episode.journal)


def _before(settings: EpisodeSettings, folder: EpisodeFolder) -> EpisodeFolder | None:
    """The task's episode before this one in the run's plan; None for the first."""
    run = RunFolder(folder.path.parents[3])
    seeds = _seeds(run)
    if settings.seed not in seeds:
        raise SettingsError("The arm persisted goes on from seed to seed: it is played by an evaluation of several.")
    place = seeds.index(settings.seed)
    return run.episode(settings.world, settings.task, seeds[place - 1]) if place else None


def _earlier(settings: EpisodeSettings, folder: EpisodeFolder) -> dict[str, str]:
    """The notebook that it has left."""
    before = _before(settings, folder)
    return files_at(before.journal) if before is not None and before.journal.exists() else {}


def _seeds(run: RunFolder) -> list[int]:
    found = read_run(run)
    return list(found["configuration"].get("seeds", [])) if found is not None else []
