"""The scripted reviewer's plays: what it knows to change in a scaffold, and by which figures it knows when.

A play is a file of plays/*.toml: data, so that a new idea is a new file. It names no game and no file of one: where it
needs the file of places, it takes whichever the scaffold declares with "map" in its name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "plays"
_VOCABULARY = re.compile(r"^(log|plan) = \[(.*)\]$", re.MULTILINE)
_SUMMARY = re.compile(r"^summary = .*$", re.MULTILINE)
_DECLARED = re.compile(r'^\[files\."([^"]+)"\]$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Play:
    """One idea: when it fits, where its evidence is to be seen, and what it changes."""

    name: str
    order: int
    summary: str
    why: str
    """What the figures say, in one sentence; `{value}` is the figure's value."""
    figure: str
    """Which figure decides (see `scripted_reviewer.Figures`)."""
    above: float
    evidence: Mapping[str, str]
    """Arguments of the search_trace that shows it."""
    operations: str = ""
    """Code to add to operations.py."""
    hooks: str = ""
    """Code to add to hooks.py: a class `Hooks(Before)` whose methods begin with what BEFORE stands for: the same method
    of the hooks that stand there already, or nothing."""
    log: tuple[str, ...] = ()
    """Operations that LOG may use then."""
    files: str = ""
    """Tables to add to scaffold.toml."""

    def edits(self, files: Mapping[str, str]) -> dict[str, str]:
        """The files of a scaffold (by name) that this play changes, as they are to be then."""
        toml = files["scaffold.toml"]
        places = next((name for name in _DECLARED.findall(toml) if "map" in name and "symbol" not in name), "map.md")
        changed = {"scaffold.toml": self._settings(toml)}
        if self.operations:
            changed["operations.py"] = _joined(
                files.get("operations.py", ""), self.operations.replace("PLACES", places)
            )
        if self.hooks:
            changed["hooks.py"] = _extended(files.get("hooks.py", ""), self.hooks.replace("PLACES", places))
        return {name: text for name, text in changed.items() if text != files.get(name)}

    def _settings(self, toml: str) -> str:
        def widened(found: re.Match[str]) -> str:
            if found[1] != "log" or not self.log:
                return found[0]
            names = [name.strip() for name in found[2].split(",")]
            added = [f'"{name}"' for name in self.log if f'"{name}"' not in names]
            return f"log = [{', '.join([*names[:-1], *added, names[-1]])}]"

        told = _SUMMARY.sub(f'summary = "{self.summary}"', toml, count=1)
        return _VOCABULARY.sub(widened, told) + (f"\n{self.files}" if self.files else "")


def _extended(before: str, hooks: str) -> str:
    """Hooks added to those of a scaffold: what was told before is still told."""
    if not before.strip():
        return _joined("", hooks.replace("Hooks(Before)", "Hooks").replace("BEFORE", "[]"))
    told = "list(super().observe(view))" if re.search(r"def observe\(", before) else "[]"
    return _joined(f"{before.rstrip()}\n\n\nBefore = Hooks", hooks.replace("BEFORE", told))


def _joined(before: str, added: str) -> str:
    return f"{before.rstrip()}\n\n\n{added.strip()}\n" if before.strip() else f"{added.strip()}\n"


@cache
def plays() -> Sequence[Play]:
    """All plays, in the order in which they are tried."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        values["log"] = tuple(values.get("log", ()))
        found.append(Play(name=path.stem, **values))
    return sorted(found, key=lambda play: (play.order, play.name))
