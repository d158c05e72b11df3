"""A change of hooks.py is told by the entry points it may reach: notices, maintained files, actions."""

from __future__ import annotations

import pytest

from scaffolds import SHIPPED, Area, Scaffold, compare
from scaffolds.hook_changes import changed_entry_points

CODE = '''"""Hooks."""
import re

LOW = 3
NEEDS = {"axe": 1}
_SEEN = []
_COUNT = re.compile("x")


def _read(view):
    return _COUNT.findall(view.observation["long"])


def _needs(action):
    return NEEDS.get(action, 0)


class Scene:
    def __init__(self, view):
        self.things = _read(view)


class Hooks:
    def __init__(self):
        self._last = None
        self._told = 0

    def observe(self, view):
        self._last = Scene(view)
        self._told += 1
        return [f"{self._told}"] if LOW else []

    def maintain(self, view, notebook):
        notebook.write("status.md", self._status(view))

    def _status(self, view):
        return str(view.step)

    def act(self, action, view):
        return Send(action) if _needs(action) < 9 else Veto("no")
'''
ALL = {"observe", "maintain", "act"}


def changed(old: str, new: str, code: str = CODE) -> set[str]:
    """The entry points reached by replacing a piece of the code that stands there once."""
    assert code.count(old) == 1, old
    after = changed_entry_points(code, code.replace(old, new))
    before = changed_entry_points(code.replace(old, new), code)
    assert after == before
    assert set(after.values()) <= {"changed", "worded anew"}
    return {point for point, what in after.items() if what == "changed"}


@pytest.mark.parametrize(
    ("old", "new", "reached"),
    [
        pytest.param('return [f"{self._told}"]', 'return ["x"]', {"observe"}, id="its own body"),
        pytest.param("str(view.step)", "repr(view.step)", {"maintain"}, id="a method it calls"),
        pytest.param("Veto(\"no\")", "Veto(\"never\")", {"act"}, id="act"),
        pytest.param("NEEDS.get(action, 0)", "NEEDS.get(action, 1)", {"act"}, id="a function it calls"),
        pytest.param('{"axe": 1}', '{"axe": 2}', {"act"}, id="a constant behind a function"),
        pytest.param("LOW = 3", "LOW = 4", {"observe"}, id="a constant"),
        pytest.param('compile("x")', 'compile("y")', {"observe"}, id="through a class and a function"),
        pytest.param("self._told = 0", "self._told = 1", {"observe"}, id="what __init__ sets"),
        pytest.param("import re", "import regex as re", {"observe"}, id="an import"),
        pytest.param("_SEEN = []", "_SEEN = [1]", set(), id="what nothing mentions"),
        pytest.param("self._last = None\n", "self._last = None; print(1)\n", ALL, id="__init__ itself"),
        pytest.param("class Hooks:\n", "class Hooks:\n    print(1)\n", ALL, id="the class body"),
    ],
)  # fmt: skip
def test_a_change_reaches_what_may_depend_on_it(old: str, new: str, reached: set[str]) -> None:
    assert changed(old, new) == reached


def test_state_that_one_sets_and_another_reads_links_them() -> None:
    reading = CODE.replace("< 9", "< 9 or self._last is None")
    assert changed("self._last = Scene(view)", "self._last = Scene(view) if LOW else None", reading) == {
        "observe",
        "act",
    }
    # A look alone alters nothing: act only compares it.
    assert changed("< 9 or", "< 8 or", reading) == {"act"}


@pytest.mark.parametrize(
    "keeping",
    [
        *("_SEEN.append(action)", "_SEEN[0] = action", "_SEEN += [action]", "kept = _SEEN; kept.clear()"),
        *("Scene.kept.append(_SEEN)", "Scene.kept = _SEEN"),
        *("_needs(_SEEN)", "self._shared.add(1)", "self._shared = 1", "self._shared.x[1] = 2", "del self._shared"),
    ],
)
def test_what_may_alter_shared_state_is_followed(keeping: str) -> None:
    shared = "_SEEN" if "_SEEN" in keeping else "self._shared"
    code = CODE.replace("if LOW else []", f"if {shared} else []")
    code = code.replace("        return Send(action)", f"        {keeping}\n        return Send(action)")
    assert changed("< 9", "< 8", code) == {"observe", "act"}


@pytest.mark.parametrize(
    "hiding",
    [
        *("getattr(self, 'x')", "setattr(self, 'x', 1)", "globals()['LOW']", "exec('LOW = 9')", "self.__dict__"),
        *("type(self).observe", "import sys", "vars(self)", "eval('1')", "__import__('os')"),
    ],
)
def test_what_no_name_tells_of_counts_everywhere(hiding: str) -> None:
    code = CODE.replace("        return Send(action)", f"        {hiding}\n        return Send(action)")
    assert changed("LOW = 3", "LOW = 4", code) == ALL


@pytest.mark.parametrize(
    ("old", "new"), [("class Hooks:", "class Hooks(Base):"), ("class Hooks:", "@wraps\nclass Hooks:")]
)
def test_hooks_with_bases_or_decorators_count_everywhere(old: str, new: str) -> None:
    assert changed("LOW = 3", "LOW = 4", CODE.replace(old, new)) == ALL


def test_hooks_made_in_another_way_count_everywhere() -> None:
    made = CODE.replace("class Hooks:", "class Real:") + "\n\nHooks = Real\n"
    assert changed("LOW = 3", "LOW = 4", made) == ALL


@pytest.mark.parametrize(
    "smuggled",
    [
        "    act = _play\n",
        "    if True:\n        def act(self, action, view):\n            return Repair('x')\n",
        "    for act in [_play]:\n        pass\n",
        "    _other = (act := _play)\n",
        "    from os.path import join as act\n",
        "    def __init__(self):\n        self.act = _play\n",
        "\n\nif True:\n    class Hooks:\n        def act(self, action, view):\n            return Repair('x')\n",
        "\n\nclass Other:\n    act = _play\n\n\ndef Hooks():\n    return Other()\n",
        "\n\nsetattr(Hooks, 'a' + 'ct', _play)\n",
        "\n\nclass _Sets:\n    def __set_name__(self, owner, name):\n        owner.act = _play\n",
    ],
)
def test_no_way_of_making_an_entry_point_passes_for_a_notice(smuggled: str) -> None:
    observing = "class Hooks:\n    def observe(self, view):\n        return []\n"
    play = "def _play(action, view):\n    return Repair('x')\n\n\n"
    assert set(changed_entry_points(observing, play + observing + smuggled)) >= {"observe", "act"}


def test_an_instance_that_replaces_an_entry_point_counts_as_a_change_of_it() -> None:
    replaced = CODE.replace(
        "        self._told = 0", "        self._told = 0\n        self.act = lambda action, view: Veto('no')"
    )
    assert changed_entry_points(CODE, replaced) == dict.fromkeys(ALL, "changed")


def test_entry_points_come_and_go() -> None:
    without = CODE[: CODE.index("    def act")]
    assert changed_entry_points(without, CODE) == {"act": "added"}
    assert changed_entry_points(CODE, without) == {"act": "removed"}
    assert changed_entry_points("", CODE) == dict.fromkeys(("observe", "maintain", "act"), "added")
    assert changed_entry_points(CODE, "") == dict.fromkeys(("observe", "maintain", "act"), "removed")
    assert changed_entry_points(CODE, CODE) == {}


def test_comments_and_docstrings_are_wording() -> None:
    worded = CODE.replace('"""Hooks."""', '"""More hooks."""').replace("LOW = 3", "LOW = 3  # three")
    assert changed_entry_points(CODE, worded) == dict.fromkeys(("observe", "maintain", "act"), "worded anew")


def test_the_example_tells_its_areas_apart(make_scaffold) -> None:
    base = "examples/every_entry_point"
    example = Scaffold.load(base)
    for old, new, areas in (
        ("LOW = 3", "LOW = 2", {Area.NOTICES}),
        ('"Place Stone": {"stone": 1}', '"Place Stone": {"stone": 2}', {Area.ACTIONS}),
        ('f"step {view.step}: " + ", "', 'f"{view.step}: " + ", "', {Area.MAINTAINED}),
        ("You face", "You see", {Area.NOTICES, Area.MAINTAINED, Area.ACTIONS}),
    ):
        name = f"v-{len(old)}"
        edited = Scaffold.load(make_scaffold({"hooks.py": (old, new)}, base=base, name=name), trust_code=True)
        found = compare(example, edited)
        assert set(found.by_area()) == areas
        assert found.memory_only is (Area.ACTIONS not in areas)
        assert found.structural


def test_shipped_hooks_that_only_observe_are_memory_only() -> None:
    for found in SHIPPED.glob("*/v0/hooks.py"):
        source = found.read_text()
        assert set(changed_entry_points("", source)) == {"observe"}
        assert changed_entry_points(source, source.replace("NEAR = 6", "NEAR = 7")) == {"observe": "changed"}
