"""The functions dialect: native tool calling, as OpenAI-compatible servers speak it.

The libraries check little: unknown tools, illegal values and arguments that are no object arrive as if valid. So the
raw argument strings are read here, in the order written, and every entry of `tool_calls` gives one call or one mistake.
Where a server has no parser for its model's calls they arrive as text, and are read from there (`written_calls`).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from tools.reading import (
    AFTER_END,
    EMPTY,
    MAX_OPERATIONS,
    Call,
    Mistake,
    MistakeCode,
    Reading,
    Reply,
    answer_text,
    encodable,
    excerpt,
    nothing_written,
    one_line,
)
from tools.schema import Vocabulary
from tools.written_calls import function_name, written_calls

NOT_ANSWERED = "Not carried out."
"""Answer to a call that the routine ended before: a server refuses a conversation in which a call has no answer."""


_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Functions:
    """The functions dialect."""

    name = "functions"

    def forms(self, vocabulary: Vocabulary) -> list[tuple[str, str]]:
        """Each operation with the names of its arguments, and its help; the schemas themselves go in `tools`."""
        return [(f"{op.name}({', '.join(op.fields)})", op.help) for op in vocabulary.operations]

    def tools(self, vocabulary: Vocabulary) -> list[dict[str, Any]]:
        """The tool schemas to bind to the model."""
        return vocabulary.json_schemas()

    def constraint(self, vocabulary: Vocabulary, thought: int | None = None) -> None:
        """None: what a function's arguments may be is the server's to constrain."""
        return

    def read(self, message: Mapping[str, Any], vocabulary: Vocabulary, *, truncated: bool = False) -> Reading:
        """Calls and mistakes in the order of `tool_calls`; spans are indices into it. Never raises."""
        entries = _entries(message)
        if not entries:
            return Reading((_no_call(message, vocabulary, truncated),))
        items: list[Call | Mistake] = []
        ended = False
        for index, (entry, call_id) in enumerate(zip(entries, _call_ids(entries), strict=True)):
            name, raw = _name_and_arguments(entry)
            span, fragment = (index, index + 1), excerpt(f"{name}({raw if isinstance(raw, str) else ''})")
            if ended:
                items.append(Mistake(MistakeCode.AFTER_END, AFTER_END, fragment, call_id, span))
            elif index >= MAX_OPERATIONS:
                message_ = f"Only the first {MAX_OPERATIONS} calls of a reply are carried out."
                items.append(Mistake(MistakeCode.TOO_MANY, message_, fragment, call_id, span))
            else:
                cut = truncated and index == len(entries) - 1
                items.append(_item(vocabulary, name, raw, fragment, call_id, span, cut))
                ended = isinstance(items[-1], Call) and items[-1].operation.ends_routine
        return Reading(tuple(items))

    def write(self, calls: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, Any]:
        """The assistant message that makes these calls, with ids `call_1`, `call_2`, …"""
        tool_calls = [
            _tool_call(f"call_{number}", name, json.dumps(dict(arguments), ensure_ascii=False))
            for number, (name, arguments) in enumerate(calls, 1)
        ]
        return {"role": "assistant", "content": "", "tool_calls": tool_calls}

    def settle(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message with an id of its own for every call and argument strings that are JSON objects.

        Servers answer HTTP 400 to a conversation that holds anything else, so a model's mistake would become the
        machine's failure. Arguments that are no object become `{"unreadable": "<excerpt>"}`. A sound message comes
        back equal.
        """
        settled = _mended(message)
        return settled if settled["content"] or "tool_calls" in settled else {**settled, "content": EMPTY}

    def remove(self, message: Mapping[str, Any], items: Sequence[Call | Mistake]) -> dict[str, Any]:
        """The message, mended as in `settle`, without these calls; its content may be left empty."""
        settled = _mended(message)
        gone = {item.span[0] for item in items if item.span}
        kept = [call for index, call in enumerate(settled.pop("tool_calls", ())) if index not in gone]
        return {**settled, "tool_calls": kept} if kept else settled

    def answer(
        self,
        message: Mapping[str, Any],
        replies: Sequence[Reply],
        render: Callable[[Sequence[Reply]], str],
    ) -> list[dict[str, Any]]:
        """One tool message per call of the message, in its order, then a user message for replies without a call."""
        texts: dict[str, list[str]] = {call_id: [] for call_id in _call_ids(_entries(message))}
        loose: list[Reply] = []
        for reply in replies:
            if reply.call_id in texts:
                texts[reply.call_id].append(reply.text)
            else:
                loose.append(reply)
        answers: list[dict[str, Any]] = [
            {"role": "tool", "tool_call_id": call_id, "content": "\n".join(parts) or NOT_ANSWERED}
            for call_id, parts in texts.items()
        ]
        if loose:
            answers.append({"role": "user", "content": render(loose)})
        return answers


def _mended(message: Mapping[str, Any]) -> dict[str, Any]:
    entries, text = _parts(message)
    mended: dict[str, Any] = {"role": "assistant", "content": encodable(text)}
    if entries:
        ids = _call_ids(entries)
        mended["tool_calls"] = [_settled(entry, call_id) for entry, call_id in zip(entries, ids, strict=True)]
    return mended


def _parts(message: Mapping[str, Any]) -> tuple[list[Any], str]:
    """The calls of a message and the text beside them; without any, those that are written in the text."""
    entries, text = message.get("tool_calls"), answer_text(message)
    if isinstance(entries, list | tuple) and entries:
        return list(entries), text
    found = written_calls(text)
    return list(found.calls), found.text


def _entries(message: Mapping[str, Any]) -> list[Any]:
    return _parts(message)[0]


def _call_ids(entries: Sequence[Any]) -> list[str]:
    """An id for every call: its own, or for a missing or repeated one a new one that no other call has."""
    written = [entry.get("id") if isinstance(entry, Mapping) else None for entry in entries]
    taken = {call_id for call_id in written if isinstance(call_id, str)}
    used: set[str] = set()
    ids: list[str] = []
    for number, call_id in enumerate(written, 1):
        if not isinstance(call_id, str) or not call_id or call_id in used:
            call_id = f"call_{number}"
            while call_id in taken:
                call_id += "_"
            taken.add(call_id)
        used.add(call_id)
        ids.append(encodable(call_id))
    return ids


def _name_and_arguments(entry: Any) -> tuple[str, Any]:
    function = entry.get("function") if isinstance(entry, Mapping) else None
    if not isinstance(function, Mapping):
        return "", None
    name = function.get("name")
    return (function_name(name) if isinstance(name, str) else ""), function.get("arguments")


def _item(
    vocabulary: Vocabulary,
    name: str,
    raw: Any,
    fragment: str,
    call_id: str,
    span: tuple[int, int],
    cut: bool,
) -> Call | Mistake:
    operation = vocabulary.get(name)
    if operation is None:
        code, message = vocabulary.refusal(name) if name else (MistakeCode.UNREADABLE, "This call names no operation.")
        return Mistake(code, message, fragment, call_id, span)
    arguments = _object(raw)
    if cut and (isinstance(arguments, str) or (not arguments and operation.required)):
        message = f"The reply was cut at the token limit inside {operation.name}; call it again, with less text."
        return Mistake(MistakeCode.TRUNCATED, message, fragment, call_id, span)
    if isinstance(arguments, str):
        return Mistake(MistakeCode.BAD_ARGUMENTS, f"{operation.name}: {arguments}.", fragment, call_id, span)
    return vocabulary.validate(operation.name, arguments, fragment=fragment, call_id=call_id, span=span)


def _object(raw: Any) -> dict[str, Any] | str:
    """The arguments as written, or what is wrong with them. Objects encoded twice, a known habit, are unpacked."""
    if isinstance(raw, Mapping):
        return dict(raw)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return {}
    value: Any = raw
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            # strict=False: models write line breaks into strings unescaped, and mean them
            value = json.loads(value, strict=False, object_pairs_hook=_unambiguous)
        except json.JSONDecodeError as error:
            if value is raw:
                return f"the arguments are not valid JSON ({error.msg} at character {error.pos})"
            break
        except _RepeatedArgument as error:
            return f"{one_line(str(error), 60)} is given twice"
        except (ValueError, RecursionError):
            return "the arguments are not valid JSON (too deep, or a number too long)"
    return value if isinstance(value, dict) else "the arguments must be a JSON object"


class _RepeatedArgument(Exception):
    """An argument named twice in one object: which was meant cannot be known."""


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedArgument(next(name for name in names if names.count(name) > 1))
    return read


def _settled(entry: Any, call_id: str) -> dict[str, Any]:
    name, raw = _name_and_arguments(entry)
    arguments = _object(raw)
    if isinstance(arguments, str):
        arguments = {"unreadable": excerpt(raw) if isinstance(raw, str) else ""}
    elif isinstance(raw, str) and raw.strip().startswith("{") and _plain_json(raw):
        return _tool_call(call_id, _sendable(name), raw)
    return _tool_call(call_id, _sendable(name), encodable(json.dumps(arguments, ensure_ascii=False)))


def _sendable(name: str) -> str:
    """A function's name as OpenAI's API takes it back: 1 to 64 letters, digits, underscores and hyphens."""
    return name if _NAME.fullmatch(name) else re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unnamed"


def _plain_json(raw: str) -> bool:
    try:
        raw.encode()
        orjson.loads(raw)  # stricter than json (lone surrogates), and what servers' clients are checked against
    except ValueError:  # also what UnicodeEncodeError and JSONDecodeError are
        return False
    return True


def _tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _no_call(message: Mapping[str, Any], vocabulary: Vocabulary, truncated: bool) -> Mistake:
    how = f"call one of the tools: {', '.join(vocabulary.names)}."
    text = answer_text(message)
    if not text.strip():
        return nothing_written(truncated, how)
    if truncated:
        sentence = f"The reply was cut at the token limit before any call; be brief and {how}"
        return Mistake(MistakeCode.TRUNCATED, sentence, excerpt(text))
    return Mistake(MistakeCode.UNREADABLE, f"The reply calls no tool; {how}", excerpt(text))
