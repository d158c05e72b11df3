"""A scaffold: the folder that says how a model plays a world with a notebook, and what the outer loop edits.

scaffold.toml   settings     prompts/*.md    templates     memory/**      the files an episode starts with
hooks.py        optional code that runs at each step             operations.py  optional new operations
METHOD.md       what this version changes and why (and any other *.md a person wants to read)
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from memory_fs import Limits
from scaffolds.checks import check_memory, check_names, check_vocabulary
from scaffolds.containment import Bounds, ContainedHooks, declared
from scaffolds.faults import ScaffoldError
from scaffolds.folder import SHIPPED, read_memory, resolve, scaffold_files, scaffold_name
from scaffolds.hooks import DirectHooks, HooksRunner, check_hooks
from scaffolds.own_operations import read_operations
from scaffolds.prompts import Prompts, TemplateName
from scaffolds.scaffold_code import ScaffoldCode
from scaffolds.settings import Settings, read_settings
from tools import DONE, MEMORY_OPERATIONS, Kind, Operation, Vocabulary, act_operation
from worlds import world_entry, world_names

if TYPE_CHECKING:
    from worlds import Actions

Routine = Literal["LOG", "PLAN"]
NotebookMode = Literal["on", "off", "frozen"]


class Scaffold:
    """A loaded and checked scaffold; unchanging, shared by episodes. Made by `Scaffold.load`.

    `name` is like `WORLD/v0`; `digest` is a SHA-256 of the folder's files, the same wherever they lie; `memory` holds
    every file an episode starts with, declared files without a text being empty; `operations` are its own,
    `entry_points` the hooks it has (`observe`, `maintain`, `act`). If it is `contained`, its code runs in a process of
    its own and its operations once `vocabulary` has bound them to one.
    """

    def __init__(self, path: Path, *, trust_code: bool) -> None:
        self.path = path
        self.name = scaffold_name(path)
        files = scaffold_files(path)
        self.digest = _digest(files)
        toml = path / "scaffold.toml"
        self.settings: Settings = read_settings(toml)
        check_names(self.settings, toml)
        self.prompts = Prompts(path / "prompts")
        self.memory: Mapping[str, str] = MappingProxyType(read_memory(path, files, self.settings))
        check_memory(self.memory, self.memory_limits(), toml)
        self.code: dict[str, ScaffoldCode] = {
            name: ScaffoldCode.read(files[name]) for name in ("hooks.py", "operations.py") if name in files
        }
        self.contained = bool(self.code) and not trust_code and not path.is_relative_to(SHIPPED)
        self.operations: tuple[Operation, ...] = ()
        self.entry_points: frozenset[str] = frozenset()
        self._read_code()
        check_vocabulary(self.settings, self.operations, self.entry_points, toml)

    def _read_code(self) -> None:
        if self.contained:
            self.entry_points, self.operations = declared(self.code, Bounds(), self._modules())
            return
        if "operations.py" in self.code:
            self.operations = read_operations(self.code["operations.py"])
        if "hooks.py" in self.code:
            self.entry_points = check_hooks(self.code["hooks.py"])

    def _modules(self) -> tuple[str, ...]:
        """What the scaffold's world offers to contained code; none for an unknown world."""
        world = self.settings.world
        return world_entry(world).modules if world in world_names() else ()

    @classmethod
    def load(cls, path: Path | str, *, trust_code: bool = False) -> Scaffold:
        """The scaffold in the folder `path` (or of that name among the shipped ones, such as `WORLD/v0`).

        ScaffoldError names file, line and what to do. Code in a scaffold this repository does not ship is contained,
        and refused where that cannot be done, unless `trust_code`: then it runs in this process, with all its rights.
        """
        folder = resolve(path)
        try:
            return cls(folder, trust_code=trust_code)
        except OSError as error:
            raise ScaffoldError(f"this scaffold cannot be read: {error}", folder) from error

    @property
    def has_code(self) -> bool:
        """Whether there is Python in the folder."""
        return bool(self.code)

    def vocabulary(
        self,
        routine: Routine,
        actions: Actions,
        *,
        notebook: NotebookMode = "on",
        hooks: HooksRunner | None = None,
    ) -> Vocabulary:
        """The operations of a routine: with a frozen notebook no records, without a notebook no recalls either.

        `hooks`: the episode's runner, as `hooks()` made it; a contained scaffold's own operations run in its process.
        """
        names = self.settings.vocabulary.log if routine == "LOG" else self.settings.vocabulary.plan
        own = {one.name: hooks.bound(one) if hooks is not None else one for one in self.operations}
        known = {**MEMORY_OPERATIONS, **own, DONE.name: DONE, "act": act_operation(actions)}
        hidden = {"on": (), "frozen": (Kind.RECORD,), "off": (Kind.RECORD, Kind.RECALL)}[notebook]
        allowed = [known[name] for name in names if known[name].kind not in hidden]
        return Vocabulary(routine, allowed, elsewhere=own)

    def render(self, template: TemplateName, /, **variables: object) -> str:
        """A filled-in prompt; the variables of each template are `scaffolds.prompts.VARIABLES`."""
        return self.prompts.render(template, **variables)

    def hooks(self, bounds: Bounds | None = None) -> HooksRunner | None:
        """Hooks for one episode, with state of their own; None if there is nothing to run for an episode.

        Those of a contained scaffold are a process within `bounds`, to be closed; HookFailure where it breaks.
        """
        maintained = [name for name, spec in self.settings.files.items() if spec.maintained_by == "hooks"]
        if self.contained:
            return ContainedHooks(self.code, self.entry_points, maintained, bounds or Bounds(), self._modules())
        return DirectHooks(self.code["hooks.py"], maintained) if "hooks.py" in self.code else None

    def memory_limits(self) -> Limits:
        """The limits of this scaffold's notebooks: the notebook's own, where scaffold.toml sets none."""
        return Limits(**self.settings.limits.model_dump(exclude_none=True))

    def length_notices(self, files: Mapping[str, int]) -> list[str]:
        """One notice for each file with more lines than its `max_lines`. `files`: line counts by name."""
        notices = []
        for name, spec in self.settings.files.items():
            lines = files.get(name, 0)
            if spec.maintained_by == "model" and spec.max_lines is not None and lines > spec.max_lines:
                notices.append(
                    f"{name} has {lines} lines, more than {spec.max_lines}: write it anew, keeping what still matters."
                )
        return notices

    def copy(self, to: Path | str) -> Path:
        """Copy the folder to `to`, which must not exist or be empty (ScaffoldError). The copy has the same digest."""
        target = Path(to).resolve()
        if target.is_relative_to(self.path):
            raise ScaffoldError("a scaffold cannot be copied into itself", target)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ScaffoldError("something is there already; choose a new folder for the copy", target)
        for name, source in scaffold_files(self.path).items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
        return target


def _digest(files: Mapping[str, Path]) -> str:
    total = hashlib.sha256()
    for name in sorted(files):
        content = files[name].read_bytes().replace(b"\r\n", b"\n")  # a checkout may have changed line ends
        total.update(f"{len(name.encode())}:{name}{len(content)}:".encode() + content)
    return total.hexdigest()
