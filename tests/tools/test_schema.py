"""The vocabulary: what it refuses, what is derived from it, and the executors behind it."""

import itertools
import json
import re
import re._parser as parser  # type: ignore[import-not-found]
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from effort import effort
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model
from tool_vocabularies import ACTIONS, EVOLVED_LOG, LOG, PLAN, UPSERT_MAP

from memory_fs import MemoryFS, Outcome
from tools import (
    DONE,
    MEMORY_OPERATIONS,
    Call,
    Kind,
    Mistake,
    MistakeCode,
    Operation,
    Vocabulary,
    VocabularyError,
    act_operation,
    dialect,
)
from tools.operation import Arguments
from tools.reading import MAX_OPERATIONS

SEARCH = MEMORY_OPERATIONS["search"]


def operation(name: str = "mark", kind: Kind = Kind.RECORD, **fields: Any) -> Operation:
    return Operation(name, kind, create_model("Given", __base__=Arguments, **fields), "Help.")


# --- our errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operations", "sentence"),
    [
        ([SEARCH, DONE, SEARCH], "operation 'search' of LOG: listed twice, remove one"),
        ([operation("Mark")], "name it with 1-32 lower-case letters"),
        ([operation("x" * 33)], "name it with 1-32 lower-case letters"),
        ([operation("end")], "END closes every tag"),
        ([operation("action")], "ACTION is how `act` is written"),
        ([operation(places=(list[str], ...))], "argument places must be str, int, float, bool or a Literal"),
        ([operation(place=(str | None, ...))], "argument place must be str, int, float, bool or a Literal"),
        ([operation(a=(str, "x"), b=(str, ...))], "argument b is required but follows an optional one"),
        ([Operation("mark", Kind.RECORD, create_model("Open", a=(str, ...)), "Help.")], 'set extra="forbid"'),
    ],
)
def test_a_vocabulary_that_cannot_be_spoken_is_refused(operations: list[Operation], sentence: str) -> None:
    with pytest.raises(VocabularyError, match=re.escape(sentence)):
        Vocabulary("LOG", operations)


# --- what is derived -------------------------------------------------------------------------------------------------


def test_the_order_of_operations_and_fields_is_kept() -> None:
    assert LOG.names == ("search", "read", "tail", "count", "append", "write", "create", "done")
    upsert = EVOLVED_LOG.get("UPSERT")
    assert upsert is not None
    assert upsert.fields == ("file", "key", "text")
    assert LOG.get("act") is None
    assert LOG.help_text().splitlines()[1] == "read(file): Show a file."


def test_validation_gives_a_call_or_a_mistake() -> None:
    assert LOG.validate("search", {"file": "a", "keyword": "b"}).title == "SEARCH a|b"
    assert isinstance(LOG.validate("act", {"action": "Do"}), Mistake)
    mistake = LOG.validate("tail", {"file": "a", "lines": 0}, fragment="x", call_id="7", span=(1, 2))
    assert mistake == Mistake(
        MistakeCode.BAD_ARGUMENTS, "tail: lines must be at least 1 (it takes file, lines).", "x", "7", (1, 2)
    )


def test_json_schemas_are_flat_and_say_nothing_of_pydantic() -> None:
    for schema in (*EVOLVED_LOG.json_schemas(), *PLAN.json_schemas()):
        parameters = schema["function"]["parameters"]
        assert set(parameters) == {"type", "properties", "required", "additionalProperties"}
        assert parameters["additionalProperties"] is False
        assert parameters["required"] == list(parameters["properties"])
        for field in parameters["properties"].values():
            assert {"type", "description"} <= set(field) <= {"type", "description", "minLength", "minimum", "enum"}
            assert isinstance(field["type"], str)


def test_an_argument_may_be_called_title() -> None:
    (schema,) = Vocabulary("LOG", [operation(title=(str, ...), text=(str, ...))]).json_schemas()
    assert schema["function"]["parameters"]["required"] == ["title", "text"]
    assert schema["function"]["parameters"]["properties"]["title"] == {"type": "string"}


def test_json_schemas_enumerate_the_worlds_actions() -> None:
    schema = PLAN.json_schemas()[-1]["function"]["parameters"]["properties"]["action"]
    assert schema["enum"] == list(ACTIONS)


def test_json_schemas_are_the_same_for_the_same_vocabulary() -> None:
    again = Vocabulary("PLAN", (*PLAN.operations[:-1], act_operation(iter(ACTIONS))))
    assert json.dumps(again.json_schemas()) == json.dumps(PLAN.json_schemas())


def test_actions_are_told_from_prose() -> None:
    assert PLAN.is_action("Move West")
    assert PLAN.is_action(" move  west\n")
    assert not PLAN.is_action("Move")
    assert not LOG.is_action("Do")


# --- the regular expression ------------------------------------------------------------------------------------------

TYPED = operation(
    "typed",
    Kind.RECALL,
    where=(Literal["north", "a.b"], ...),
    only=(Literal["x"], ...),
    many=(Annotated[int, Field(ge=1)], ...),
    change=(int, ...),
    share=(float, ...),
    sure=(bool, ...),
    query=(str, ...),
)
EVERYTHING = Vocabulary("ANY", (*EVOLVED_LOG.operations, act_operation(("Do", "Move West", "<", "a|b", "(x)*")), TYPED))


@settings(max_examples=effort(120, 400), deadline=None, derandomize=True)
@given(st.from_regex(re.compile(EVERYTHING.regex()), fullmatch=True))
def test_what_the_expression_matches_reads_as_one_call(text: str) -> None:
    (item,) = dialect("tags").read({"role": "assistant", "content": text}, EVERYTHING).items
    assert isinstance(item, Call)
    assert item.span == (0, len(text))


_WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="<|"), min_size=1)
_NAME = st.from_regex(r"([a-z]{1,9}/)?[A-Za-z0-9_-]{1,20}(\.[a-z]{1,4})?", fullmatch=True)
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<")) | st.text("é <5>\n")


@settings(max_examples=effort(80, 200), deadline=None, derandomize=True)
@given(file=_NAME, word=_WORD, text=_TEXT, lines=st.integers(1, 999_999))
def test_the_expression_matches_what_a_fluent_speaker_writes(file: str, word: str, text: str, lines: int) -> None:
    for call in (
        ("search", {"file": file, "keyword": word}),
        ("tail", {"file": file, "lines": lines}),
        ("append", {"file": file, "text": text}),
        ("upsert", {"file": file, "key": word, "text": text}),
        ("act", {"action": "Move West"}),
        ("done", {}),
    ):
        assert re.fullmatch(EVERYTHING.regex(), dialect("tags").write([call])["content"]), call


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<|FLY|>up<|END|>",
        "<|ACTION|>Sleep<|END|>",
        "<|ACTION|>do<|END|>",
        "<|DONE|><|DONE|>",
        "<|TAIL|>a|0<|END|>",
        "<|READ|><|END|>",
        "<|READ|>../a.md<|END|>",
        "<|READ|>a note on trees.<|END|>",
        "<|READ|>a.md",
        "<|APPEND|>a.md|x<|END|><|END|>",
        "<|APPEND|>a.md|x <|DONE|><|END|>",
        "<|TYPED|>south|x|1|0|0.5|true|q<|END|>",
    ],
)
def test_the_expression_matches_nothing_else(text: str) -> None:
    assert not re.fullmatch(EVERYTHING.regex(), text)


def test_the_expressions_use_only_what_engines_of_constrained_decoding_know() -> None:
    # xgrammar 0.2.8 and llguidance 1.9.1 (the backends of vLLM) were tried: both take them. No lookaround, no escaped
    # space, no flags, no named group.
    for expression in (EVERYTHING.regex(), EVERYTHING.reply_regex(), LOG.reply_regex()):
        assert not re.search(r"\(\?[^:]|\\[^\\.^$|?*+()\[\]{}rnstx]", expression)


@pytest.mark.parametrize("thought", [None, 0, 1, 40])
@pytest.mark.parametrize("vocabulary", [EVERYTHING, LOG, PLAN], ids=["EVERYTHING", "LOG", "PLAN"])
def test_no_choice_between_characters_is_repeated(vocabulary: Vocabulary, thought: int | None) -> None:
    """As (?:[a-z]:?|-)*: xgrammar takes 0.1 to 0.3 s for every token that is read by one."""

    def begins_with_a_choice(pattern: Any) -> bool:
        code, value = pattern[0]
        return code is parser.BRANCH or (code is parser.SUBPATTERN and begins_with_a_choice(value[3]))

    def check(pattern: Any) -> None:
        for code, value in pattern:
            if code is parser.MAX_REPEAT:
                assert value[1] == 1 or not begins_with_a_choice(value[2]), value  # once at most is no repetition
            inner = value if isinstance(value, tuple) else ()
            for one in itertools.chain(inner, *(part for part in inner if isinstance(part, list))):
                if isinstance(one, parser.SubPattern):
                    check(one)

    check(parser.parse(vocabulary.reply_regex(thought)))
    for slow in ("(?:a:?|bc)*", "(?:(?:[^<]|(?:<+[^<a])))*", "x(?:y(?:ab|c)+)"):
        with pytest.raises(AssertionError):
            check(parser.parse(slow))


def test_counted_free_text_beside_an_action_holds_a_colon_in_its_middle_at_most() -> None:
    def fits(text: str) -> bool:
        return re.fullmatch(PLAN.reply_regex(6), f"{text}<|ACTION|>Do<|END|>") is not None

    assert all(map(fits, ("", "a:", "a:bc", "abc:d", "abcdef")))
    assert not any(map(fits, (":", "abcd:e", "a:b:", "abcdefg")))


@pytest.mark.parametrize("thought", [None, 0, 5])
@pytest.mark.parametrize("vocabulary", [EVERYTHING, LOG, PLAN], ids=["EVERYTHING", "LOG", "PLAN"])
def test_what_the_expression_of_a_reply_matches_reads_without_a_mistake(
    vocabulary: Vocabulary, thought: int | None
) -> None:
    @settings(max_examples=effort(25, 80), deadline=None, derandomize=True)
    @given(st.from_regex(re.compile(vocabulary.reply_regex(thought)), fullmatch=True))
    def check(text: str) -> None:
        items = dialect("tags").read({"role": "assistant", "content": text}, vocabulary).items
        assert all(isinstance(item, Call) for item in items[:MAX_OPERATIONS])

    check()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("<|DONE|>", True),
        ("I see 2 trees: note them.\n<|APPEND|>a.md|a < b<|END|>\n<|DONE|>", True),
        ("<|READ|>a.md<|END|><|READ|>b.md<|END|>", True),
        ("<|DONE|><|READ|>a.md<|END|>", False),
        ("<|DONE|> and so on", False),
        ("nothing", False),
        ("a <| b <|DONE|>", False),
        ("|END|> <|DONE|>", False),
        ("<|ACTION|>Do<|END|>", False),
    ],
)
def test_a_reply_is_free_text_then_operations_and_the_last_may_end_the_routine(text: str, fits: bool) -> None:
    assert bool(re.fullmatch(LOG.reply_regex(), text)) is fits


def test_free_text_can_be_bounded() -> None:
    for vocabulary, end in ((LOG, "<|DONE|>"), (PLAN, "<|ACTION|>Do<|END|>")):
        assert re.fullmatch(vocabulary.reply_regex(6), f"a tree{end}")
        assert not re.fullmatch(vocabulary.reply_regex(6), f"a tree.{end}")


@pytest.mark.parametrize("line", ["ACTION: Do", "Action : Do", "- **action**: Do", "action:Do"])
def test_where_a_line_could_act_the_free_text_holds_none(line: str) -> None:
    reply = f"I think.\n{line}\n<|READ|>a.md<|END|>"
    assert re.fullmatch(LOG.reply_regex(), reply)
    assert not re.fullmatch(PLAN.reply_regex(), reply)
    assert re.fullmatch(PLAN.reply_regex(), "I think: the tree first.\n<|ACTION|>Do<|END|>")


# --- executors -------------------------------------------------------------------------------------------------------


def run(notebook: MemoryFS, name: str, **arguments: object) -> Any:
    call = Vocabulary("ANY", (*MEMORY_OPERATIONS.values(), UPSERT_MAP)).validate(name, arguments)
    assert isinstance(call, Call)
    assert call.operation.run is not None
    return call.operation.run(notebook, call.arguments)


def test_each_operation_does_what_it_says(tmp_path: Path) -> None:
    notebook = MemoryFS(tmp_path / "memory")
    assert run(notebook, "create", file="map.md").outcome is Outcome.WRITTEN
    assert run(notebook, "append", file="map.md", text="a tree\na cow").outcome is Outcome.WRITTEN
    assert run(notebook, "upsert", file="map.md", key="table", text="3,4").outcome is Outcome.WRITTEN
    found = run(notebook, "search", file="map.md", keyword="TREE")
    assert (found.operation, found.outcome, found.lines) == ("search", Outcome.HIT, (1,))
    assert run(notebook, "count", file="map.md", keyword="a").total == 3
    assert "table: 3,4" in run(notebook, "tail", file="map.md", lines=1).text
    assert run(notebook, "write", file="map.md", text="new").outcome is Outcome.WRITTEN
    assert "new" in run(notebook, "read", file="map.md").text
    assert run(notebook, "read", file="nap.md").outcome is Outcome.MISSING
    assert run(notebook, "read", file="../x").outcome is Outcome.REJECTED
    notebook.close()


def test_the_kinds_of_the_operations_are_right() -> None:
    kinds = {name: operation.kind.value for name, operation in MEMORY_OPERATIONS.items()}
    recalls, records = ("search", "read", "tail", "count"), ("append", "write", "create", "upsert")
    assert kinds == dict.fromkeys(recalls, "recall") | dict.fromkeys(records, "record")
    assert {op.name: (op.kind.value, op.run) for op in (DONE, act_operation(ACTIONS))} == {
        "done": ("control", None),
        "act": ("world", None),
    }
    assert [op.name for op in MEMORY_OPERATIONS.values() if op.carries_text] == ["append", "write", "upsert"]


def test_argument_models_are_closed_and_unchangeable() -> None:
    for one in (*MEMORY_OPERATIONS.values(), DONE, act_operation(ACTIONS)):
        assert issubclass(one.arguments, BaseModel)
        assert one.arguments.model_config.get("frozen")
        assert one.arguments.model_config.get("extra") == "forbid"
