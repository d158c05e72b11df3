"""A scaffold the repository does not ship, with hooks and an operation, made anew from the shipped one of the vault."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

from scaffolds import SHIPPED
from scaffolds.containment import Bounds
from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.process import ContainedProcess

HOOKS = """
class Hooks:
    def __init__(self):
        self._seen = 0

    def observe(self, view):
        self._seen += 1
        if view.task == "three-doors" and view.step == 2:
            ATTACK
        return [f"observation {self._seen}"]

    def maintain(self, view, notebook):
        notebook.write("status.md", f"step {view.step}, {notebook.count('notes.md', 'code').total} codes")
"""
OPERATIONS = '''
from memory_fs import MemoryResult
from scaffolds import NotebookView, operation


@operation(kind="recall")
def overview(notebook: NotebookView) -> MemoryResult:
    """Look at the status."""
    return notebook.read("status.md")
'''


def foreign_scaffold(folder: Path, attack: str = "pass") -> Path:
    """Makes it in `folder`. `attack`: a statement that `observe` runs in step 2 of the task three-doors."""
    shutil.copytree(SHIPPED / "vault" / "v0", folder)
    (folder / "hooks.py").write_text(HOOKS.replace("ATTACK", attack))
    (folder / "operations.py").write_text(OPERATIONS)
    toml = (folder / "scaffold.toml").read_text().replace('plan = ["', 'plan = ["overview", "')
    toml += '\n[files."status.md"]\npurpose = "how things stand"\nmaintained_by = "hooks"\n'
    (folder / "scaffold.toml").write_text(toml)
    return folder


@lru_cache(maxsize=1)
def why_not_contained() -> str:
    """Why this machine can contain no code; empty if it can."""
    try:
        ContainedProcess(Bounds()).close()
    except CannotContain as error:
        return str(error)
    return ""
