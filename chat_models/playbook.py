"""The scripted reviewer's plays: what it knows to change in a scaffold, and by which figures it knows when.

A play is a file of plays/*.toml: data, so that a new idea is a new file. It names no game and no file of one: where it
needs the file of places, it takes whichever the scaffold declares with "map" in its name. Plays for one world alone lie
among that world's scaffolds.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scaffolds import SHIPPED

FOLDER = Path(__file__).parent / "plays"
_VOCABULARY = re.compile(r"^(log|plan) = \[(.*)\]$", re.MULTILINE)
_SUMMARY = re.compile(r"^summary = .*$", re.MULTILINE)
_WORLD = re.compile(r'^world = "([a-z0-9_]+)"$', re.MULTILINE)
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
    watcher: str = ""
    """A class in `code` whose method `told(view)` gives each step's notices, added to those of the hooks there are."""
    code: str = ""
    """That class and what it needs; the play's file may name a file beside it instead."""
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
        if self.watcher:
            changed["hooks.py"] = _watched(files.get("hooks.py", ""), self.watcher, self.code)
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


def _watched(before: str, watcher: str, code: str) -> str:
    """Hooks that tell what a watcher tells, after what was told before; all else they do they go on doing.

    The hooks there are become a class of another name, asked by the new one: it is plain, so that what a change
    reaches (notices, files, actions) can be read from it.
    """
    kept = "" if not before.strip() else f"Before{watcher}"
    made = {"watcher": f"{watcher}()", **({"before": f"{kept}()"} if kept else {})}
    told = ["self.watcher.told(view)", *(["self.before.observe(view)"] if "def observe(" in before else [])][::-1]
    lines = ["class Hooks:", f'    """Tells what {watcher} tells."""', "", "    def __init__(self):"]
    lines += [f"        self.{name} = {value}" for name, value in made.items()]
    lines += ["", "    def observe(self, view):", f"        return [{', '.join(f'*{one}' for one in told)}]"]
    for name, arguments in (("maintain", "view, notebook"), ("act", "action, view")):
        if f"def {name}(" in before:
            call = f"self.before.{name}({arguments})"
            lines += ["", f"    def {name}(self, {arguments}):", f"        return {call}"]
    renamed = re.sub(r"^class Hooks\b", f"class {kept}", before, count=1, flags=re.MULTILINE)
    return _joined(_joined(renamed, code), "\n".join(lines))


def _joined(before: str, added: str) -> str:
    return f"{before.rstrip()}\n\n\n{added.strip()}\n" if before.strip() else f"{added.strip()}\n"


def plays(toml: str) -> Sequence[Play]:
    """All plays for a scaffold, given its scaffold.toml, in the order in which they are tried."""
    world = _WORLD.search(toml)
    own = _read(SHIPPED / world[1] / "plays") if world else ()
    return sorted([*_read(FOLDER), *own], key=lambda play: (play.order, play.name))


@cache
def _read(folder: Path) -> Sequence[Play]:
    found = []
    for path in sorted(folder.glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        values["log"] = tuple(values.get("log", ()))
        if values.get("code", "").endswith(".py"):
            values["code"] = (folder / values["code"]).read_text(encoding="utf-8")
        found.append(Play(name=path.stem, **values))
    return found
