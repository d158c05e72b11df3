"""The example scaffold uses every entry point, each doing its job on what Crafter really says."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from effort import effort

from memory_fs import MemoryFS, Outcome
from scaffolds import SHIPPED, HooksRunner, Repair, Scaffold, Send, Veto, View
from tools import Call, dialect
from worlds import World, make_world

LETTERS = {
    **{"w": "Move West", "n": "Move North", "e": "Move East", "s": "Move South", "d": "Do", "z": "Sleep"},
    **{"t": "Place Table", "o": "Place Stone", "f": "Place Furnace", "l": "Place Plant", "p": "Make Wood Pickaxe"},
    **{"k": "Make Wood Sword", "P": "Make Stone Pickaxe", "K": "Make Stone Sword"},
}
PLAY = (  # seed 0: wood, sapling, both wooden tools, both stone tools, furnace, then thirst and a table out of reach
    "wnwdwddnwnwdddndennwewewdweweweweewenwdlendwswdwwsdwsdtpkedssewswdwdsdwndswwwwwdtPesdtKnesdesessdsesdeesdesdesdes"
    "dodfwsdnwsdwnnnznnnnnnnnnsntnnnnnnsdnnnnnnnpn"
)


@pytest.fixture(scope="module")
def scaffold() -> Scaffold:
    return Scaffold.load("examples/every_entry_point")


@pytest.fixture
def world() -> Iterator[World]:
    world = make_world("crafter")
    yield world
    world.close()


def played(world: World, hooks: HooksRunner, actions: str) -> list[tuple[View, list[str]]]:
    """The views of seed 0 played by letters, with the notices of each; the last is of the world as it then stands."""
    observation, _ = world.reset(seed=0)
    seen, action = [], None
    for step in range(1, len(actions) + 2):
        view = View(step, observation, action, world.actions.names, world.name, world.task)
        seen.append((view, hooks.observe(view)))
        if step <= len(actions):
            action = LETTERS[actions[step - 1]]
            observation, *_ = world.step(action)
    return seen


def test_notices_tell_gains_low_status_threats_and_standstill(scaffold, world):
    notices = {view.step: said for view, said in played(world, scaffold.hooks(), PLAY)}
    assert notices[1] == notices[2] == []
    assert notices[13] == ["inventory since the last step: +1 wood"]
    assert notices[57] == ["inventory since the last step: -1 wood, +1 wood_pickaxe"]
    assert notices[98] == [
        "inventory since the last step: +1 stone",
        "danger: skeleton 4 steps to your west",
        "danger: arrow 1 step to your west",
    ]
    assert notices[120] == ["danger: lava 2 steps to your south"]
    assert notices[139] == ["drink is down to 3", "Move North has changed nothing 3 times in a row: try something else"]


def test_files_kept_by_code_say_how_things_stand(scaffold, world, tmp_path):
    hooks = scaffold.hooks()
    with MemoryFS(tmp_path / "notebook", scaffold.memory_limits()) as notebook:
        notebook.seed(scaffold.memory)
        for view, _ in played(world, hooks, PLAY[:60]):
            notebook.mark(view.step, "HOOKS")
            hooks.maintain(view, notebook)
        texts = notebook.at(notebook.revision)
        assert (
            texts["status.md"] == "step 61: health 9, food 7, drink 7, energy 8, wood 2, wood_pickaxe 1, wood_sword 1"
        )
        assert texts["milestones.md"].splitlines() == [
            "step 13: wood, for the first time",
            "step 40: sapling, for the first time",
            "step 57: wood_pickaxe, for the first time",
            "step 58: wood_sword, for the first time",
        ]
        assert {name for name in texts if texts[name] != scaffold.memory[name]} == {"status.md", "milestones.md"}
        assert texts["recipes.md"].startswith("Place Table: 2 wood")


def test_milestones_survive_hooks_that_begin_anew(scaffold, world, tmp_path):
    with MemoryFS(tmp_path / "notebook") as notebook:
        for view, _ in played(world, scaffold.hooks(), PLAY[:14]):
            scaffold.hooks().maintain(view, notebook)  # each time fresh hooks, as after a crash
        assert notebook.index()["milestones.md"] == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("move left", "Move West"),
        ("MOVE_UP", "Move North"),
        ("go east", "Move East"),
        ("Move Sout", "Move South"),
        ("wait", "Noop"),
        ("collect wood", "Do"),
        ("Interact", "Do"),
        ("[Do]", "Do"),
    ],
)
def test_a_near_miss_is_repaired(scaffold, world, written, meant):
    hooks = scaffold.hooks()
    view, _ = played(world, hooks, "")[-1]
    assert hooks.act(written, view) == Repair(meant, f"{written!r} was read as {meant!r}")


@pytest.mark.parametrize(
    "written", ["", "dance", "<script>", "Move", "Place", "Make Gold Pickaxe and also a long tale " * 50]
)
def test_what_cannot_be_meant_is_left_to_others(scaffold, world, written):
    hooks = scaffold.hooks()
    view, _ = played(world, hooks, "")[-1]
    assert hooks.act(written, view) == Send(written)


@pytest.mark.parametrize(
    ("steps", "action", "why"),
    [
        (0, "Place Table", "it needs 2 wood, you hold 0"),
        (0, "craft wooden pickaxe", "it needs 1 wood, you hold 0"),
        (0, "Place Plant", "it needs 1 sapling, you hold 0"),
        (0, "Sleep", "energy is at its maximum"),
        (54, "Make Iron Sword", "it needs 1 coal, you hold 0"),
        (53, "Make Wood Pickaxe", "it needs a table right beside you"),
        (106, "Place Furnace", "it needs 4 stone, you hold 3"),
    ],
)
def test_an_action_whose_needs_are_not_met_is_vetoed(scaffold, world, steps, action, why):
    hooks = scaffold.hooks()
    view, _ = played(world, hooks, PLAY[:steps])[-1]
    answer = hooks.act(action, view)
    assert isinstance(answer, Veto)
    assert why in answer.why


def test_walking_into_lava_and_digging_bare_handed_are_vetoed(scaffold, world):
    hooks = scaffold.hooks()
    view, _ = played(world, hooks, "")[-1]
    sights = "You see:\n- lava 1 step to your east\n\nYou face stone at your front."
    lava = replace(view, observation={**view.observation, "long": sights})
    assert hooks.act("Move East", lava) == Veto(
        "Move East would do nothing good now: lava lies 1 step to your east, and walking into it kills"
    )
    assert hooks.act("Do", lava) == Veto("Do would do nothing good now: stone needs a wood_pickaxe")
    assert hooks.act("Move West", lava) == Send("Move West")


def test_no_veto_ever_held_back_what_would_have_worked(scaffold):
    """Every vetoed action is sent all the same: the inventory and the achievements must stay as they were."""
    vetoed = 0
    world = make_world("crafter")
    for seed in range(effort(2, 4)):
        hooks, chance = scaffold.hooks(), random.Random(seed)
        letters = PLAY if seed == 0 else "".join(chance.choices([*LETTERS, *"ddddwens"], k=300))
        observation, info = world.reset(seed=seed)
        for step, letter in enumerate(letters, 1):
            view = View(step, observation, None, world.actions.names, world.name, world.task)
            answer = hooks.act(LETTERS[letter], view)
            before = _things(observation["short"]), info["statistics"]["achievements"]
            observation, _, terminated, _, info = world.step(LETTERS[letter])
            if isinstance(answer, Veto):
                vetoed += 1
                assert "lava" in answer.why or before == (
                    _things(observation["short"]),
                    info["statistics"]["achievements"],
                ), (seed, step, answer)
            else:
                assert answer == Send(LETTERS[letter])
            if terminated:
                break
    world.close()
    assert vetoed > 50


def test_the_new_operation_keeps_one_line_per_place(scaffold, world, tmp_path):
    words = scaffold.vocabulary("LOG", world.actions)
    assert (
        "<|UPSERT_MAP|>coordinate|description<|END|>",
        "Set the one line of map.md that describes the place x,y.",
    ) in (dialect("tags").forms(words))
    reply = (
        "<|UPSERT_MAP|>3,-4|lake<|END|>\n<|UPSERT_MAP|>( 3, -4 )|lake, wide<|END|>\n<|UPSERT_MAP|>here|tree<|END|>"
        "\n<|UPSERT_MAP|>0,0|{{ start }} | home<|END|>"
    )
    calls = dialect("tags").read({"role": "assistant", "content": reply}, words).items
    with MemoryFS(tmp_path / "notebook") as notebook:
        notebook.mark(9, "LOG")
        results = [
            call.operation.run(notebook, call.arguments)
            for call in calls
            if isinstance(call, Call) and call.operation.run is not None
        ]
        assert [result.outcome for result in results] == [
            Outcome.WRITTEN,
            Outcome.WRITTEN,
            Outcome.REJECTED,
            Outcome.WRITTEN,
        ]
        assert results[2].text == "'here' is no place: write two whole numbers, such as 4,-7."
        assert notebook.at(notebook.revision) == {"map.md": "3,-4: lake, wide\n0,0: {{ start }} | home\n"}


def test_a_copy_of_it_does_the_same_contained(scaffold, begin, needs_containment, tmp_path):
    shutil.copytree(SHIPPED / "examples/every_entry_point", tmp_path / "mine")
    told: list[list[object]] = []
    for one in (scaffold, Scaffold.load(tmp_path / "mine")):
        world, hooks, said = make_world("crafter"), begin(one), []
        with MemoryFS(tmp_path / f"notebook-{one.contained}") as notebook:
            for view, notices in played(world, hooks, PLAY[:60]):
                notebook.mark(view.step, "HOOKS")
                hooks.maintain(view, notebook)
                said.append((notices, [hooks.act(action, view) for action in ("craft wood pickaxe", "Do", "fly")]))
            upsert = one.vocabulary("LOG", world.actions, hooks=hooks).get("upsert_map")
            said.append(
                [upsert.run(notebook, upsert.arguments(coordinate=c, description="x")) for c in ("(1, 2)", "?")]
            )
            said.append([notebook.at(revision) for revision in range(notebook.revision + 1)])
        world.close()
        told.append(said)
    assert told[0] == told[1]


def _things(short: str) -> str:
    return short.partition("\n\n")[2]
