"""Loading, trusting, copying and comparing scaffolds."""

import os
import shutil
from pathlib import Path

import pytest

from scaffolds import SHIPPED, Area, Scaffold, ScaffoldError, compare, shipped_scaffolds
from tools import dialect
from worlds import make_world, world_entry, world_names

HOOKS = "class Hooks:\n    def observe(self, view):\n        return []\n"


@pytest.mark.parametrize("path", shipped_scaffolds(), ids=lambda path: "/".join(path.parts[-2:]))
def test_every_shipped_scaffold_loads_and_can_be_spoken(path):
    scaffold = Scaffold.load(path)
    assert scaffold.name == "/".join(path.parts[-2:])
    assert (path / "METHOD.md").is_file()
    world = scaffold.settings.world
    actions = make_world(world, world_entry(world).tasks[-1]).actions  # the first of some needs levels of its own
    for notebook in ("on", "off", "frozen"):
        for name in ("tags", "functions"):
            speech = dialect(name)
            forms = {
                routine: speech.forms(scaffold.vocabulary(routine, actions, notebook=notebook))
                for routine in ("LOG", "PLAN")
            }
            text = scaffold.render(
                "system", world="w", task="t", actions=[], log_forms=forms["LOG"], plan_forms=forms["PLAN"], files=[],
                turns={"log": 1, "plan": 2}, notebook=notebook, dialect=name,
            )  # fmt: skip
            for form, _ in (*forms["LOG"], *forms["PLAN"]):  # or an example of it: small models copy the form itself
                assert form in text or f"{form.partition('|>')[0]}|>" in text


def test_each_world_that_can_be_played_offline_has_a_first_scaffold_and_no_folder_is_missed():
    names = [Scaffold.load(path).name for path in shipped_scaffolds()]
    assert {f"{world}/v0" for world in world_names() if world_entry(world).player} <= set(names)
    assert len(names) == len(list(SHIPPED.rglob("scaffold.toml")))


def test_a_scaffold_is_found_by_path_and_by_name(monkeypatch, tmp_path):
    v0 = Scaffold.load(SHIPPED / "crafter/v0")
    monkeypatch.chdir(tmp_path)
    assert Scaffold.load("crafter/v0").path == Scaffold.load("scaffolds/crafter/v0").path == v0.path
    with pytest.raises(
        ScaffoldError, match=r"no such scaffold folder; of the shipped ones: did you mean 'crafter/v0'\?"
    ):
        Scaffold.load("crafter/v9")
    with pytest.raises(ScaffoldError, match="no such scaffold folder"):
        Scaffold.load("/no/where/at/all")
    with pytest.raises(ScaffoldError, match="cannot be read: File name too long"):
        Scaffold.load("x" * 5_000)
    with pytest.raises(ScaffoldError, match="no such scaffold folder"):
        Scaffold.load("a\0b")
    with pytest.raises(ScaffoldError, match=r"this folder has no scaffold\.toml"):
        Scaffold.load(tmp_path)


def test_v0_starts_with_five_empty_files_and_the_papers_operations():
    v0 = Scaffold.load("crafter/v0")
    assert v0.memory == dict.fromkeys(
        ("map_notes.md", "crafting_progress.md", "survival_log.md", "actions_log.md", "strategy.md"), ""
    )
    assert (v0.settings.turns.log, v0.settings.turns.plan, v0.memory_limits().search_lines) == (10, 10, 100)
    assert not v0.has_code


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("nethack/v0", "dungeon_map.md monster_encounters.md inventory.md actions_log.md strategy.md"),
        ("minihack/v0", "dungeon_map.md actions_log.md inventory.md strategy.md"),
    ],
)
def test_v0_of_the_dungeons_starts_with_rules_and_symbols_filled_in(name, empty):
    v0 = Scaffold.load(name)
    assert [file for file, text in v0.memory.items() if not text] == empty.split()
    assert [file for file, text in v0.memory.items() if text] == ["game_rules.md", "map_symbols.md"]
    assert (v0.settings.turns.log, v0.settings.turns.plan, v0.memory_limits().search_lines) == (10, 10, 100)


@pytest.mark.parametrize(
    ("notebook", "log", "plan"),
    [
        ("on", "search read tail count append write create done", "search read tail count act"),
        ("frozen", "search read tail count done", "search read tail count act"),
        ("off", "done", "act"),
    ],
)
def test_the_notebook_setting_takes_operations_away(notebook, log, plan):
    v0, actions = Scaffold.load("crafter/v0"), make_world("crafter").actions
    assert v0.vocabulary("LOG", actions, notebook=notebook).names == tuple(log.split())
    assert v0.vocabulary("PLAN", actions, notebook=notebook).names == tuple(plan.split())


def test_code_that_is_not_shipped_runs_nowhere_if_it_cannot_be_contained(make_scaffold, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap there
    touched = tmp_path / "touched"
    code = f"open({str(touched)!r}, 'w')\n"
    for file in ("hooks.py", "operations.py"):
        folder = make_scaffold({file: code}, name=file)
        with pytest.raises(ScaffoldError, match=rf"\({file}\).*bubblewrap.*trust_scaffold_code"):
            Scaffold.load(folder)
    assert not touched.exists()


def test_code_is_trusted_by_its_real_place(make_scaffold, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(SHIPPED / "examples/every_entry_point")
    assert Scaffold.load(link).has_code
    folder = make_scaffold({"hooks.py": HOOKS})
    assert Scaffold.load(folder, trust_code=True).has_code


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda folder: (folder / "hook.py").write_text(""),
            r"hook\.py: a scaffold has no 'hook\.py', did you mean 'hooks",
        ),
        (lambda folder: (folder / "prompt").mkdir(), "a scaffold has no 'prompt', did you mean 'prompts'"),
        (lambda folder: (folder / "memory").symlink_to("/etc"), "may not hold links"),
        (lambda folder: (folder / "prompts/x.md").symlink_to("/etc/passwd"), "may not hold links"),
        (lambda folder: os.mkfifo(folder / "memory"), "plain files only"),
        (lambda folder: _write(folder / "memory/strategy.md", b"\xff"), r"strategy\.md: .*UTF-8"),
        (lambda folder: _write(folder / "memory/extra.md", b"x"), r'extra\.md: .*\[files\."extra\.md"\]'),
        (lambda folder: _write(folder / "memory/strategy.md", b"a\x00b"), "the notebook does not take these files"),
    ],
)
def test_what_does_not_belong_in_the_folder_is_named(make_scaffold, make, says):
    folder = make_scaffold()
    make(folder)
    with pytest.raises(ScaffoldError, match=says):
        Scaffold.load(folder)


def test_notes_for_people_and_hidden_files_are_no_fault(make_scaffold):
    folder = make_scaffold()
    digest = Scaffold.load(folder).digest
    _write(folder / ".DS_Store", b"\x00")
    _write(folder / "__pycache__/hooks.pyc", b"\x00")
    assert Scaffold.load(folder).digest == digest
    _write(folder / "ANALYSIS.md", b"why")
    assert Scaffold.load(folder).digest != digest


def test_the_digest_is_of_names_and_texts_alone(make_scaffold, tmp_path):
    folder = make_scaffold()
    v0 = Scaffold.load("crafter/v0")
    assert Scaffold.load(folder).digest == v0.digest
    for path in sorted(folder.rglob("*.md"), reverse=True):  # written in another order, with another system's line ends
        text = path.read_bytes()
        path.unlink()
        path.write_bytes(text.replace(b"\n", b"\r\n"))
    windows = Scaffold.load(folder)
    assert windows.digest == v0.digest
    assert windows.prompts.sources == v0.prompts.sources
    (folder / "prompts/log.md").write_text("x")
    assert Scaffold.load(folder).digest != v0.digest


def test_a_copy_is_the_same_scaffold(tmp_path, make_scaffold):
    original = Scaffold.load(make_scaffold({"hooks.py": HOOKS}), trust_code=True)
    copy = Scaffold.load(original.copy(tmp_path / "new" / "v1"), trust_code=True)
    assert (copy.name, copy.digest) == ("new/v1", original.digest)
    assert compare(original, copy).changes == ()


def test_a_copy_overwrites_nothing(tmp_path):
    v0 = Scaffold.load("crafter/v0")
    _write(tmp_path / "v1/mine.txt", b"x")
    with pytest.raises(ScaffoldError, match="something is there already"):
        v0.copy(tmp_path / "v1")
    with pytest.raises(ScaffoldError, match="something is there already"):
        v0.copy(tmp_path / "v1/mine.txt")
    with pytest.raises(ScaffoldError, match="into itself"):
        v0.copy(v0.path / "v1")
    assert not (v0.path / "v1").exists()


@pytest.mark.parametrize(
    ("edits", "area", "what", "structural"),
    [
        ({"prompts/log.md": ("## Before", "## Earlier")}, Area.PROMPTS, "log.md is reworded", False),
        ({"scaffold.toml": ("search_lines = 100", "search_lines = 99")}, Area.SETTINGS, "search_lines=99", False),
        ({"scaffold.toml": ("log = 10", "log = 9")}, Area.SETTINGS, "log=9", False),
        ({"scaffold.toml": ('dialect = "tags"', 'dialect = "functions"')}, Area.SETTINGS, "dialect", True),
        ({"scaffold.toml": ('act = "gameplay"', 'act = "memory"')}, Area.SETTINGS, "roles", True),
        ({"scaffold.toml": (', "create",', ', "upsert",')}, Area.VOCABULARY, "log: +upsert -create", True),
        ({"scaffold.toml": ('"create", "done"', '"done", "create"')}, Area.VOCABULARY, "another order", False),
        ({"scaffold.toml": ('[files."strategy.md"]', '[files."plan.md"]')}, Area.FILE_SCHEMA, "+plan.md -str", True),
        ({"scaffold.toml": ('purpose = "the present', 'purpose = "your')}, Area.FILE_SCHEMA, "purpose", False),
        ({"scaffold.toml": ("md\"]\npurpose = \"the present", "md\"]\nmax_lines = 9\npurpose = \"the present")},
         Area.FILE_SCHEMA, "max_lines None → 9", False),
        ({"memory/strategy.md": "Drink early."}, Area.MEMORY, "strategy.md: filled", True),
        ({"hooks.py": HOOKS}, Area.HOOKS, "hooks.py added (has observe; +observe)", True),
    ],
)  # fmt: skip
def test_a_change_is_put_in_its_area(make_scaffold, edits, area, what, structural):
    changed = compare(Scaffold.load("crafter/v0"), Scaffold.load(make_scaffold(edits), trust_code=True))
    (change,) = changed.by_area()[area]
    assert what in change.what
    assert change.structural is changed.structural is structural
    back = compare(Scaffold.load(make_scaffold(edits, name="again"), trust_code=True), Scaffold.load("crafter/v0"))
    assert back.structural is structural


def test_reworded_code_is_no_structural_change(make_scaffold):
    documented = HOOKS.replace("        return", '        """Nothing yet."""  # later\n        return')
    other = HOOKS.replace("[]", "['x']")
    old, same, new = (
        Scaffold.load(make_scaffold({"hooks.py": code}, name=f"v{number}"), trust_code=True)
        for number, code in enumerate((HOOKS, documented, other))
    )
    assert [change.structural for change in compare(old, same).changes] == [False]
    assert [change.structural for change in compare(old, new).changes] == [True]


def test_a_person_sees_which_hooks_a_changed_file_has(make_scaffold):
    acting = HOOKS.replace("def observe(self, view):", "def act(self, action, view):")
    old, new = (
        Scaffold.load(make_scaffold({"hooks.py": code}, name=f"v{number}"), trust_code=True)
        for number, code in enumerate((HOOKS, acting))
    )
    (change,) = compare(old, new).by_area()[Area.HOOKS]
    assert change.what == "hooks.py changed (has act; +act -observe)"


def test_overlong_files_are_noticed(make_scaffold):
    folder = make_scaffold({"scaffold.toml": ('[files."strategy.md"]\n', '[files."strategy.md"]\nmax_lines = 25\n')})
    scaffold = Scaffold.load(folder)
    assert scaffold.length_notices({"strategy.md": 25, "map_notes.md": 999}) == []
    (notice,) = scaffold.length_notices({"strategy.md": 26})
    assert notice == "strategy.md has 26 lines, more than 25: write it anew, keeping what still matters."


def test_the_shipped_scaffolds_know_no_place_outside(tmp_path):
    shutil.copytree(SHIPPED / "vault/v0", tmp_path / "v0")
    assert Scaffold.load(tmp_path / "v0").digest == Scaffold.load("vault/v0").digest


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
