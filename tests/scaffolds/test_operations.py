"""A scaffold's own operations: typed functions become part of the schema, in every dialect; faults are named."""

import pytest

from memory_fs import MemoryFS, Outcome
from scaffolds import Scaffold, ScaffoldError
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
def load(make_scaffold, trusted):
    def load_with(code: str, toml=TOML) -> Scaffold:
        return Scaffold.load(make_scaffold({"operations.py": HEAD + code, "scaffold.toml": toml}), trust_code=trusted)

    return load_with


@pytest.fixture(scope="module")
def actions():
    return make_world("crafter").actions


def test_an_operation_is_spoken_in_both_dialects(load, begin, trusted, actions, tmp_path):
    scaffold = load(GOOD)
    words = scaffold.vocabulary("LOG", actions, hooks=None if trusted else begin(scaffold))
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


def test_what_is_said_of_an_argument_reaches_the_schema(load, actions):
    code = GOOD.replace("place: str", 'place: Annotated[str, "a note", Field(description="x,y", max_length=9)]')
    code = code.replace("times: int", "times: Annotated[int, Field(ge=1)]").replace(
        'Literal["big", "small"]', 'Annotated[Literal["big", "small"], Field(description="size")]'
    )
    words = load(code).vocabulary("LOG", actions)
    schema = next(one for one in words.json_schemas() if one["function"]["name"] == "mark")
    assert schema["function"]["parameters"]["properties"] == {
        "place": {"description": "x,y", "maxLength": 9, "type": "string"},
        "times": {"minimum": 1, "type": "integer"},
        "how": {"description": "size", "enum": ["big", "small"], "type": "string"},
    }
    assert isinstance(words.validate("mark", {"place": "a", "times": 0, "how": "big"}), Mistake)


def test_arguments_of_every_type_arrive_as_they_were_read(load, begin, trusted, actions, tmp_path):
    code = GOOD.replace('how: Literal["big", "small"]', "size: float, wide: bool").replace(
        'f"{how} x{times}"', "repr((times, size, wide))"
    )
    scaffold = load(code)
    words = scaffold.vocabulary("LOG", actions, hooks=None if trusted else begin(scaffold))
    call = words.validate("mark", {"place": "é|\u2028x", "times": 10**30, "size": float("inf"), "wide": True})
    assert isinstance(call, Call)
    with MemoryFS(tmp_path / "notebook") as notebook:
        call.operation.run(notebook, call.arguments)
        assert notebook.read("map_notes.md").text.endswith(f"é|\u2028x: ({10**30}, inf, True)")


def test_wrong_arguments_are_the_models_mistake(load, actions):
    words = load(GOOD).vocabulary("LOG", actions)
    for arguments in ({"place": "a", "times": "many", "how": "big"}, {"place": "a", "times": 1, "how": "huge"}):
        assert isinstance(words.validate("mark", arguments), Mistake)
    assert isinstance(words.validate("mark", {"place": "a", "times": 1, "how": "big", "why": "?"}), Mistake)


def test_an_operation_of_log_is_not_allowed_in_plan_rather_than_unknown(load, actions):
    words = load(GOOD).vocabulary("PLAN", actions)
    (mistake,) = dialect("tags").read({"role": "assistant", "content": "<|MARK|>a|1|big<|END|>"}, words).items
    assert mistake.code == "not_allowed"


@pytest.mark.parametrize(
    ("edit", "line", "says"),
    [
        (('"""Mark a place."""', "pass"), 7, "needs a docstring of one line"),
        (('"""Mark a place."""', '"""Mark\n    a place."""'), 7, "needs a docstring of one line"),
        (("place: str", "place"), 7, "argument 'place' of operation mark needs a type"),
        (("place: str", "place: list[str]"), 7, "argument 'place' of operation mark needs a type"),
        (("place: str", "place: Nothing"), 8, "name 'Nothing' is not defined"),
        (("times: int", "times: Annotated[int, Field(ge='x')]"), 7, "the arguments of operation mark cannot be used"),
        (("place: str", "place: Annotated[str, Field(pattern='(')]"), 7, "arguments of operation mark cannot be used"),
        (('Literal["big", "small"]', 'Literal[b"x"]'), 7, "operation mark"),
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


def test_an_operation_no_routine_lists_is_a_fault(make_scaffold, trusted):
    folder = make_scaffold({"operations.py": HEAD + GOOD})
    with pytest.raises(ScaffoldError, match=r"defines 'mark', but no routine lists it"):
        Scaffold.load(folder, trust_code=trusted)
