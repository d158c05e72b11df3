"""A scaffold's own operations: typed functions become part of the schema, in every dialect; faults are named."""

import pytest

from memory_fs import MemoryFS, Outcome
from scaffolds import HookFailure, Scaffold, ScaffoldError
from tools import Call, Kind, Mistake, dialect
from worlds import make_world

HEAD = (
    "from typing import Annotated, Literal\nfrom memory_fs import MemoryResult\nfrom pydantic import Field\n"
    "from scaffolds import NotebookView, operation, refused\n\n\n"
)
TOML = ('"create", "done"]', '"create", "mark", "done"]')
GOOD = '''@operation(kind="record")
def mark(notebook: NotebookView, place: str, times: int, how: Literal["big", "small"]) -> MemoryResult:
    """Mark a place."""
    return notebook.upsert("map_notes.md", place, f"{how} x{times}")
'''


@pytest.fixture
def load(make_scaffold):
    def load_with(code: str, toml=TOML) -> Scaffold:
        return Scaffold.load(make_scaffold({"operations.py": HEAD + code, "scaffold.toml": toml}), trust_code=True)

    return load_with


@pytest.fixture(scope="module")
def actions():
    return make_world("crafter").actions


def test_an_operation_is_spoken_in_both_dialects(load, actions, tmp_path):
    words = load(GOOD).vocabulary("LOG", actions)
    mark = words.get("mark")
    assert (mark.kind, mark.help, mark.fields) == (Kind.RECORD, "Mark a place.", ("place", "times", "how"))
    for name in ("tags", "functions"):
        speech = dialect(name)
        message = speech.write([("mark", {"place": "1,2", "times": 3, "how": "big"})])
        (call,) = speech.read(message, words).items
        assert isinstance(call, Call)
        with MemoryFS(tmp_path / name) as notebook:
            notebook.mark(5, "LOG")
            result = mark.run(notebook, call.arguments)
            assert (result.operation, result.outcome, result.revision) == ("mark", Outcome.WRITTEN, 1)
            assert notebook.at(1) == {"map_notes.md": "1,2: big x3\n"}


def test_wrong_arguments_are_the_models_mistake(load, actions):
    words = load(GOOD).vocabulary("LOG", actions)
    for arguments in ({"place": "a", "times": "many", "how": "big"}, {"place": "a", "times": 1, "how": "huge"}):
        assert isinstance(words.validate("mark", arguments), Mistake)
    assert isinstance(words.validate("mark", {"place": "a", "times": 1, "how": "big", "why": "?"}), Mistake)


def test_an_operation_of_log_is_not_allowed_in_plan_rather_than_unknown(load, actions):
    words = load(GOOD).vocabulary("PLAN", actions)
    (mistake,) = dialect("tags").read({"role": "assistant", "content": "<|MARK|>a|1|big<|END|>"}, words).items
    assert mistake.code == "not_allowed"


def test_a_refusal_is_an_answer_to_the_model(load, actions, tmp_path):
    code = GOOD.replace(
        "return notebook", 'if times < 1:\n        return refused("At least once.")\n    return notebook'
    )
    mark = load(code).vocabulary("LOG", actions).get("mark")
    with MemoryFS(tmp_path / "notebook") as notebook:
        result = mark.run(notebook, mark.arguments(place="a", times=0, how="big"))
        assert (result.outcome, result.text, result.revision) == (Outcome.REJECTED, "At least once.", 0)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 0 / 0", r"operations\.py:10: operation mark: ZeroDivisionError"),
        ("return 'done'", r"operations\.py: operation mark: it must return a MemoryResult, not 'done'"),
    ],
)
def test_what_breaks_in_an_operation_is_the_machines_failure(load, actions, tmp_path, body, says):
    code = GOOD.replace('return notebook.upsert("map_notes.md", place, f"{how} x{times}")', body)
    mark = load(code).vocabulary("LOG", actions).get("mark")
    with MemoryFS(tmp_path / "notebook") as notebook, pytest.raises(HookFailure, match=says):
        mark.run(notebook, mark.arguments(place="a", times=1, how="big"))


def test_a_recall_cannot_write(load, actions, tmp_path):
    toml = ('"count", "act"]', '"count", "mark", "act"]')
    mark = load(GOOD.replace('"record"', '"recall"'), toml).vocabulary("PLAN", actions).get("mark")
    with MemoryFS(tmp_path / "notebook") as notebook:
        with pytest.raises(HookFailure, match=r"'map_notes\.md' may not be written here: mark is of kind \"recall\""):
            mark.run(notebook, mark.arguments(place="a", times=1, how="big"))
        assert notebook.revision == 0


@pytest.mark.parametrize(
    ("edit", "line", "says"),
    [
        (('"""Mark a place."""', "pass"), 7, "needs a docstring of one line"),
        (('"""Mark a place."""', '"""Mark\n    a place."""'), 7, "needs a docstring of one line"),
        (("place: str", "place"), 7, "argument 'place' of operation mark needs a type"),
        (("place: str", "place: list[str]"), 7, "argument 'place' of operation mark needs a type"),
        (("place: str", "place: Nothing"), 8, "name 'Nothing' is not defined"),
        (("place: str, times: int", "place: str, *times: int"), 7, "must be plain"),
        (('how: Literal["big", "small"]', 'how: str = ""'), 7, "must be plain"),
        (("notebook: NotebookView", "notebook"), 7, "written def mark(notebook: NotebookView"),
        ((" -> MemoryResult", ""), 7, "written def mark(notebook: NotebookView"),
        (('@operation(kind="record")\n', ""), 7, 'mark is not marked @operation(kind="…")'),
        (('"record"', '"act"'), 7, 'of kind "recall" or "record", not \'act\''),
        (("def mark", "def _mark"), 7, "lower-case"),
        (("def mark", "def append"), 7, "there is an operation 'append' already"),
        (("def mark", "def act"), 7, "there is an operation 'act' already"),
        (("def mark", "def end"), 7, "END closes every tag"),
        (("def mark", "def Mark"), 7, "lower-case"),
        (("place: str", "place: str }"), 8, "no Python"),
        ((GOOD, "x = 1\n"), None, "defines no operation"),
    ],
)
def test_a_fault_in_operations_names_file_and_line(load, edit, line, says):
    assert GOOD.count(edit[0]) == 1
    with pytest.raises(ScaffoldError) as caught:
        load(GOOD.replace(*edit))
    assert says in str(caught.value)
    if line:
        assert f"operations.py:{line}: " in str(caught.value)


def test_an_operation_no_routine_lists_is_a_fault(make_scaffold):
    folder = make_scaffold({"operations.py": HEAD + GOOD})
    with pytest.raises(ScaffoldError, match=r"defines 'mark', but no routine lists it"):
        Scaffold.load(folder, trust_code=True)
