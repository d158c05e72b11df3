"""What a person is asked about a candidate: what it changes, as areas and as a difference, and what it would cost."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from graphs.asking import approved
from graphs.reviewer.check_node import checks
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.position import position, scaffold_of
from graphs.reviewer.search import Search
from scaffolds.folder import scaffold_files

DIFF_LINES = 200
"""Lines of the difference that are shown; the folders hold the rest."""


def candidate_approved(
    search: Search, name: str, step: str, *, question: str, yes: str, facts: Mapping[str, Any]
) -> tuple[bool, str]:
    """A person's answer and their reason; it holds for the very files it was given for. `step`: "evaluate", "adopt"."""
    folder = search.folder.attempt(name)
    found = checks(folder)[-1]
    no = "The attempt ends as refused; your reason is told to the next reviewer."
    shown = {"name": name, **facts, "changes": found["changes"], "diff": diff(search, folder)}
    return approved(
        folder.answers, step, found["digest"], question, yes, no, {**shown, "folder": str(folder.candidate)}
    )


def diff(search: Search, folder: AttemptFolder) -> str:
    """What the candidate changes, as a unified diff of at most DIFF_LINES lines; what decides stands first."""
    parent = scaffold_files(scaffold_of(search, position(search).incumbent))
    candidate = scaffold_files(folder.candidate)
    lines: list[str] = []
    for name in sorted(parent.keys() | candidate.keys(), key=_weight):
        before, after = (
            files[name].read_text(encoding="utf-8", errors="replace").splitlines() if name in files else []
            for files in (parent, candidate)
        )
        lines += difflib.unified_diff(before, after, f"parent/{name}", f"candidate/{name}", lineterm="")
    rest = len(lines) - DIFF_LINES
    return "\n".join([*lines[:DIFF_LINES], *([f"… {rest} more lines"] if rest > 0 else [])])


def _weight(name: str) -> tuple[bool, bool, str]:
    """Code and settings, then prompts and notebook, then what a reviewer says of them: no long text hides code."""
    return name.endswith(".md"), "/" not in name, name
