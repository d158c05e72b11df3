"""Making a long conversation fit: old tool results, and long texts the model wrote into calls, give way to a pointer.

Nothing is lost in silence: what is cut says what it was, and that the tool can be called again. The transcript keeps
everything. What is cut stays cut, and much is cut at once, so that a provider's prefix cache goes on working.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

DEFAULT_CHARACTERS = 300_000
"""About 100,000 tokens: what today's smallest contexts of strong models hold."""
CHARACTERS_PER_TOKEN = 2.4
"""Of a model's context that says how many tokens it takes: three a token in code and JSON, and a fifth left free."""
_LEFT = 0.6
"""What stays when something is cut."""
_SHORT = 600
"""Texts up to here are kept: a pointer is hardly shorter."""
_RECENT = 6
"""The last so many messages are kept whole: the model is working with them."""


def room(model: BaseChatModel, characters: int | None) -> int:
    """The characters a prompt may have: as configured, else by the model's profile, else a default."""
    tokens = (model.profile or {}).get("max_input_tokens")
    return characters or (int(tokens * CHARACTERS_PER_TOKEN) if tokens else DEFAULT_CHARACTERS)


def fitted(messages: Sequence[AnyMessage], most: int) -> list[AnyMessage]:
    """The messages, the oldest long ones cut where they had grown past `most` characters before a reply."""
    shown = list(messages)
    total = begun = 0
    calls = {call["id"]: call for one in messages if isinstance(one, AIMessage) for call in one.tool_calls}
    for index, message in enumerate(messages):
        total += _size(message)
        asked = index + 1 == len(messages) or isinstance(messages[index + 1], AIMessage)
        if not asked or total <= most:
            continue
        while begun <= index - _RECENT and total > most * _LEFT:
            total -= _size(shown[begun])
            shown[begun] = _cut(shown[begun], calls)
            total += _size(shown[begun])
            begun += 1
    return shown


def _size(message: AnyMessage) -> int:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return len(message.text) + sum(len(orjson.dumps(call["args"], default=str)) for call in calls)


def _cut(message: AnyMessage, calls: dict[Any, Any]) -> AnyMessage:
    if isinstance(message, ToolMessage) and len(message.text) > _SHORT:
        call = calls.get(message.tool_call_id) or {"name": message.name, "args": {}}
        given = orjson.dumps(call["args"], default=str).decode()
        what = f"{call['name']} {given if len(given) <= 200 else given[:200] + '…'}"
        pointer = f"[Cut to save room: {what} gave {len(message.text):,} characters here. Call it again to see them.]"
        return message.model_copy(update={"content": pointer})
    if isinstance(message, AIMessage) and isinstance(message.content, str) and message.tool_calls:
        shorter = [
            {**call, "args": {name: _told(value) for name, value in call["args"].items()}}
            for call in message.tool_calls
        ]
        if shorter != message.tool_calls:  # the calls as written are kept a second time there
            others = {name: value for name, value in message.additional_kwargs.items() if name != "tool_calls"}
            return message.model_copy(update={"tool_calls": shorter, "additional_kwargs": others})
    return message


def _told(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= _SHORT:
        return value
    return f"[Cut to save room: {len(value):,} characters that you wrote here.]"
