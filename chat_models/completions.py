"""Reading a chat completion, as OpenAI-compatible servers write it, into LangChain's result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from chat_models.messages import assistant_message, plain_calls, text_of


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
