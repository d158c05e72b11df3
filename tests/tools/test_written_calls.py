"""Tool calls that a server left in the text are read from there, in every form that models are trained to write."""

import json

import pytest
from tool_vocabularies import LOG, PLAN

from tools import MistakeCode, Reply, dialect
from tools.written_calls import written_calls

FUNCTIONS = dialect("functions")
ACT = '{"name": "act", "arguments": {"action": "Do"}}'


def said(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{ACT}\n</tool_call>",
        f"So:\n<tool_call>{ACT}",
        "<tool_call>\n<function=act>\n<parameter=action>\nDo\n</parameter>\n</function>\n</tool_call>",
        '<function=act>{"action": "Do"}</function>',
        '<function_calls><invoke name="act"><parameter name="action">Do</parameter></invoke></function_calls>',
        "<tool_call>act\n<arg_key>action</arg_key>\n<arg_value>Do</arg_value>\n</tool_call>",
        f"[TOOL_CALLS][{ACT}]",
        '[TOOL_CALLS]act[ARGS]{"action": "Do"}',
        '<|python_tag|>{"name": "act", "parameters": {"action": "Do"}}',
        ACT,
        f"```json\n{ACT}\n```",
        '[{"function": {"name": "act", "arguments": "{\\"action\\": \\"Do\\"}"}}]',
        '<|tool_call>call:act{action:<|"|>Do<|"|>}<tool_call|>',
        'So:<|tool_call>call:act{action:<|"|>Do<|"|>}<tool_call|><|tool_response>',
        "<|channel|>analysis<|message|>Do it.<|end|><|start|>assistant<|channel|>commentary to=functions.act "
        '<|constrain|>json<|message|>{"action": "Do"}<|call|>',
        '<|start|>assistant to=functions.act<|channel|>commentary <|constrain|>json<|message|>{"action": "Do"}<|call|>',
    ],
)
def test_a_call_in_the_text_is_read_and_sent_back_as_one(text: str) -> None:
    (call,) = FUNCTIONS.read(said(text), PLAN).calls
    assert call.arguments.action == "Do"
    settled = FUNCTIONS.settle(said(text))
    assert settled["content"] in ("", "So:")
    assert [one["function"]["name"] for one in settled["tool_calls"]] == ["act"]
    answers = FUNCTIONS.answer(said(text), [Reply("ACT", "done", True, call.call_id)], lambda replies: "")
    assert answers == [{"role": "tool", "tool_call_id": settled["tool_calls"][0]["id"], "content": "done"}]


def test_several_calls_keep_their_order_and_their_texts() -> None:
    text = '<tool_call>{"name": "append", "arguments": {"file": "a.md", "text": "1 < 2 {x}"}}</tool_call>\n'
    text += "<tool_call><function=read><parameter=file>a.md</parameter></function></tool_call><tool_call>"
    calls = FUNCTIONS.read(said(text), LOG).calls
    assert [call.title for call in calls] == ["APPEND a.md|1 < 2 {x}", "READ a.md"]


def test_the_arguments_of_gemma_4_are_read_with_their_types() -> None:
    text = '<|tool_call>call:append{file:<|"|>a.md<|"|>,text:<|"|>x, {y: "z"}: 1\n<|"|>}<tool_call|>'
    text += '<|tool_call>call:other{n:5,flag:true,list:[<|"|>a<|"|>,2],inner:{deep:null}}<tool_call|>'
    first, second = (one["function"] for one in written_calls(text).calls)
    assert json.loads(first["arguments"]) == {"file": "a.md", "text": 'x, {y: "z"}: 1\n'}
    assert json.loads(second["arguments"]) == {"n": 5, "flag": True, "list": ["a", 2], "inner": {"deep": None}}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('<tool_call>{"name": "act", "arguments": {action: Do}}</tool_call>', MistakeCode.BAD_ARGUMENTS),
        ('<tool_call>{"name": "act", "arguments": "Do"}</tool_call>', MistakeCode.BAD_ARGUMENTS),
        ('<tool_call>{"name": "fly", "arguments": {}}</tool_call>', MistakeCode.UNKNOWN_OPERATION),
        ('I see {"x": 1} and would <tool_call> now', MistakeCode.UNREADABLE),
        ('{"name": "act"}', MistakeCode.UNREADABLE),
    ],
)
def test_what_is_wrong_with_one_is_the_models_mistake(text: str, code: MistakeCode) -> None:
    (mistake,) = FUNCTIONS.read(said(text), PLAN).mistakes
    assert mistake.code is code


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "act", "arguments": {"action": "D',
        "<function=act><parameter=action>Do",
        "<tool_call>act<arg_key>action</arg_key><arg_value>Do",
        '<tool_call>{"na',
        '<|tool_call>call:act{action:<|"|>Do',
        '<|tool_call>call:act{action:<|"|>Do<|"|>',
    ],
)
def test_a_cut_call_is_not_carried_out(text: str) -> None:
    (mistake,) = FUNCTIONS.read(said(text), PLAN, truncated=True).items
    assert mistake.code is MistakeCode.TRUNCATED


def test_many_marks_cost_little() -> None:
    marks = (
        "<function=a>",
        "<tool_call>{",
        "<arg_key>",
        '{"name":"a","arguments":{}}',
        "[TOOL_CALLS]a{",
        "<|tool_call>call:a{",
    )
    for piece in marks:
        assert written_calls(piece * (200_000 // len(piece)))
