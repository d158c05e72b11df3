"""Tool calls that a model wrote into its text: what arrives where a server has no parser for the model's own form.

Read are JSON objects with a name and arguments after `<tool_call>`, `[TOOL_CALLS]` or `<|python_tag|>`, or as the whole
text; XML (`<function=act><parameter=action>Do</parameter></function>`, `<invoke name="act">…`, GLM's `<arg_key>`);
Mistral's `act[ARGS]{…}`; a gpt-oss message `to=functions.act`; Gemma 4's `<|tool_call>call:act{action:<|"|>Do<|"|>}`.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_DECODER = json.JSONDecoder(strict=False)
_NAME = r"(?P<{0}>[\w.-]{{1,64}})"
_MARK = re.compile(
    rf"(?:<(?:tool_call|function_calls)>\s*)?(?:<function={_NAME.format('function')}>"
    rf"|<invoke name=[\"']?{_NAME.format('invoke')}[\"']?>)"
    rf"|\[TOOL_CALLS\]\s*{_NAME.format('mistral')}\s*(?:\[ARGS\])?\s*(?={{)"
    rf"|(?:<\|start\|>assistant)?(?:<\|channel\|>\w+)? ?to={_NAME.format('harmony')}[^{{]{{0,80}}<\|message\|>"
    rf"|<tool_call>\s*{_NAME.format('glm')}\s*(?=<arg_key>|</tool_call>)"
    rf"|<\|tool_call>\s*call:\s*{_NAME.format('gemma')}\s*(?={{)"
    r"|(?P<json><tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>)\s*(?=[\[{])"
)
_NAMES = ("function", "invoke", "mistral", "harmony", "glm", "gemma")
_CLOSING = re.compile(
    r"(?:\s*</(?:function|invoke|tool_call|function_calls)>)+|\s*<\|call\|>|\s*<tool_call\|>(?:\s*<\|tool_response>)?"
)
_GEMMA_QUOTE = '<|"|>'
_GEMMA_KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w.-]{0,63})\s*:")
_PARAMETER = re.compile(
    r"<parameter(?:=| name=[\"']?)(?P<name>[\w.-]{1,64})[\"']?>(?P<value>.*?)(?P<end></parameter>|(?=<parameter)|\Z)"
    r"|<arg_key>(?P<key>[^<]{1,64})</arg_key>\s*<arg_value>(?P<argument>.*?)(?P<stop></arg_value>|(?=<arg_key>)|\Z)",
    re.DOTALL,
)
_NAMED = re.compile(r'"name"\s*:\s*"([\w.-]{1,64})"\s*,\s*"(?:arguments|parameters)"\s*:\s*')
_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL)
_BETWEEN = re.compile(r"[\s;,]*")


def function_name(written: str) -> str:
    """The function that a call names: gpt-oss adds its channel (`act<|channel|>commentary`) and a namespace."""
    return written.partition("<|")[0].strip().removeprefix("functions.")


class Written(NamedTuple):
    """The calls in a text, as entries of `tool_calls` without ids, and the text around them."""

    calls: list[dict[str, Any]]
    text: str


def written_calls(text: str) -> Written:
    """The calls in a text in the order written; none where it holds no form that is known."""
    if not any(mark in text for mark in ("{", "<function=", "<invoke ", "<arg_key>", "<tool_call>")):
        return Written([], text)
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    bare = list(_of_json(fenced[1] if fenced else stripped, whole=True))
    if bare:
        return Written(bare, "")
    marks, closings = list(_MARK.finditer(text)), list(_CLOSING.finditer(text))
    starts = [closing.start() for closing in closings]
    calls: list[dict[str, Any]] = []
    around, position = [], 0
    followed_at = [*(one.start() for one in marks[1:]), len(text)]
    for mark, following in zip(marks, followed_at, strict=False):
        place = bisect_left(starts, mark.end())
        closing = closings[place] if place < len(closings) and starts[place] <= following else None
        found = _in_body(mark, text[mark.end() : closing.start() if closing else following], closing is not None)
        if found:
            calls += found
            around.append(text[position : mark.start()])
            position = closing.end() if closing else following
    return Written(calls, "".join([*around, text[position:]]).strip()) if calls else Written([], text)


def _in_body(mark: re.Match[str], body: str, closed: bool) -> Sequence[dict[str, Any]]:
    """The calls between a mark and what ends it."""
    name = next((mark[group] for group in _NAMES if mark[group]), None)
    if name is None:
        return list(_of_json(body))
    if mark["gemma"]:
        return [_entry(name, _json_of_gemma(body.strip()))]
    given = list(_PARAMETER.finditer(body))
    if not given and "{" in body:
        return [_entry(name, body.strip())]
    pairs = [
        f"{json.dumps(one['name'] or one['key'])}: {json.dumps(_value(one['value'] or one['argument'] or ''))}"
        for one in given
    ]
    whole = closed or (bool(given) and bool(given[-1]["end"] or given[-1]["stop"]))
    return [_entry(name, "{" + ", ".join(pairs) + ("}" if whole else ""))]


def _json_of_gemma(body: str) -> str:
    """Gemma 4's arguments as JSON: their keys have no quotes, and their strings stand between tokens of its own."""
    pieces = body.split(_GEMMA_QUOTE)
    json_pieces = [
        json.dumps(piece, ensure_ascii=False) if number % 2 else _GEMMA_KEY.sub(r'\1"\2":', piece)
        for number, piece in enumerate(pieces)
    ]
    return "".join(json_pieces if len(pieces) % 2 else json_pieces[:-1])  # without a string that is not closed


def _value(written: str) -> str:
    """An argument as text: models set its value on lines of its own."""
    return written.removeprefix("\n").removesuffix("\n")


def _of_json(text: str, *, whole: bool = False) -> Iterator[dict[str, Any]]:
    """The calls of JSON objects in a row. `whole`: none where there is anything else, or one is no call."""
    values: list[Any] = []
    position = 0
    try:
        while position < len(text):
            value, position = _DECODER.raw_decode(text, position)
            values += value if isinstance(value, list) else [value]
            position = _BETWEEN.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
    except (ValueError, RecursionError):
        if not whole and (named := _NAMED.search(text, position)):
            yield from (_entry(*call) for value in values if (call := _call(value)))
            yield _entry(named[1], text[named.end() :].strip().removesuffix("}").rstrip())
            return
    calls = [call for value in values if (call := _call(value))]
    if not whole or (position == len(text) and len(calls) == len(values)):
        yield from (_entry(*call) for call in calls)


def _call(value: Any) -> tuple[str, str] | None:
    """Name and arguments of a JSON object that is a call."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters"))
    return None if arguments is None else (value["name"], json.dumps(arguments, ensure_ascii=False))


def _entry(name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": function_name(name), "arguments": arguments}}
