"""Where a client of a started server may read and write: below some folders of the server, through no link."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from graphs.fields import shown_value
from graphs.settings import Context, SettingsError
from scaffolds.folder import SHIPPED

ROOTS = "AUTOMEM_ROOTS"
"""Further folders where clients may read and write, parted by colons."""


def writing_folders() -> list[Path]:
    """Where a client may write: runs/ of the server's folder, and the folders that its operator adds."""
    return [Path("runs"), *(Path(root) for root in os.environ.get(ROOTS, "").split(os.pathsep) if root.strip())]


def reading_folders() -> list[Path]:
    """Where a client may read: there, in scaffolds/ of the server's folder and in the scaffolds that are shipped."""
    return [*writing_folders(), Path("scaffolds"), SHIPPED]


MOST_PATH, MOST_NAME = 2_000, 255
"""Bytes of a path, which gets longer by the names of a run's files, and of one name in it."""
RUN_FILES = ("run.json", "evolve.json", "specialize.json")
"""The file by which a run folder is known."""


def check_inside(where: str, path: object, folders: Sequence[Path], *, whole: bool = False) -> Path:
    """The path, absolute, if it lies below one of the folders; `whole`: or is one of them.

    SettingsError for any other, and for a path with a link in it. Links that lead to a folder itself are its owner's.
    """
    return _inside(where, path, folders, whole)[1]


def check_own_run(where: str, path: object, *, holds_runs: bool = False) -> None:
    """SettingsError unless a client may have a run written to a folder, or new runs in it if it `holds_runs`.

    A folder inside of another run is refused: it would be mixed up with that run's files. So is the folder that holds
    the runs of threads: none of them could begin any more.
    """
    root, absolute = _inside(where, path, writing_folders(), holds_runs)
    if not holds_runs and absolute == Path(Context().runs).absolute():
        raise SettingsError(f"The {where}, {shown_value(path)}, holds the runs of threads: name another folder.")
    within = absolute / "new" if holds_runs else absolute
    for folder in within.parents:
        if not folder.is_relative_to(root):
            break
        if any((folder / name).exists() for name in RUN_FILES):
            raise SettingsError(f"The {where}, {shown_value(path)}, lies inside of another run: name one beside it.")


def check_own_episode(where: str, path: object) -> None:
    """SettingsError unless a client may play in an episode's folder, RUN/episodes/WORLD/TASK/seed-N.

    One of a run that is not begun begins it: RUN is then a folder that a client may have a run written to, with nothing
    in it.
    """
    folder = check_inside(where, path, writing_folders())
    if len(folder.parts) < 5 or folder.parts[-4] != "episodes":
        raise SettingsError(f"The {where} is no episode's folder, RUN/episodes/WORLD/TASK/seed-N: {shown_value(path)}.")
    run = folder.parents[3]
    if any((run / name).exists() for name in RUN_FILES):
        return
    check_own_run(f"run of the {where}", str(run))
    if run.exists() and any(run.iterdir()):
        raise SettingsError(f"The {where}, {shown_value(path)}, lies in a folder that is no run: name another one.")


def check_plain(where: str, path: object) -> Path:
    """The path as it is written. SettingsError for what no client means by one, or no file system can hold."""
    if not isinstance(path, str) or not path.strip():
        raise SettingsError(f"The {where} names no folder or file: {shown_value(path)}.")
    parts = Path(path).parts
    if ".." in parts or parts[0].startswith("~") or not path.isprintable():
        raise SettingsError(f"The {where} is no plain path: {shown_value(path)}; write it without .., ~ or breaks.")
    if len(path.encode()) > MOST_PATH or any(len(part.encode()) > MOST_NAME for part in parts):
        raise SettingsError(f"The {where} is too long for a path: {shown_value(path)}.")
    return Path(path)


def _inside(where: str, path: object, folders: Sequence[Path], whole: bool) -> tuple[Path, Path]:
    """The folder that holds the path, and the path."""
    absolute = check_plain(where, path).absolute()
    for folder in folders:
        for root in (folder.absolute(), folder.resolve()):
            if absolute.is_relative_to(root) and (whole or absolute != root):
                _check_links(where, root, absolute)
                return root, absolute
    names = " or ".join(dict.fromkeys(f"{folder.name}/" for folder in (folders[0], *folders[-1:])))
    raise SettingsError(
        f"The {where} must lie below {names} on this server, not at {shown_value(path)}; its operator adds folders "
        f"with {ROOTS}."
    )


def _check_links(where: str, root: Path, absolute: Path) -> None:
    at = root
    for part in absolute.relative_to(root).parts:
        at /= part
        if at.is_symlink():
            raise SettingsError(f"The {where} leads through a link, {part}: a client's paths may not.")
