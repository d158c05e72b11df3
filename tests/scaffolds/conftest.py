"""A scaffold to break: a copy of a shipped one outside the repository, with edits."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from scaffolds import SHIPPED

Edit = str | tuple[str, str] | None
"""A whole new text, (old, new) to replace in the text that stands, or None to delete the file."""
MakeScaffold = Callable[..., Path]


@pytest.fixture
def make_scaffold(tmp_path: Path) -> MakeScaffold:
    """Makes a copy of the shipped scaffold `base` with `edits`, by relative file name."""

    def make(edits: Mapping[str, Edit] | None = None, base: str = "crafter/v0", name: str = "mine") -> Path:
        folder = tmp_path / name
        shutil.copytree(SHIPPED / base, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file, edit in (edits or {}).items():
            path = folder / file
            if edit is None:
                path.unlink()
                continue
            if isinstance(edit, tuple):
                text = path.read_text()
                assert text.count(edit[0]) == 1, f"{edit[0]!r} must stand once in {file}"
                edit = text.replace(*edit)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(edit)
        return folder

    return make
