"""What a reviewer can reach: one virtual tree of names, two folders of it writable, each name checked.

candidate/  the working copy of the scaffold (writable)      notes/  its own notes (writable)
parent/     the version it was made from                     history/NAME/  earlier attempts and their verdicts
runs/NAME/  evaluations: traces, metrics, notebooks

Seeds, evaluator and gate have no name in this tree, and so cannot be named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphs.reviewer import lineage, safe_files
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.lineage import evaluation_of, position, scaffold_of
from graphs.reviewer.search import Search
from memory_fs.names import Limits, check_vacant, clean_name
from memory_fs.results import Refused
from scaffolds.prompts import VARIABLES

MAX_FILE_BYTES = 256 * 1024
"""Of a file that is written: several times the longest prompt a template may hold."""
MAX_FILES = 100
"""In each writable folder: half of what a scaffold may hold."""
MAX_TOTAL_BYTES = 2 * 1024 * 1024
"""Of all files of a writable folder."""
MAX_READ_BYTES = 32 * 1024 * 1024
"""Of a file that is read: the largest notebook. Traces have tools of their own."""
WRITABLE = ("candidate", "notes")
HISTORY_SHOWN = ("candidate", "notes", "verdict.json", "check.json", "METHOD.md")
"""What a reviewer may read of an earlier attempt: not the runs on fresh seeds, which only the gate uses."""
_NAMES = Limits(max_name_bytes=240, max_depth=12)


class FileRefused(Exception):
    """A reviewer named or wrote something it may not: one sentence for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A name of the virtual tree and where it lies."""

    name: str
    """As the reviewer writes it, cleaned."""
    root: Path
    parts: tuple[str, ...]
    """Below `root`; empty for the root itself."""
    writable: bool


@dataclass(frozen=True)
class Workspace:
    """The folders of one attempt. The tree's folders must exist, the writable ones are made by `prepare`."""

    attempt: Path
    parent: Path
    history: Mapping[str, Path]
    """Folders of earlier attempts, by the reviewer's name for it."""
    runs: Mapping[str, Path]
    """Run folders of evaluations, by the reviewer's name for it."""

    @property
    def candidate(self) -> Path:
        """The working copy of the scaffold."""
        return self.attempt / "candidate"

    @property
    def notes(self) -> Path:
        """What the reviewer leaves beside it."""
        return self.attempt / "notes"

    @property
    def transcript(self) -> Path:
        """The reviewer's conversation, one message per line."""
        return AttemptFolder(self.attempt).transcript

    def folders(self) -> dict[str, Path]:
        """The roots of the tree by virtual name."""
        return {
            **{"candidate": self.candidate, "notes": self.notes, "parent": self.parent},
            **{f"history/{name}": path for name, path in self.history.items()},
            **{f"runs/{name}": path for name, path in self.runs.items()},
        }

    def place(self, path: str) -> Place:
        """The file or folder of a name. FileRefused, in one sentence, for a name that is not in the tree."""
        if ".." in path.split("/"):
            raise FileRefused("A path never goes up: '..' is not allowed.")
        try:
            name = clean_name(path.rstrip("/"), _NAMES)
        except Refused as refusal:
            raise FileRefused(str(refusal)) from None
        for top, root in self.folders().items():
            if name == top or name.startswith(top + "/"):
                parts = tuple(name.removeprefix(top).strip("/").split("/")) if name != top else ()
                if top.startswith("history/") and parts and parts[0] not in HISTORY_SHOWN:
                    raise FileRefused(f"Of an earlier attempt there is {', '.join(HISTORY_SHOWN)}, not {parts[0]}.")
                if top in WRITABLE:
                    return Place(name, self.attempt.resolve() / top, parts, writable=True)
                return Place(name, root.resolve(), parts, writable=False)
        raise FileRefused(f"There is no {name}: a path begins with {', '.join(self.folders())}.")

    def place_to_write(self, path: str) -> Place:
        """Where a file may be written. FileRefused for what is read-only or what no scaffold holds."""
        place = self.place(path)
        if not place.writable:
            raise FileRefused(f"{place.name} is read-only: write below {' or '.join(f'{top}/' for top in WRITABLE)}.")
        if not place.parts:
            raise FileRefused(f"{place.name} is a folder: name a file in it.")
        (_check_candidate if place.root.name == "candidate" else _check_notes)(place)
        return place

    def check_room(self, place: Place, size: int) -> None:
        """FileRefused if a file of `size` bytes at `place` is too large, or one too many, or another by case only."""
        if size > MAX_FILE_BYTES:
            raise FileRefused(f"{place.name} would have {size:,} bytes; the most is {MAX_FILE_BYTES:,}.")
        here = {"/".join(parts): held for parts, held in files(place.root)}
        name = "/".join(place.parts)
        others = {other: held for other, held in here.items() if other != name}
        if len(others) >= MAX_FILES:
            raise FileRefused(f"{place.root.name}/ holds {len(others)} files already; the most is {MAX_FILES}.")
        if sum(others.values()) + size > MAX_TOTAL_BYTES:
            raise FileRefused(f"{place.root.name}/ would hold more than {MAX_TOTAL_BYTES:,} bytes.")
        try:
            check_vacant(name, others)
        except Refused as refusal:
            raise FileRefused(str(refusal)) from None

    def prepare(self) -> None:
        """Make the writable folders that are missing."""
        for name in WRITABLE:
            (self.attempt / name).mkdir(parents=True, exist_ok=True)


def files(root: Path, parts: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], int]]:
    """Every plain file below a folder of a scaffold's size, with its size in bytes."""
    found: list[tuple[tuple[str, ...], int]] = []
    for name, size in safe_files.entries(root, parts):
        inner = (*parts, name)
        found += files(root, inner) if size is None else [(inner, size)]
        if len(inner) > _NAMES.max_depth or len(found) > 10 * MAX_FILES:
            break
    return found


def _check_candidate(place: Place) -> None:
    top, *below = place.parts
    prompts = [f"{name}.md" for name in VARIABLES]
    if top == "memory" and below:
        return
    if top == "prompts" and len(below) == 1 and below[0] in prompts:
        return
    if not below and (top in ("scaffold.toml", "hooks.py", "operations.py") or top.endswith(".md")):
        return
    raise FileRefused(
        f"A scaffold has no {'/'.join(place.parts)}: it holds scaffold.toml, prompts/ ({', '.join(prompts)}), "
        "memory/…, hooks.py, operations.py, METHOD.md and other *.md."
    )


def _check_notes(place: Place) -> None:
    if len(place.parts) != 1 or not place.parts[0].endswith(".md"):
        raise FileRefused("notes/ holds *.md files, such as notes/analysis.md, and no folders.")


def workspace_of(search: Search, name: str) -> Workspace:
    """The workspace of an attempt that is under way."""
    now = position(search)
    records = [one for one in lineage.read(search.folder.path) if one.kind in ("start", "attempt")]
    runs = {"incumbent": evaluation_of(search, now.incumbent).path}
    for record in records:
        if record.evaluation is not None and record.name != now.incumbent.name:
            known = "previous" if record.name == now.continues else record.name
            runs[known] = search.folder.path / record.evaluation
    return Workspace(
        attempt=search.folder.attempt(name).path,
        parent=scaffold_of(search, now.incumbent),
        history={one.name: search.folder.attempt(one.name).path for one in records if one.kind == "attempt"},
        runs=runs,
    )


def what_became(search: Search) -> str:
    """For a continuation: what became of the attempt that it continues; empty for a fresh one."""
    continues = position(search).continues
    if continues is None:
        return ""
    record = next(one for one in lineage.read(search.folder.path) if one.name == continues and one.kind == "attempt")
    return f"{continues} was {record.status}. {record.reason}"
