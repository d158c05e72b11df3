"""Checks across the parts of a scaffold: names that exist, playable vocabularies."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from memory_fs import Limits, NotebookMisuse
from memory_fs.notebook import starting_changes
from scaffolds.faults import ScaffoldError, nearest
from scaffolds.settings import Settings, line_of
from tools import DIALECT_NAMES, DONE, MEMORY_OPERATIONS, Kind, Operation

_KINDS = {"act": Kind.WORLD, "done": DONE.kind, **{name: op.kind for name, op in MEMORY_OPERATIONS.items()}}


def check_names(settings: Settings, toml: Path) -> None:
    """The world and the dialect exist."""
    from worlds import world_names  # loads Gymnasium: not before a scaffold is really read

    if settings.world not in world_names():
        _fail(toml, ("world",), f"there is no world {settings.world!r}, {nearest(settings.world, world_names())}")
    if settings.dialect not in DIALECT_NAMES:
        _fail(
            toml, ("dialect",), f"there is no dialect {settings.dialect!r}, {nearest(settings.dialect, DIALECT_NAMES)}"
        )


def check_memory(memory: Mapping[str, str], limits: Limits, toml: Path) -> None:
    """A notebook takes the files an episode starts with: their names, their texts, their size."""
    try:
        starting_changes(memory, limits)
    except NotebookMisuse as error:
        named = [name for name in memory if repr(name)[:40] in str(error)]
        _fail(toml, ("files", *named[:1]), f"the notebook does not take these files: {error}")


def check_vocabulary(
    settings: Settings, operations: Sequence[Operation], entry_points: Collection[str], toml: Path
) -> None:
    """Each routine's operations exist and make it playable; files for hooks have hooks that maintain them."""
    kinds = dict(_KINDS)
    for operation in operations:
        kinds[operation.name] = operation.kind
    vocabulary = settings.vocabulary
    _check_routine(toml, "log", vocabulary.log, kinds, need=(Kind.RECALL, Kind.RECORD, Kind.CONTROL), never=Kind.WORLD)
    _check_routine(toml, "plan", vocabulary.plan, kinds, need=(Kind.RECALL, Kind.WORLD), never=Kind.RECORD)
    if "done" in vocabulary.plan:
        _fail(toml, ("vocabulary", "plan", vocabulary.plan.index("done")), "done ends LOG; PLAN ends with act")
    for operation in operations:
        if operation.name not in (*vocabulary.log, *vocabulary.plan):
            _fail(toml, ("vocabulary",), f"operations.py defines {operation.name!r}, but no routine lists it")
    for name, spec in settings.files.items():
        if spec.maintained_by == "hooks" and "maintain" not in entry_points:
            _fail(toml, ("files", name, "maintained_by"), f"{name} is kept by hooks, but no hook `maintain` does it")


def _check_routine(
    toml: Path, routine: str, names: Sequence[str], kinds: dict[str, Kind], *, need: Sequence[Kind], never: Kind
) -> None:
    for index, name in enumerate(names):
        where = ("vocabulary", routine, index)
        if name not in kinds:
            _fail(toml, where, f"there is no operation {name!r}, {nearest(name, kinds)}")
        if name in names[:index]:
            _fail(toml, where, f"{name!r} is listed twice")
        if kinds[name] is never:
            reason = (
                "LOG sends no action" if never is Kind.WORLD else "PLAN records nothing: outcomes are not known yet"
            )
            _fail(toml, where, f"{name!r} may not be in {routine}: {reason}")
    for kind in need:
        if kind not in {kinds[name] for name in names}:
            having = ", ".join(name for name in kinds if kinds[name] is kind)
            _fail(toml, ("vocabulary", routine), f"{routine} needs one of: {having}")


def _fail(toml: Path, location: tuple[str | int, ...], problem: str) -> None:
    line = line_of(toml.read_text(encoding="utf-8"), location) if location else None
    raise ScaffoldError(problem, toml, line)
