"""Fork an episode: its world and notebook as they were at a step, edited or not, to play the rest again."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphs.settings import SettingsError
from memory_fs import MemoryFS, Outcome, fork, seeded
from traces import EpisodeFolder, TraceReader, copy_steps, read_result
from traces.plain_json import read_file, write_file

EDIT_ROUTINE = "EDIT"
"""The routine of a person's edits in the journal of a fork."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a forked episode comes from; origin.json in its folder."""

    episode: str
    """The folder it was forked from."""
    step: int
    """The first step that is played again."""
    revision: int
    """The notebook's revision at which that step begins, edits included."""
    edited: tuple[str, ...] = ()
    """The notebook's files that a person changed."""


def fork_episode(
    source: EpisodeFolder,
    target: EpisodeFolder,
    step: int,
    *,
    middle: int | None = None,
    edits: Mapping[str, str] | None = None,
) -> Origin:
    """Copy the episode of `source` to `target` as it was when `step` began; `source` is only read.

    `middle`: the notebook's revision in the middle of the step, for a fork that goes on from there. `edits`: whole
    texts of notebook files. SettingsError if there is no such step, an edit is refused, `source` is damaged, or
    `target` holds an episode already.
    """
    ended = read_result(source, content=True)
    if ended is not None and ended.status == "damaged" and ended.failure is not None:
        raise SettingsError(f"{ended.failure.sentence}: it cannot be forked; restore it, or have a copy repaired.")
    with TraceReader(source) as reader:
        if not 1 <= step <= len(reader) + 1:
            raise SettingsError(f"{source.path} has {len(reader)} steps: fork at a step from 1 to {len(reader) + 1}.")
        begins = reader.step(step - 1).revision if step > 1 else None
    earlier = origin_of(source)
    edited = tuple(edits or ())
    if earlier is not None and earlier.step == step:  # the notebook as edited for that step
        begins, edited = earlier.revision, tuple(dict.fromkeys((*earlier.edited, *edited)))
    if target.path.exists() and any(not entry.name.startswith("attempt-") for entry in target.path.iterdir()):
        raise SettingsError(f"{target.path} holds an episode already: fork to another folder.")
    with _whole_or_not_at_all(target):
        copy_steps(source, target, step - 1)
        begins = seeded(source.journal) if begins is None else begins
        with fork(source.journal, middle or begins, target.memory, journal=target.journal) as forked:
            if edits:
                _edit(forked, step, edits)
                begins = forked.revision
        origin = Origin(str(source.path), step, begins, edited)
        write_file(_path(target), dataclasses.asdict(origin))
    return origin


@contextmanager
def _whole_or_not_at_all(target: EpisodeFolder) -> Iterator[None]:
    """Remove again what was written into `target`, and the folders made for it, where the block fails."""
    places = (target.path, *target.path.parents[:4])
    made = [place for place in places if not place.exists()]
    try:
        yield
    except BaseException:
        for entry in target.path.iterdir() if target.path.exists() else ():
            if entry.is_dir() and not entry.name.startswith("attempt-"):
                shutil.rmtree(entry, ignore_errors=True)
            elif not entry.is_dir():
                entry.unlink(missing_ok=True)
        for place in made:
            with suppress(OSError):
                place.rmdir()
        raise


def origin_of(folder: EpisodeFolder) -> Origin | None:
    """Where an episode was forked from; None if it was not."""
    if not _path(folder).exists():
        return None
    plain: dict[str, Any] = read_file(_path(folder))
    return Origin(**{**plain, "edited": tuple(plain["edited"])})


def next_free(folder: EpisodeFolder) -> EpisodeFolder:
    """A folder of a run beside that of `folder`'s, for its next fork: RUN-fork-1, RUN-fork-2, …"""
    run, inner = folder.path.parents[3], folder.path.parts[-4:]
    number = 1
    while (run.parent / f"{run.name}-fork-{number}").exists():
        number += 1
    return EpisodeFolder((run.parent / f"{run.name}-fork-{number}").joinpath(*inner))


def _edit(notebook: MemoryFS, step: int, edits: Mapping[str, str]) -> None:
    notebook.mark(step, EDIT_ROUTINE)
    for file, text in edits.items():
        result = notebook.write(file, text)
        if result.outcome is Outcome.REJECTED:
            raise SettingsError(f"The edit of {file} is refused: {result.text}")


def _path(folder: EpisodeFolder) -> Path:
    return folder.path / "origin.json"
