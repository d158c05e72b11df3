"""Where a client of a started server may read and write: below some folders of the server, through no link."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from graphs.fields import shown_value
from graphs.settings import SettingsError
from scaffolds.folder import SHIPPED

ROOTS = "AUTOMEM_ROOTS"
"""Further folders where clients may read and write, parted by colons."""


def writing_folders() -> list[Path]:
    """Where a client may write: runs/ of the server's folder, and the folders that its operator adds."""
    return [Path("runs"), *(Path(root) for root in os.environ.get(ROOTS, "").split(os.pathsep) if root.strip())]


def reading_folders() -> list[Path]:
    """Where a client may read: there, in scaffolds/ of the server's folder and in the scaffolds that are shipped."""
    return [*writing_folders(), Path("scaffolds"), SHIPPED]


RUN_FILES = ("run.json", "evolve.json", "specialize.json")
"""The file by which a run folder is known."""


def check_inside(where: str, path: object, folders: Sequence[Path], *, whole: bool = False) -> Path:
    """The path, absolute, if it lies below one of the folders; `whole`: or is one of them.

    SettingsError for any other, and for a path with a link in it. Links that lead to a folder itself are its owner's.
    """
    return _inside(where, path, folders, whole)[1]


def check_own_run(where: str, path: object, *, holds_runs: bool = False) -> None:
    """SettingsError unless a client may have a run written to a folder, or new runs in it if it `holds_runs`.

    A folder inside of another run is refused: it would be mixed up with that run's files.
    """
    root, absolute = _inside(where, path, writing_folders(), holds_runs)
    within = absolute / "new" if holds_runs else absolute
    for folder in within.parents:
        if not folder.is_relative_to(root):
            break
        if any((folder / name).exists() for name in RUN_FILES):
            raise SettingsError(f"The {where}, {shown_value(path)}, lies inside of another run: name one beside it.")


def _inside(where: str, path: object, folders: Sequence[Path], whole: bool) -> tuple[Path, Path]:
    """The folder that holds the path, and the path."""
    if not isinstance(path, str) or not path.strip():
        raise SettingsError(f"The {where} names no folder or file: {shown_value(path)}.")
    parts = Path(path).parts
    if ".." in parts or parts[0].startswith("~") or not path.isprintable():
        raise SettingsError(f"The {where} is no plain path: {shown_value(path)}; write it without .., ~ or breaks.")
    absolute = Path(path).absolute()
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
