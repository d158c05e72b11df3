"""Candidates of a reviewer: a revision of the vault's first scaffold, an evaluation it was made from, and a search."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphs.evaluation import graph as evaluation
from graphs.fields import defaults_of
from graphs.inner_agent import Context as Play
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.search import Context, Search
from graphs.reviewer.state import Input
from graphs.reviewer.workspace import Workspace
from scaffolds import SHIPPED

VAULT = SHIPPED / "vault" / "v0"
PLACE = "[one-door/seed-1 step 2]"
ANALYSIS = (
    "# What the traces show\n\n"
    + "".join(f"- Finding {n}: what was written down is looked for and not found again {PLACE}.\n" for n in range(8))
    + "\n| step | what |\n|---|---|\n| 2 | nothing |\n"
)
METHOD = f"# A revision\n\nUpsert keeps one line per thing, so that nothing is noted twice, as happens in {PLACE}. " + (
    "Duplicate writes should fall. " * 6
)
UPSERT = ("scaffold.toml", '"append", "write"', '"append", "upsert", "write"')
"""The smallest structural change."""
Edit = tuple[str, str, str]
"""File, piece that stands there once, what takes its place."""


def evaluated(folder: Path, scaffold: Path = VAULT, steps: int = 6) -> Path:
    """The run folder of an evaluation by the scripted player: one-door, seed 1."""
    given = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "out": str(folder)}
    evaluation.invoke(given, context=Play(scaffold=str(scaffold), max_steps=steps))
    return folder


def workspace(folder: Path, runs: Mapping[str, Path] | None = None, parent: Path = VAULT) -> Workspace:
    """An attempt whose working copy is its parent's."""
    made = Workspace(folder / "attempts/v1.a1", parent, {}, runs or {})
    shutil.copytree(parent, made.candidate)
    made.prepare()
    return made


def revise(made: Workspace, *edits: Edit, **files: str) -> Workspace:
    """Edit the candidate and leave what a reviewer must; `files`: hooks, operations, METHOD, analysis."""
    for name, old, new in edits:
        path = made.candidate / name
        assert path.read_text().count(old) == 1, f"{old!r} must stand once in {name}"
        path.write_text(path.read_text().replace(old, new))
    for name in ("hooks", "operations"):
        if name in files:
            (made.candidate / f"{name}.py").write_text(files[name])
    (made.candidate / "METHOD.md").write_text(files.get("METHOD", METHOD))
    (made.notes / "analysis.md").write_text(files.get("analysis", ANALYSIS))
    return made


def hooks(observe: str = "return []", *, start: str = "pass") -> str:
    """A hooks.py whose `observe` has this body; `start` is run when an episode begins."""
    body = "".join(f"        {line}\n" for line in observe.split("\n"))
    begin = "".join(f"        {line}\n" for line in start.split("\n"))
    return f"class Hooks:\n    def __init__(self):\n{begin}\n    def observe(self, view):\n{body}"


def search(folder: Path, **changed: Any) -> Search:
    """A search on the vault with the scripted player."""
    settings = {**defaults_of(Input), "world": "vault", "tasks": ["one-door", "three-doors"], "seeds": [1], **changed}
    context = settings.pop("context", Context())
    settings.pop("resume", None)
    return Search(folder=SearchFolder(folder), context=context, digest="", **settings)
