"""Messages as everyone here writes them (OpenAI's plain dicts) and as LangChain holds them, there and back.

What matters on the way: tool calls stay in the order the model wrote them, with their arguments as the raw string it
wrote, readable or not. LangChain itself sorts unreadable calls behind readable ones.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ValidationError

Message = dict[str, Any]
"""{"role": system | user | assistant | tool, "content": str, "tool_calls"?: [...], "tool_call_id"?: str}"""

WRITTEN = "tool_calls"
"""Where an AIMessage keeps its tool calls as written (in additional_kwargs, as LangChain's own models once did)."""


UNREADABLE = "unreadable"
"""The argument under which a tool call whose arguments are no JSON object is shown to models."""


def to_langchain(messages: Sequence[Mapping[str, Any]]) -> list[BaseMessage]:
    """LangChain's form of plain messages. ValueError for a role that is none of the four."""
    return [_to_langchain(message) for message in messages]


def _to_langchain(message: Mapping[str, Any]) -> BaseMessage:
    role, content = message.get("role"), message.get("content") or ""
    if role == "user":
        return HumanMessage(content)
    if role == "system":
        return SystemMessage(content)
    if role == "tool":
        return ToolMessage(content, tool_call_id=message["tool_call_id"])
    if role == "assistant":
        return assistant_message(content, message.get("tool_calls") or [], show_unreadable=True)
    raise ValueError(f"A message's role is system, user, assistant or tool, not {role!r}.")


def assistant_message(
    content: str, calls: Sequence[Message], *, show_unreadable: bool = False, **fields: Any
) -> AIMessage:
    """What a model said, with its tool calls as written and as LangChain reads them.

    With `show_unreadable`, a call that cannot be read becomes one with the single argument `unreadable`: LangChain's
    models would leave it out of the conversation, and providers then refuse the answer to it.
    """
    if not calls:
        return AIMessage(content, **fields)
    readable: list[ToolCall] = []
    unreadable: list[InvalidToolCall] = []
    for call in calls:
        name, text, call_id = call["function"]["name"], call["function"]["arguments"], call["id"]
        arguments = _read(text)
        if arguments is not None:
            readable.append(ToolCall(name=name, args=arguments, id=call_id, type="tool_call"))
        elif show_unreadable:
            readable.append(ToolCall(name=name, args={UNREADABLE: text}, id=call_id, type="tool_call"))
        else:
            error = "The arguments are not a JSON object."
            unreadable.append(InvalidToolCall(name=name, args=text, id=call_id, error=error, type="invalid_tool_call"))
    kept = {WRITTEN: list(calls), **fields.pop("additional_kwargs", {})}
    return AIMessage(content, tool_calls=readable, invalid_tool_calls=unreadable, additional_kwargs=kept, **fields)


def _read(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def to_plain(message: BaseMessage) -> Message:
    """The plain form of a message; content in blocks becomes the text in them, tool calls come in the order written.

    ValueError for a kind of message that has no plain form here.
    """
    content = text_of(message.content)
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": content}
    if isinstance(message, SystemMessage):
        return {"role": "system", "content": content}
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    if isinstance(message, AIMessage):
        calls = calls_of(message)
        plain: Message = {"role": "assistant", "content": content}
        return {**plain, "tool_calls": calls} if calls else plain
    raise ValueError(f"A {type(message).__name__} is no message of a system, a user, an assistant or a tool.")


def to_wire(message: BaseMessage) -> Message:
    """The plain form as it can be sent back to a server: every tool call's arguments are a JSON object.

    vLLM reads the arguments of earlier calls for its chat template and refuses the whole request when one of them
    cannot be read, so a call that the model garbled is shown to it as `{"unreadable": "what it wrote"}`.
    """
    plain = to_plain(message)
    for call in plain.get("tool_calls", ()):
        function = call["function"]
        arguments = _read(function["arguments"])
        if arguments is None or not function["arguments"]:
            shown = {} if arguments is not None else {UNREADABLE: function["arguments"]}
            call["function"] = {**function, "arguments": orjson.dumps(shown).decode()}
    return plain


def text_of(content: object) -> str:
    """The text in a message's content: the string itself, or its text blocks one after another.

    Reasoning, signatures and images are no text of the reply and are left out.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (block if isinstance(block, str) else block.get("text") for block in content if _is_text(block))
    return "".join(text for text in texts if isinstance(text, str))


def thoughts_of(message: AIMessage) -> str:
    """What the model thought, where its provider sends that apart; for people, and part of no prompt."""
    kept = message.additional_kwargs
    apart = [kept.get("reasoning_content") or kept.get("reasoning")]
    if isinstance(message.content, list):
        blocks = [block for block in message.content if isinstance(block, dict)]
        apart += [block.get("thinking") or block.get("reasoning") for block in blocks]
        apart += [part.get("text") for block in blocks for part in block.get("summary") or () if isinstance(part, dict)]
    return "\n".join(text for text in apart if isinstance(text, str) and text)


def _is_text(block: object) -> bool:
    return isinstance(block, str) or (isinstance(block, dict) and block.get("type") in ("text", "output_text", None))


def calls_of(message: AIMessage) -> list[Message]:
    """The tool calls of a message in the order written: {"id", "type", "function": {"name", "arguments": str}}.

    Every call has a non-empty id of its own, which the answer to it names.
    """
    if written := message.additional_kwargs.get(WRITTEN):
        return plain_calls(written)
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        pieces: list[Mapping[str, Any]] = list(message.tool_call_chunks)
    elif message.tool_calls or message.invalid_tool_calls:
        pieces = _in_order([*message.tool_calls, *message.invalid_tool_calls], message.content)
    else:
        return []
    return plain_calls([{"id": piece.get("id"), "function": _function(piece)} for piece in pieces])


def _function(piece: Mapping[str, Any]) -> Message:
    return {"name": piece.get("name"), "arguments": piece.get("args")}


def _in_order(calls: list[Mapping[str, Any]], content: object) -> list[Mapping[str, Any]]:
    """Calls sorted by where the content mentions their id (Anthropic's blocks do); as they are where it does not."""
    blocks = content if isinstance(content, list) else []
    place = {block["id"]: n for n, block in enumerate(blocks) if isinstance(block, dict) and block.get("id")}
    return sorted(calls, key=lambda call: place.get(call.get("id"), len(place))) if place else calls


def plain_calls(entries: Sequence[Any]) -> list[Message]:
    """Tool calls of any server in one form: missing and repeated ids replaced, odd arguments written out."""
    calls: list[Message] = []
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        function = entry.get("function") if isinstance(entry, Mapping) else None
        function = function if isinstance(function, Mapping) else {}
        call_id = entry.get("id") if isinstance(entry, Mapping) else None
        if not isinstance(call_id, str) or not call_id or call_id in seen:
            call_id = f"call_{number}"
            while call_id in seen:
                call_id += "_"
        seen.add(call_id)
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
        called = {"name": str(function.get("name") or ""), "arguments": arguments}
        calls.append({"id": call_id, "type": "function", "function": called})
    return calls


def decoded(content: bytes) -> object:
    """The JSON value in the bytes, None if there is none. Half surrogate pairs in it are replaced."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        # A reply that was cut between two halves of a character is still a reply.
        whole = json.dumps(json.loads(content), ensure_ascii=False).encode("utf-8", "replace")
        return orjson.loads(whole)
    except ValueError:  # both libraries' errors are ValueErrors, and so is UnicodeDecodeError
        return None


def read_completion(answer: object, model_name: str) -> ChatResult | str:
    """The result that a completion holds, or what is wrong with it, as the end of a sentence."""
    if not isinstance(answer, dict):
        return "the answer is no JSON object"
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return "the answer holds no choices"
    spoken = choice.get("message")
    if not isinstance(spoken, dict):
        return "the answer holds no message"
    usage = answer.get("usage")
    info = {"finish_reason": choice.get("finish_reason")}
    if choice.get("logprobs"):
        info["logprobs"] = choice["logprobs"]
    return ChatResult(
        generations=[ChatGeneration(message=_message(spoken, _usage(usage)), generation_info=info)],
        llm_output={
            "model_name": answer.get("model") or model_name,
            "model_provider": "openai",
            "token_usage": usage if isinstance(usage, dict) else None,
            "id": answer.get("id"),
        },
    )


def _message(spoken: Mapping[str, Any], usage: UsageMetadata | None) -> AIMessage:
    # A refusal is what the model said instead of an answer.
    content = text_of(spoken.get("content")) or text_of(spoken.get("refusal"))
    entries = spoken.get("tool_calls")
    if not entries and spoken.get("function_call"):
        entries = [{"function": spoken["function_call"]}]  # servers from before tool_calls
    kept = {}
    if reasoning := spoken.get("reasoning_content") or spoken.get("reasoning"):
        kept["reasoning_content"] = reasoning  # for people who read traces; no part of the reply
    calls = plain_calls(entries) if isinstance(entries, list) else []
    return assistant_message(content, calls, usage_metadata=usage, additional_kwargs=kept)


def reply_in(error: ValidationError) -> AIMessage:
    """The reply that a provider's package could not hold: arguments of a tool call are JSON, but no object.

    It is read from what the package had at hand when it failed: the server's answer, else the message to be made, whose
    tokens are unknown. Raises the error where it is about anything else.
    """
    faults = [fault["loc"] for fault in error.errors(include_url=False)]
    if not all(loc[:1] == ("tool_calls",) and loc[-1] == "args" for loc in faults):
        raise error
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
    for answer in (value for frame in frames for value in frame.values() if isinstance(value, dict)):
        result = read_completion(answer, "") if "choices" in answer else ""
        if isinstance(result, ChatResult) and isinstance(reply := result.generations[0].message, AIMessage):
            reply.response_metadata = result.generations[0].generation_info or {}
            return reply
    for frame in frames:
        if isinstance(frame.get("self"), AIMessage) and isinstance(made := frame.get("kwargs"), dict):
            pieces = [*made.get("tool_calls", ()), *made.get("invalid_tool_calls", ())]
            calls = plain_calls([{"id": piece.get("id"), "function": _function(piece)} for piece in pieces])
            return assistant_message(text_of(frame.get("content")), calls)
    raise error


def _usage(usage: object) -> UsageMetadata | None:
    """LangChain's form of the server's token counts; None where it gave none, never a made-up zero."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    counts = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if cached is not None:
        counts["input_token_details"] = InputTokenDetails(cache_read=cached)
    thought = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    if thought is not None:
        counts["output_token_details"] = OutputTokenDetails(reasoning=thought)
    return counts


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int | None:
    details = usage.get(group)
    value = details.get(name) if isinstance(details, dict) else None
    return value if isinstance(value, int) else None
