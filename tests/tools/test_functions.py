"""The functions dialect: what servers and models send besides sound calls, and that every call can be answered."""

import json
from typing import Any

import pytest
from tool_vocabularies import LOG, PLAN

from tools import Call, Mistake, MistakeCode, Reply, dialect

FUNCTIONS = dialect("functions")


def call(arguments: Any, name: Any = "search", call_id: Any = "a") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def message(*calls: Any, content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def only_mistake(arguments: Any, name: Any = "search", *, truncated: bool = False) -> Mistake:
    (mistake,) = FUNCTIONS.read(message(call(arguments, name)), LOG, truncated=truncated).items
    assert isinstance(mistake, Mistake)
    assert mistake.call_id == "a"
    return mistake


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('{"file": "a.md"', "search: the arguments are not valid JSON"),
        ("file=a.md", "search: the arguments are not valid JSON"),
        ("[" * 100_000, "search: the arguments are not valid JSON"),
        ('{"file": ' + "9" * 5_000 + "}", "search: the arguments are not valid JSON"),
        ('"search"', "search: the arguments must be a JSON object"),
        ('["a.md", "tree"]', "search: the arguments must be a JSON object"),
        ("7", "search: the arguments must be a JSON object"),
        ("null", "search: the arguments must be a JSON object"),
        (["a.md"], "search: the arguments must be a JSON object"),
        (7, "search: the arguments must be a JSON object"),
        ('{"file": "a", "file": "b", "keyword": "c"}', "search: file is given twice"),
        ("{}", "search: file is missing; keyword is missing (it takes file, keyword)."),
        (None, "search: file is missing; keyword is missing (it takes file, keyword)."),
        ("", "search: file is missing; keyword is missing (it takes file, keyword)."),
        ('{"file": "a.md", "keyword": 5}', "search: keyword must be text"),
        ('{"file": "a.md", "keyword": null}', "search: keyword must be text"),
        ('{"file": "", "keyword": "x"}', "search: file must not be empty"),
        ('{"file": "a", "keyword": "x", "case": true}', "search: case is not an argument (it takes file, keyword)."),
        ('{"file": "a", "keyword": "\\ud83d"}', "search: keyword holds half a character"),
        (
            json.dumps({f"k{n}": n for n in range(9)}),
            "search: file is missing; keyword is missing; k0 is not an argument; and 8",
        ),
    ],
)
def test_bad_arguments_are_answered_with_what_is_wrong(arguments: Any, sentence: str) -> None:
    mistake = only_mistake(arguments)
    assert mistake.code is MistakeCode.BAD_ARGUMENTS
    assert mistake.message.startswith(sentence)
    assert mistake.message.endswith(".")
    assert len(mistake.message) < 250


@pytest.mark.parametrize("lines", ["0", "-1", '"many"', "1.5", "null", "[]"])
def test_illegal_numbers_are_answered(lines: str) -> None:
    mistake = only_mistake(f'{{"file": "a.md", "lines": {lines}}}', "tail")
    assert mistake.code is MistakeCode.BAD_ARGUMENTS
    assert mistake.message.startswith("tail: lines ")


@pytest.mark.parametrize(
    "arguments",
    [
        '{"file": "a.md", "keyword": "tree"}',
        ' {"keyword": "tree",\n"file": "a.md"} ',
        json.dumps('{"file": "a.md", "keyword": "tree"}'),
        {"file": "a.md", "keyword": "tree"},
    ],
)
def test_sound_arguments_are_read_however_they_are_wrapped(arguments: Any) -> None:
    (read,) = FUNCTIONS.read(message(call(arguments)), LOG).calls
    assert read.arguments.model_dump() == {"file": "a.md", "keyword": "tree"}


def test_line_breaks_in_strings_need_no_escape() -> None:
    (read,) = FUNCTIONS.read(message(call('{"file": "a.md", "text": "one\ntwo"}', "append")), LOG).calls
    assert read.arguments.model_dump()["text"] == "one\ntwo"


def test_names_are_read_in_any_case_and_numbers_as_text() -> None:
    (read,) = FUNCTIONS.read(message(call('{"file": "a.md", "lines": "5"}', "TAIL")), LOG).calls
    assert read.arguments.model_dump() == {"file": "a.md", "lines": 5}


@pytest.mark.parametrize(
    "entry", [None, 7, "search", [], {}, {"id": "a"}, {"id": "a", "function": None}, call("{}", None)]
)
def test_an_entry_that_names_no_operation_is_answered(entry: Any) -> None:
    (mistake,) = FUNCTIONS.read(message(entry), LOG).mistakes
    assert mistake.code is MistakeCode.UNREADABLE
    assert mistake.call_id


def test_unknown_tools_and_tools_of_another_routine_are_answered() -> None:
    assert only_mistake("{}", "fly").code is MistakeCode.UNKNOWN_OPERATION
    assert only_mistake('{"action": "Do"}', "act").code is MistakeCode.NOT_ALLOWED
    assert len(only_mistake("{}", "x" * 10_000).message) < 250


def test_valid_and_invalid_calls_keep_their_order() -> None:
    sound = '{"file": "a.md", "keyword": "tree"}'
    reading = FUNCTIONS.read(message(call("{", call_id="1"), call(sound, call_id="2"), call("[]", call_id="3")), LOG)
    assert [(type(item), item.call_id) for item in reading.items] == [(Mistake, "1"), (Call, "2"), (Mistake, "3")]


@pytest.mark.parametrize("arguments", ['{"file": "a.md", "keyw', "", '{"file": "a.md", "keyword": "tr'])
def test_the_last_call_of_a_cut_reply_is_reported_as_cut(arguments: str) -> None:
    assert only_mistake(arguments, truncated=True).code is MistakeCode.TRUNCATED
    reading = FUNCTIONS.read(message(call(arguments), call("{}", "done", "b")), LOG, truncated=True)
    assert [getattr(item, "code", "call") for item in reading.items] == [MistakeCode.BAD_ARGUMENTS, "call"]


def test_text_beside_calls_is_not_read() -> None:
    reading = FUNCTIONS.read(message(call("{}", "done"), content="<|READ|>a.md<|END|>"), LOG)
    assert [item.operation.name for item in reading.calls] == ["done"]
    assert reading.mistakes == ()


def test_tags_instead_of_a_call_are_answered_with_the_tools() -> None:
    (mistake,) = FUNCTIONS.read({"role": "assistant", "content": "<|ACTION|>Do<|END|>"}, PLAN).mistakes
    assert mistake.message == "The reply calls no tool; call one of the tools: search, read, tail, count, act."


# --- ids -------------------------------------------------------------------------------------------------------------

BROKEN_IDS = [None, "", 7, "x", "x", None, "call_3", "call_1", "call_1"]


def test_missing_and_repeated_ids_are_replaced_by_ones_of_their_own() -> None:
    broken = message(*[call("{}", "done", call_id) for call_id in BROKEN_IDS])
    ids = [item.call_id for item in FUNCTIONS.read(broken, LOG).items]
    assert len(set(ids)) == len(BROKEN_IDS)
    assert ids[3] == "x"
    assert ids[6:8] == ["call_3", "call_1"]
    settled = FUNCTIONS.settle(broken)
    assert [entry["id"] for entry in settled["tool_calls"]] == ids
    assert [item.call_id for item in FUNCTIONS.read(settled, LOG).items] == ids
    assert FUNCTIONS.settle(settled) == settled


def test_every_call_gets_exactly_one_tool_message_in_order() -> None:
    broken = message(*[call("{}", "done", call_id) for call_id in BROKEN_IDS])
    items = FUNCTIONS.read(broken, LOG).items
    replies = [Reply(item.title, f"answer {n}", True, item.call_id) for n, item in enumerate(items)]
    answers = FUNCTIONS.answer(broken, replies, lambda shown: "never")
    assert [answer["tool_call_id"] for answer in answers] == [item.call_id for item in items]
    assert [answer["content"] for answer in answers] == [f"answer {n}" for n in range(len(items))]
    assert {answer["role"] for answer in answers} == {"tool"}


def test_a_call_without_reply_is_answered_as_not_carried_out() -> None:
    answers = FUNCTIONS.answer(
        message(call("{}", call_id="a"), call("{}", call_id="b")), [Reply("t", "x", True, "b")], str
    )
    assert [(answer["tool_call_id"], answer["content"]) for answer in answers] == [
        ("a", "Not carried out."),
        ("b", "x"),
    ]


def test_replies_without_a_call_follow_in_a_user_message() -> None:
    replies = [Reply("t", "loose", False), Reply("t", "answer", True, "a"), Reply("t", "stranger", True, "zzz")]
    answers = FUNCTIONS.answer(message(call("{}")), replies, lambda shown: " ".join(reply.text for reply in shown))
    assert answers == [
        {"role": "tool", "tool_call_id": "a", "content": "answer"},
        {"role": "user", "content": "loose stranger"},
    ]


# --- what goes back to the server ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", ["{bad", '"text"', "[1]", "7", None, "", "[" * 100_000, {"file": "a"}, "\ud83d", '{"a": "x\ny"}']
)
def test_settled_arguments_are_json_objects(arguments: Any) -> None:
    (entry,) = FUNCTIONS.settle(message(call(arguments)))["tool_calls"]
    assert isinstance(json.loads(entry["function"]["arguments"]), dict)
    assert entry["function"]["name"] == "search"
    assert entry["type"] == "function"
    json.dumps(entry, ensure_ascii=False).encode()


def test_settling_leaves_sound_arguments_as_written_and_shows_a_little_of_broken_ones() -> None:
    sound, broken = '{ "file":"a.md" , "keyword":"é" }', "{" + "x" * 10_000
    settled = FUNCTIONS.settle(message(call(sound, call_id="1"), call(broken, call_id="2"), content="I look."))
    first, second = (entry["function"]["arguments"] for entry in settled["tool_calls"])
    assert first == sound
    assert list(json.loads(second)) == ["unreadable"]
    assert len(second) < 300
    assert settled["content"] == "I look."


@pytest.mark.parametrize("name", ["search<|channel|>commentary", "functions.search<|channel|>json"])
def test_a_name_with_a_channel_is_that_function(name: str) -> None:
    said = message(call('{"file": "a.md", "keyword": "b"}', name))
    (found,) = FUNCTIONS.read(said, LOG).calls
    assert found.operation.name == "search"
    assert FUNCTIONS.settle(said)["tool_calls"][0]["function"]["name"] == "search"
