"""What every dialect must do: one suite, run for each of them."""

import json
from collections.abc import Sequence

import pytest
from effort import effort
from hypothesis import given, settings
from hypothesis import strategies as st
from tool_vocabularies import EVOLVED_LOG, EVOLVED_PLAN, LOG, PLAN

from tools import (
    DIALECT_NAMES,
    Call,
    Dialect,
    Mistake,
    MistakeCode,
    Reading,
    Reply,
    UnknownDialect,
    Vocabulary,
    dialect,
)
from tools.reading import MAX_OPERATIONS

SEARCH: tuple[str, dict[str, object]] = ("search", {"file": "map.md", "keyword": "tree"})
APPEND: tuple[str, dict[str, object]] = ("append", {"file": "map.md", "text": "a tree | two steps north\nand water"})
DONE: tuple[str, dict[str, object]] = ("done", {})
DO: tuple[str, dict[str, object]] = ("act", {"action": "Do"})


@pytest.fixture(params=DIALECT_NAMES, name="spoken")
def _spoken(request: pytest.FixtureRequest) -> Dialect:
    return dialect(request.param)


def plain(reading: Reading) -> list[object]:
    """The reading as (name, arguments) for calls and codes for mistakes."""
    return [
        (item.operation.name, item.arguments.model_dump()) if isinstance(item, Call) else item.code
        for item in reading.items
    ]


def render(replies: Sequence[Reply]) -> str:
    return "RESULTS\n" + "\n".join(f"### {reply.title}\n{reply.text}" for reply in replies)


def test_calls_are_read_in_the_order_written(spoken: Dialect) -> None:
    reading = spoken.read(spoken.write([SEARCH, APPEND, SEARCH, DONE]), LOG)
    assert plain(reading) == [SEARCH, APPEND, SEARCH, DONE]
    assert reading.calls == reading.items
    assert reading.mistakes == ()


def test_a_mistake_keeps_its_place_among_the_calls(spoken: Dialect) -> None:
    message = spoken.write([SEARCH, ("fly", {"where": "up"}), APPEND, ("tail", {"file": "map.md"}), DONE])
    reading = spoken.read(message, LOG)
    assert plain(reading) == [SEARCH, MistakeCode.UNKNOWN_OPERATION, APPEND, MistakeCode.BAD_ARGUMENTS, DONE]


def test_an_operation_of_another_routine_is_answered_with_those_allowed_here(spoken: Dialect) -> None:
    (mistake,) = spoken.read(spoken.write([APPEND]), PLAN).items
    assert isinstance(mistake, Mistake)
    assert mistake.code is MistakeCode.NOT_ALLOWED
    assert "PLAN" in mistake.message
    assert "search, read, tail, count, act" in mistake.message
    (mistake,) = spoken.read(spoken.write([DO]), LOG).mistakes
    assert mistake.code is MistakeCode.NOT_ALLOWED


def test_a_scaffolds_own_operation_is_read_and_known_in_the_other_routine(spoken: Dialect) -> None:
    call = ("upsert_map", {"coordinate": "3,4", "description": "stairs | down"})
    assert plain(spoken.read(spoken.write([call]), EVOLVED_LOG)) == [call]
    assert plain(spoken.read(spoken.write([call]), EVOLVED_PLAN)) == [MistakeCode.NOT_ALLOWED]
    assert plain(spoken.read(spoken.write([call]), PLAN)) == [MistakeCode.UNKNOWN_OPERATION]


def test_a_near_miss_of_a_name_is_answered_with_the_name_meant(spoken: Dialect) -> None:
    (mistake,) = spoken.read(spoken.write([("serch", {"file": "a", "keyword": "b"})]), LOG).mistakes
    assert "Did you mean search?" in mistake.message


@pytest.mark.parametrize("lines", ["0", "-3", "many", "2.5", "9" * 5000])
def test_illegal_values_are_answered_with_the_name_of_the_field(spoken: Dialect, lines: str) -> None:
    (mistake,) = spoken.read(spoken.write([("tail", {"file": "map.md", "lines": lines})]), LOG).mistakes
    assert mistake.code is MistakeCode.BAD_ARGUMENTS
    assert "lines" in mistake.message
    assert len(mistake.message) < 200


@pytest.mark.parametrize(("call", "vocabulary"), [(DONE, LOG), (DO, PLAN)])
def test_operations_after_the_end_are_answered_and_not_carried_out(
    spoken: Dialect, call: tuple[str, dict[str, object]], vocabulary: Vocabulary
) -> None:
    message = spoken.write([SEARCH, call, SEARCH, call, ("fly", {"where": "up"})])
    reading = spoken.read(message, vocabulary)
    assert plain(reading) == [SEARCH, call, *[MistakeCode.AFTER_END] * 3]


def test_an_end_that_is_refused_does_not_end(spoken: Dialect) -> None:
    reading = spoken.read(spoken.write([DO, SEARCH, DONE]), LOG)
    assert plain(reading) == [MistakeCode.NOT_ALLOWED, SEARCH, DONE]


def test_an_action_the_world_does_not_have_still_reads_as_a_call(spoken: Dialect) -> None:
    assert plain(spoken.read(spoken.write([("act", {"action": "Move Westwards"})]), PLAN)) == [
        ("act", {"action": "Move Westwards"})
    ]


@pytest.mark.parametrize("content", ["", " \n\t ", None])
@pytest.mark.parametrize("truncated", [False, True])
def test_an_empty_reply_is_a_mistake(spoken: Dialect, content: str | None, truncated: bool) -> None:
    (mistake,) = spoken.read({"role": "assistant", "content": content}, LOG, truncated=truncated).mistakes
    assert mistake.code in (MistakeCode.EMPTY_REPLY, MistakeCode.TRUNCATED)
    assert "search" in mistake.message.lower()


def test_a_reply_of_prose_is_answered_with_how_to_write_an_operation(spoken: Dialect) -> None:
    message = {"role": "assistant", "content": "I see a tree, and I will remember it."}
    (mistake,) = spoken.read(message, LOG).mistakes
    assert mistake.code is MistakeCode.UNREADABLE
    assert "append" in mistake.message.lower()
    (mistake,) = spoken.read(message, LOG, truncated=True).mistakes
    assert mistake.code is MistakeCode.TRUNCATED


def test_operations_written_whole_in_a_cut_reply_are_carried_out(spoken: Dialect) -> None:
    assert plain(spoken.read(spoken.write([SEARCH, APPEND]), LOG, truncated=True)) == [SEARCH, APPEND]


def test_more_operations_than_the_limit_are_answered_and_not_carried_out(spoken: Dialect) -> None:
    reading = spoken.read(spoken.write([SEARCH] * (MAX_OPERATIONS + 5)), LOG)
    assert len(reading.calls) == MAX_OPERATIONS
    assert {mistake.code for mistake in reading.mistakes} == {MistakeCode.TOO_MANY}
    assert isinstance(reading.items[MAX_OPERATIONS], Mistake)


def test_a_call_has_the_same_title_in_every_dialect(spoken: Dialect) -> None:
    calls = spoken.read(spoken.write([SEARCH, APPEND, DONE]), LOG).calls
    assert [call.title for call in calls] == [
        "SEARCH map.md|tree",
        "APPEND map.md|a tree | two steps north and water",
        "DONE",
    ]
    (call,) = spoken.read(spoken.write([("write", {"file": "f", "text": "long " * 500})]), LOG).calls
    assert len(call.title) <= 80


def test_every_item_is_answered_exactly_once(spoken: Dialect) -> None:
    message = spoken.write([SEARCH, ("fly", {"where": "up"}), DONE, SEARCH])
    items = spoken.read(message, LOG).items
    replies = [Reply(item.title, f"answer {n}.", isinstance(item, Call), item.call_id) for n, item in enumerate(items)]
    answers = spoken.answer(spoken.settle(message), replies, render)
    text = "\n".join(answer["content"] for answer in answers)
    assert [text.count(f"answer {n}.") for n in range(4)] == [1, 1, 1, 1]
    tool_calls = message.get("tool_calls", [])
    assert [answer["tool_call_id"] for answer in answers if answer["role"] == "tool"] == [c["id"] for c in tool_calls]


def test_a_sound_message_settles_to_itself(spoken: Dialect) -> None:
    message = spoken.write([SEARCH, APPEND, DONE])
    assert spoken.settle(message) == message


def test_an_empty_message_settles_to_one_that_servers_take(spoken: Dialect) -> None:
    assert spoken.settle({"role": "assistant", "content": None})["content"]


def test_removed_items_are_gone_and_the_others_stay(spoken: Dialect) -> None:
    message = spoken.write([SEARCH, ("fly", {"where": "up"}), ("read", {"file": "a.md"}), DO])
    items = spoken.read(message, PLAN).items
    left = spoken.remove(message, [items[3]])
    assert plain(spoken.read(left, PLAN)) == [SEARCH, MistakeCode.UNKNOWN_OPERATION, ("read", {"file": "a.md"})]
    left = spoken.remove(message, [items[1], items[3]])
    assert plain(spoken.read(left, PLAN)) == [SEARCH, ("read", {"file": "a.md"})]
    nothing = spoken.remove(message, items)
    assert not nothing["content"]
    assert not nothing.get("tool_calls")


def test_the_forms_show_every_operation_in_order_with_its_help(spoken: Dialect) -> None:
    forms = spoken.forms(LOG)
    assert [text for _, text in forms] == [operation.help for operation in LOG.operations]
    for (form, _), operation in zip(forms, LOG.operations, strict=True):
        assert operation.name in form.lower()
        assert all(field in form for field in operation.fields)


def test_text_that_cannot_be_encoded_is_a_mistake_and_leaves_nothing_unencodable(spoken: Dialect) -> None:
    bad = "a tree \ud83d"
    message = {"role": "assistant", "content": f"<|APPEND|>map.md|{bad}<|END|>", "tool_calls": []}
    if spoken.name == "functions":
        message = {**spoken.write([("append", {"file": "map.md", "text": bad})]), "content": bad}
    (mistake,) = spoken.read(message, LOG).mistakes
    assert mistake.code is MistakeCode.BAD_ARGUMENTS
    assert "text holds half a character" in mistake.message
    settled = json.dumps(spoken.settle(message), ensure_ascii=False)
    for text in (mistake.message, mistake.fragment, mistake.title, settled):
        text.encode()


def test_an_unknown_dialect_names_those_there_are() -> None:
    with pytest.raises(UnknownDialect, match="'morse': use one of tags, functions"):
        dialect("morse")


_NAME = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], exclude_characters="<|"), min_size=1)
_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab <>|\n\r\t/END", max_size=20)
_COORDINATE = st.builds(lambda at, text: {"coordinate": at, "description": text}, _NAME, _TEXT)  # in the tag's order
_CALLS = st.lists(
    st.tuples(st.just("search"), st.fixed_dictionaries({"file": _NAME, "keyword": _NAME}))
    | st.tuples(st.just("tail"), st.fixed_dictionaries({"file": _NAME, "lines": st.integers(1, 10**9)}))
    | st.tuples(st.sampled_from(["append", "write"]), st.fixed_dictionaries({"file": _NAME, "text": _TEXT}))
    | st.tuples(st.just("upsert"), st.fixed_dictionaries({"file": _NAME, "key": _NAME, "text": _TEXT}))
    | st.tuples(st.just("upsert_map"), _COORDINATE),
    min_size=1,
    max_size=5,
)


@settings(max_examples=effort(120, 400), deadline=None, derandomize=True)
@given(calls=_CALLS, name=st.sampled_from(DIALECT_NAMES))
def test_what_is_written_reads_back_the_same(calls: list[tuple[str, dict[str, object]]], name: str) -> None:
    try:
        message = dialect(name).write(calls)
    except ValueError:
        assert name == "tags"  # tool calls carry everything
        return
    assert plain(dialect(name).read(message, EVOLVED_LOG)) == calls
