"""The scripted reviewer's edits: what it knows to change in a scaffold, and which figures call for it.

An edit is a file of edits/*.toml: data, so that a new idea is a new file. It names no game and no file of one: where it
needs the file of places, it takes the one that the scaffold declares with "map" in its name. Edits for one world are in
that world's scaffold folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scaffolds import SHIPPED

FOLDER = Path(__file__).parent / "edits"
_VOCABULARY = re.compile(r"^(log|plan) = \[(.*)\]$", re.MULTILINE)
_SUMMARY = re.compile(r"^summary = .*$", re.MULTILINE)
_WORLD = re.compile(r'^world = "([a-z0-9_]+)"$', re.MULTILINE)
_DECLARED = re.compile(r'^\[files\."([^"]+)"\]$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edit:
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
    """A class in `code` whose method `notices(view)` returns a step's notices, added to those of the present hooks."""
    code: str = ""
    """That class and what it needs; the edit's file may name a file beside it instead."""
    log: tuple[str, ...] = ()
    """Operations that LOG may use then."""
    files: str = ""
    """Tables to add to scaffold.toml."""

    def apply(self, files: Mapping[str, str]) -> dict[str, str]:
        """The files of a scaffold (by name) that this edit changes, with their new text."""
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

        described = _SUMMARY.sub(f'summary = "{self.summary}"', toml, count=1)
        return _VOCABULARY.sub(widened, described) + (f"\n{self.files}" if self.files else "")


def _watched(before: str, watcher: str, code: str) -> str:
    """Hooks whose notices are the present ones and then the watcher's; all else stays as it is.

    The present hooks become a class of another name, which the new class calls; what a change reaches (notices, files,
    actions) can be read from that code.
    """
    kept = "" if not before.strip() else f"Before{watcher}"
    made = {"watcher": f"{watcher}()", **({"before": f"{kept}()"} if kept else {})}
    calls = ["self.watcher.notices(view)", *(["self.before.observe(view)"] if "def observe(" in before else [])][::-1]
    lines = ["class Hooks:", f'    """Adds the notices of {watcher}."""', "", "    def __init__(self):"]
    lines += [f"        self.{name} = {value}" for name, value in made.items()]
    lines += ["", "    def observe(self, view):", f"        return [{', '.join(f'*{one}' for one in calls)}]"]
    for name, arguments in (("maintain", "view, notebook"), ("act", "action, view")):
        if f"def {name}(" in before:
            call = f"self.before.{name}({arguments})"
            lines += ["", f"    def {name}(self, {arguments}):", f"        return {call}"]
    renamed = re.sub(r"^class Hooks\b", f"class {kept}", before, count=1, flags=re.MULTILINE)
    return _joined(_joined(renamed, code), "\n".join(lines))


def _joined(before: str, added: str) -> str:
    return f"{before.rstrip()}\n\n\n{added.strip()}\n" if before.strip() else f"{added.strip()}\n"


def known_edits(toml: str) -> Sequence[Edit]:
    """All edits for a scaffold, given its scaffold.toml, in the order in which they are tried."""
    world = _WORLD.search(toml)
    own = _read(SHIPPED / world[1] / "edits") if world else ()
    return sorted([*_read(FOLDER), *own], key=lambda edit: (edit.order, edit.name))


@cache
def _read(folder: Path) -> Sequence[Edit]:
    found = []
    for path in sorted(folder.glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        values["log"] = tuple(values.get("log", ()))
        if values.get("code", "").endswith(".py"):
            values["code"] = (folder / values["code"]).read_text(encoding="utf-8")
        found.append(Edit(name=path.stem, **values))
    return found
