"""Which worlds there are: the built-in ones, and those other distributions register under `automem.worlds`.

A user's own world is a WorldEntry, named by an entry point of their distribution:

    [project.entry-points."automem.worlds"]
    maze = "my_package.maze:ENTRY"
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from worlds.players import Policy
from worlds.world import World

GROUP = "automem.worlds"


class UnknownWorld(ValueError):
    """There is no world, or of a world no task, option or player by that name; the message suggests near ones."""


class MissingEngine(ValueError):
    """The engine of a world is not installed; the message names the command that installs it."""


class BadData(ValueError):
    """Extra data of a world is missing or broken; the message says what is wrong."""


class BrokenWorld(ValueError):
    """An entry point does not give a usable world."""


@dataclass(frozen=True)
class ExtraData:
    """Data that a world needs and no package brings; `automem worlds NAME --from SOURCE` installs it."""

    summary: str
    """One line of help."""
    installer: str
    """`module:attribute` of a callable (source: folder, archive or URL) -> lines to report. BadData, OSError."""


@dataclass(frozen=True)
class WorldEntry:
    """A world's description, available before its engine is loaded."""

    name: str
    summary: str
    """One line for people."""
    tasks: tuple[str, ...]
    """In the order of the evaluation protocol's tables."""
    seeds: tuple[int, ...]
    """Seeds of the evaluation protocol."""
    max_steps: int
    """Steps of an episode under the evaluation protocol."""
    factory: str
    """`module:attribute` of a callable (task, max_steps, and every option that is set, by name) -> World."""
    player: str | None = None
    """`module:attribute` of a `worlds.players.Policy` without arguments: the rule-based stand-in."""
    install: str = ""
    """The command that installs the engine."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What can be set of the world: the values of each option, the first of them its default."""
    protocol: Mapping[str, str] = field(default_factory=dict)
    """The options under the evaluation protocol, where they are not the defaults."""
    data: Mapping[str, ExtraData] = field(default_factory=dict)
    """Extra data by name, installed on demand."""
    modules: tuple[str, ...] = ()
    """Modules that contained code of this world's scaffolds may import: pure Python, the standard library alone."""
    own_process: bool = False
    """Whether episodes are played in a process of their own, which keeps an engine's crash to one episode and can be
    branched by fork. Its engine has no threads, and `World._branched` copies what it holds besides memory."""
    default: str = ""
    """The task played where none is named: one that needs the engine only. Empty: the first."""
    scaffold: str = ""
    """`package:folder` of its first scaffold, played where none is named. Empty: scaffolds/NAME/v0."""

    @property
    def default_task(self) -> str:
        """The task played where none is named."""
        return self.default or self.tasks[0]

    def __post_init__(self) -> None:
        if not self.tasks or self.max_steps < 1:
            raise ValueError(f"World {self.name!r}: an entry needs at least one task and a max_steps of at least 1.")
        if self.default_task not in self.tasks:
            raise ValueError(f"World {self.name!r}: its default task {self.default!r} is none of its tasks.")
        for option, value in self.protocol.items():
            self.check_option(option, value)

    def check_task(self, task: object) -> None:
        """UnknownWorld unless the world has the task."""
        if task not in self.tasks:
            raise UnknownWorld(_unknown("task", str(task)[:100], self.tasks, self.name))

    def check_option(self, option: str, value: str) -> None:
        """UnknownWorld unless the world has the option and the option that value."""
        if option not in self.options:
            raise UnknownWorld(_unknown("option", option, tuple(self.options), self.name))
        if value not in self.options[option]:
            raise UnknownWorld(_unknown(option, value, self.options[option], self.name))


_WORDING = ("numeric", "balrog", "paper")
"""Wordings of distances in the worlds on NetHack: worlds.nethack_text.Wording."""

BUILT_IN = (
    WorldEntry(
        name="crafter",
        summary="Crafter: survive and unlock 22 achievements in an open world (BALROG's text)",
        tasks=("default",),
        seeds=tuple(range(42, 52)),
        max_steps=2_000,
        factory="worlds.crafter:CrafterWorld",
        player="worlds.players.crafter_player:CrafterPolicy",
        install="pip install crafter==1.8.3",
    ),
    WorldEntry(
        name="vault",
        summary="a corridor of locked doors: codes read early are needed late (our own, without an engine)",
        tasks=("one-door", "three-doors", "six-doors"),
        seeds=tuple(range(42, 47)),
        max_steps=100,
        factory="worlds.scripted_world:VaultWorld",
        player="worlds.players.vault:VaultPolicy",
    ),
    WorldEntry(
        name="nethack",
        summary="NetHack: go as deep into the dungeon as you can, a random character (BALROG's text)",
        tasks=("NetHackChallenge-v0",),
        seeds=tuple(range(42, 47)),
        max_steps=100_000,
        factory="worlds.nethack:NetHackWorld",
        player="worlds.players.dungeon_player:DungeonPolicy",
        install="pip install -e '.[nethack]'",
        options={"wording": _WORDING},
        protocol={"wording": "paper"},
        modules=("worlds.map_reading",),
        own_process=True,
    ),
    WorldEntry(
        name="minihack",
        summary="MiniHack: eight puzzles, mazes, fights and quests on NetHack's engine (BALROG's text)",
        tasks=(
            *("MiniHack-Boxoban-Hard-v0", "MiniHack-Boxoban-Medium-v0"),
            *("MiniHack-MazeWalk-9x9-v0", "MiniHack-MazeWalk-15x15-v0"),
            *("MiniHack-Corridor-R3-v0", "MiniHack-CorridorBattle-Dark-v0"),
            *("MiniHack-Quest-Easy-v0", "MiniHack-Quest-Medium-v0"),
        ),
        seeds=tuple(range(42, 47)),
        max_steps=100,
        factory="worlds.minihack:MiniHackWorld",
        player="worlds.players.dungeon_player:DungeonPolicy",
        install="pip install -e '.[nethack]'",
        options={"wording": _WORDING},
        protocol={"wording": "paper"},
        data={
            "boxoban": ExtraData(
                "Install Boxoban's levels, which two tasks need, "
                "from a copy of github.com/google-deepmind/boxoban-levels.",
                "worlds.boxoban:install",
            )
        },
        modules=("worlds.map_reading",),
        own_process=True,
        default="MiniHack-MazeWalk-9x9-v0",  # the levels of Boxoban are installed apart
    ),
)


def extra_data() -> dict[str, ExtraData]:
    """What can be installed for the built-in worlds, by name."""
    return {name: data for entry in BUILT_IN for name, data in entry.data.items()}


def install_data(name: str, source: str) -> list[str]:
    """Install extra data from a folder, an archive or a URL; lines to report.

    UnknownWorld for an unknown name. BadData or OSError where that fails; then nothing has changed.
    """
    known = extra_data()
    if name not in known:
        raise UnknownWorld(_unknown("extra data", name, tuple(known)))
    lines: list[str] = _attribute(known[name].installer, name)(source)
    return lines


def world_names() -> tuple[str, ...]:
    """Names of every world, built-in first. Loads none of them."""
    return (*(entry.name for entry in BUILT_IN), *sorted(_registered()))


def world_entry(name: str) -> WorldEntry:
    """The entry of a world. UnknownWorld if there is none, BrokenWorld if its entry point is unusable."""
    for entry in BUILT_IN:
        if entry.name == name:
            return entry
    point = _registered().get(name)
    if point is None:
        raise UnknownWorld(_unknown("world", name, world_names()))
    return _load_entry(point)


def make_world(name: str, task: str | None = None, *, max_steps: int | None = None, **options: str) -> World:
    """A world ready for `reset`, with its entry's default task, step limit and options unless others are given.

    UnknownWorld for an unknown name, task, option or value of one, MissingEngine if the engine is not installed,
    BrokenWorld if the entry gives no world, ValueError if `max_steps` is below 1.
    """
    entry = world_entry(name)
    task = entry.default_task if task is None else task
    entry.check_task(task)
    for option, value in options.items():
        entry.check_option(option, value)
    try:
        world = _attribute(entry.factory, name)(
            task=task, max_steps=entry.max_steps if max_steps is None else max_steps, **options
        )
    except ImportError as error:
        raise MissingEngine(_missing(entry, error)) from error
    if not isinstance(world, World):
        raise BrokenWorld(f"World {name!r}: its factory {entry.factory!r} gave a {type(world).__name__}, not a World.")
    return world


def make_policy(name: str) -> Policy:
    """The rule-based stand-in that plays a world. UnknownWorld if there is no such world or it has none."""
    entry = world_entry(name)
    if entry.player is None:
        able = ", ".join(known.name for known in BUILT_IN if known.player)
        raise UnknownWorld(
            f"World {name!r} has no rule-based player, so it needs a language model; these have: {able}."
        )
    try:
        policy: Policy = _attribute(entry.player, name)()
    except ImportError as error:
        raise BrokenWorld(f"World {name!r}: its player {entry.player!r} cannot be imported: {error}") from error
    return policy


def _registered() -> dict[str, EntryPoint]:
    points: dict[str, EntryPoint] = {}
    taken = {entry.name: entry.factory for entry in BUILT_IN}
    for point in entry_points(group=GROUP):
        if taken.setdefault(point.name, point.value) != point.value:
            raise BrokenWorld(
                f"Two worlds are called {point.name!r}: {taken[point.name]} and {point.value}; "
                f"rename or uninstall one (entry-point group {GROUP})."
            )
        points[point.name] = point
    return points


def _load_entry(point: EntryPoint) -> WorldEntry:
    try:
        entry = point.load()
    except (ImportError, AttributeError) as error:
        raise BrokenWorld(f"World {point.name!r}: its entry point {point.value!r} cannot be loaded: {error}") from error
    if not isinstance(entry, WorldEntry) or entry.name != point.name:
        raise BrokenWorld(f"World {point.name!r}: its entry point {point.value!r} must be a WorldEntry of that name.")
    return entry


def _attribute(reference: str, name: str) -> Any:
    module, _, attribute = reference.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except AttributeError as error:
        raise BrokenWorld(f"World {name!r}: {reference!r} does not exist ({error}).") from error


def _missing(entry: WorldEntry, error: ImportError) -> str:
    remedy = f"install it with: {entry.install}" if entry.install else f"its factory is {entry.factory}"
    return f"The engine of world {entry.name!r} cannot be imported ({error}); {remedy}"


def _unknown(what: str, name: str, known: tuple[str, ...], world: str = "") -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}."
    return f"There is no {what} {name!r}{f' of world {world!r}' if world else ''}; {hint}"
