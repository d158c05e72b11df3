import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from worlds import (
    BrokenWorld,
    MissingEngine,
    UnknownWorld,
    WorldEntry,
    make_policy,
    make_world,
    registry,
    world_entry,
    world_names,
)

ROOT = Path(__file__).parents[2]

LAMP = """
    from worlds import Actions, Observation, Turn, World, WorldEntry

    class LampWorld(World):
        name, tasks = "lamp", ("dim", "bright")
        actions = Actions({"Press": "press the button"}, default="Press")

        def _reset(self, seed):
            return Turn(Observation(long=f"a {self.task} lamp, {seed}", short=""), 0.0, 0.0, {})

        def _step(self, action):
            return Turn(Observation(long="light", short=""), 1.0, 1.0, {}, "solved")

        def frame(self):
            return "*"

    ENTRY = WorldEntry("lamp", "a lamp", ("dim", "bright"), (1, 2), 7, "their_lamp:LampWorld")
    HUNGRY = WorldEntry("hungry", "no engine", ("a",), (1,), 7, "their_engine_that_is_not_there:World",
                        install="pip install their-engine")
    HOLLOW = WorldEntry("hollow", "no world", ("a",), (1,), 7, "their_lamp:not_a_world")
    LOST = WorldEntry("lost", "no factory", ("a",), (1,), 7, "their_lamp:missing")

    def not_a_world(task, max_steps):
        return "a lamp"
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A distribution as pip leaves it, with the entry points given, and the module their_lamp."""

    def installed(points: str) -> None:
        info = tmp_path / "their_lamp-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-lamp\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[automem.worlds]\n{points}\n")
        (tmp_path / "their_lamp.py").write_text(textwrap.dedent(LAMP))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "their_lamp", raising=False)

    return installed


def test_a_users_own_world_plugs_in_from_outside(install: Install) -> None:
    install("lamp = their_lamp:ENTRY")
    assert world_names() == (*(entry.name for entry in registry.BUILT_IN), "lamp")
    assert world_entry("lamp").seeds == (1, 2)
    world = make_world("lamp", "bright")
    assert world.max_steps == 7
    assert world.reset(seed=3)[0]["long"] == "a bright lamp, 3"
    assert world.step("Press")[4]["end_reason"] == "solved"


def test_the_first_task_is_played_when_none_is_named(install: Install) -> None:
    install("lamp = their_lamp:ENTRY")
    assert make_world("lamp").task == "dim"


def test_listing_names_loads_no_world(install: Install) -> None:
    install("lamp = their_lamp:ENTRY")
    assert "lamp" in world_names()
    assert "their_lamp" not in sys.modules


def test_the_games_engine_is_not_loaded_before_its_world_is_made() -> None:
    asked = "import sys, worlds; worlds.world_names(); worlds.world_entry('crafter'); print('crafter' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "task", "sentence"),
    [
        ("crafted", None, "There is no world 'crafted'; did you mean crafter?"),
        ("zzz", None, "There is no world 'zzz'; there are: crafter, vault, nethack, minihack."),
        ("vault", "one-dor", "There is no task 'one-dor' of world 'vault'; did you mean one-door"),
        ("crafter", "easy", "There is no task 'easy' of world 'crafter'; there are: default."),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, task: str | None, sentence: str) -> None:
    with pytest.raises(UnknownWorld) as raised:
        make_world(name, task)
    assert str(raised.value).startswith(sentence)


def test_a_missing_engine_names_the_command_that_installs_it(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("hungry = their_lamp:HUNGRY")
    with pytest.raises(MissingEngine, match=r"world 'hungry' cannot be imported .*with: pip install their-engine"):
        make_world("hungry")
    monkeypatch.setitem(sys.modules, "crafter", None)  # as where it is not installed
    for module in ("worlds.crafter", "worlds.crafter_engine"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(MissingEngine, match=r"world 'crafter' .*with: pip install crafter==1\.8\.3"):
        make_world("crafter")


@pytest.mark.parametrize(
    ("point", "name", "sentence"),
    [
        ("lamp = their_lamp:NOWHERE", "lamp", "'their_lamp:NOWHERE' cannot be loaded"),
        ("lamp = no_such_module:ENTRY", "lamp", "'no_such_module:ENTRY' cannot be loaded"),
        ("lamp = their_lamp:LampWorld", "lamp", "must be a WorldEntry of that name"),
        ("torch = their_lamp:ENTRY", "torch", "must be a WorldEntry of that name"),
        ("hollow = their_lamp:HOLLOW", "hollow", "gave a str, not a World"),
        ("lost = their_lamp:LOST", "lost", "'their_lamp:missing' does not exist"),
        ("crafter = their_lamp:ENTRY", "lamp", "Two worlds are called 'crafter'"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_refused_by_name(
    install: Install, point: str, name: str, sentence: str
) -> None:
    install(point)
    with pytest.raises(BrokenWorld, match=sentence):
        make_world(name)


def test_a_world_without_a_rule_based_player_says_who_has_one(install: Install) -> None:
    install("lamp = their_lamp:ENTRY")
    with pytest.raises(UnknownWorld, match=r"'lamp' has no rule-based player.*these have: crafter, vault"):
        make_policy("lamp")


OPTIONS = """
    from worlds import Actions, Observation, Turn, World, WorldEntry

    class LampWorld(World):
        name, tasks = "lamp", ("dim",)
        actions = Actions({"Press": ""}, default="Press")

        def __init__(self, task, max_steps, colour="red"):
            super().__init__(task, max_steps)
            self.colour = colour

        def _reset(self, seed):
            return Turn(Observation(long=self.colour, short=""), 0.0, 0.0, {})

        _step = frame = _reset

    ENTRY = WorldEntry("lamp", "a lamp", ("dim",), (1,), 7, "their_lamp:LampWorld",
                       options={"colour": ("red", "green")}, protocol={"colour": "green"})
"""


def test_options_reach_the_world_and_are_checked_before(install: Install, tmp_path: Path) -> None:
    install("lamp = their_lamp:ENTRY")
    (tmp_path / "their_lamp.py").write_text(textwrap.dedent(OPTIONS))
    assert make_world("lamp").reset(seed=1)[0]["long"] == "red"
    assert make_world("lamp", **world_entry("lamp").protocol).reset(seed=1)[0]["long"] == "green"
    with pytest.raises(UnknownWorld, match="no colour 'gren' of world 'lamp'; did you mean green"):
        make_world("lamp", colour="gren")
    with pytest.raises(UnknownWorld, match="no option 'color' of world 'lamp'; did you mean colour"):
        make_world("lamp", color="red")


def test_an_entrys_protocol_must_be_among_its_options() -> None:
    with pytest.raises(UnknownWorld, match="no size 'huge' of world 'odd'"):
        WorldEntry("odd", "", ("a",), (1,), 5, "a:b", options={"size": ("small",)}, protocol={"size": "huge"})


def test_an_entry_without_tasks_or_steps_is_refused() -> None:
    for tasks, max_steps in (((), 5), (("a",), 0)):
        with pytest.raises(ValueError, match="at least one task"):
            WorldEntry("odd", "", tasks, (1,), max_steps, "a:b")


def test_the_task_played_by_default_is_one_of_the_worlds_and_leaves_the_protocols_order() -> None:
    assert world_entry("minihack").tasks[0] == "MiniHack-Boxoban-Hard-v0"
    assert world_entry("minihack").default_task == "MiniHack-MazeWalk-9x9-v0"
    assert make_world("vault").task == world_entry("vault").tasks[0]
    with pytest.raises(ValueError, match="none of its tasks"):
        WorldEntry("lamp", "a lamp", ("dim",), (1,), 7, "m:W", default="bright")
