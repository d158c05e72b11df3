"""A scaffold's folder: find it, list its files, read the notebook's first files."""

from collections.abc import Mapping
from pathlib import Path

from scaffolds.faults import ScaffoldError, nearest
from scaffolds.settings import Settings

SHIPPED = Path(__file__).resolve().parent
"""Where the scaffolds of this repository are. Code in them runs directly, as ours."""

PARTS = ("scaffold.toml", "prompts", "memory", "hooks.py", "operations.py", "METHOD.md")
MAX_FILES = 200
"""A folder with more files is not a scaffold: most likely the wrong folder was given."""


def resolve(path: Path | str) -> Path:
    """The scaffold folder of `path`: a folder, or the name of a shipped one. ScaffoldError if there is none."""
    given = Path(path)
    try:
        for candidate in (given, SHIPPED / given, SHIPPED.parent / given):
            if (candidate / "scaffold.toml").is_file():
                return candidate.resolve()
        if given.is_dir():
            raise ScaffoldError("this folder has no scaffold.toml: it is no scaffold", given)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise ScaffoldError(f"this folder cannot be read: {error.strerror}", given) from error
    shipped = [scaffold_name(found) for found in shipped_scaffolds()]
    name = given.as_posix().removeprefix("scaffolds/").strip("/")
    raise ScaffoldError(f"there is no such scaffold folder; of the shipped ones: {nearest(name, shipped)}", given)


def shipped_scaffolds() -> list[Path]:
    """The folders of all scaffolds this repository ships."""
    return sorted(found.parent for found in SHIPPED.glob("*/*/scaffold.toml"))


def scaffold_name(path: Path) -> str:
    """The last two folders of a path: world (or collection) and version."""
    return "/".join(path.parts[-2:])


def scaffold_files(path: Path) -> dict[str, Path]:
    """The files of a scaffold by their relative POSIX names, in order; hidden files and `__pycache__` are skipped.

    ScaffoldError for a link (what it leads to is not part of the folder) and for what a scaffold does not have.
    """
    files: dict[str, Path] = {}
    for found in sorted(path.rglob("*")):
        relative = found.relative_to(path)
        if any(part.startswith(".") or part == "__pycache__" for part in relative.parts):
            continue
        if found.is_symlink():
            raise ScaffoldError("a scaffold may not hold links: put the file itself here", found)
        top = relative.parts[0]
        if top not in PARTS and not (len(relative.parts) == 1 and top.endswith(".md")):
            raise ScaffoldError(f"a scaffold has no {top!r}, {nearest(top, PARTS)}", path / top)
        if found.is_file():
            files[relative.as_posix()] = found
        elif not found.is_dir():  # a pipe or a device: reading it might never end
            raise ScaffoldError("a scaffold holds plain files only", found)
        if len(files) > MAX_FILES:
            raise ScaffoldError(f"this folder has more than {MAX_FILES} files: it is no scaffold", path)
    return files


def read_memory(path: Path, files: Mapping[str, Path], settings: Settings) -> dict[str, str]:
    """The notebook's files at the start of an episode: every declared file, filled from `memory/` or empty."""
    memory = dict.fromkeys(settings.files, "")
    for name, source in files.items():
        if not name.startswith("memory/"):
            continue
        entry = name.removeprefix("memory/")
        if entry not in memory:
            hint = f'say what it is for in scaffold.toml: [files."{entry}"] purpose = "…"'
            raise ScaffoldError(f"scaffold.toml does not declare this file; {hint}", source)
        try:
            memory[entry] = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScaffoldError(f"this file cannot be read as UTF-8 text: {error}", source) from error
    return memory
