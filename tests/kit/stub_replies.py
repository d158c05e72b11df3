"""What the stub server can answer: whole completions, tool calls, errors of every kind, and broken connections.

A behaviour is an asynchronous function that answers one request on the wire.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One request as it arrived, and the wire to answer it on."""

    path: str
    headers: Mapping[str, str]
    body: Json
    writer: asyncio.StreamWriter

    async def send(self, payload: bytes, *, code: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Answer with a whole HTTP response."""
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {code} Scripted\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n{extra}\r\n"
        self.writer.write(head.encode() + payload)
        await self.writer.drain()


Behaviour = Callable[[Exchange], Awaitable[None]]


def completion(
    model: object,
    content: object = None,
    *,
    tool_calls: Sequence[Json] | None = None,
    finish_reason: str | None = None,
    usage: Json | str | None = "default",
    **message: object,
) -> Json:
    """A chat completion as a server writes it; `message` adds fields such as reasoning_content."""
    spoken: Json = {"role": "assistant", "content": content, **message}
    if tool_calls is not None:
        spoken["tool_calls"] = list(tool_calls)
    if usage == "default":
        usage = {"prompt_tokens": 1200, "completion_tokens": 7, "total_tokens": 1207}
        usage["prompt_tokens_details"] = {"cached_tokens": 1000}
    reason = finish_reason or ("tool_calls" if tool_calls else "stop")
    answer = {"id": "cmpl-1", "object": "chat.completion", "created": 1, "model": model}
    answer["choices"] = [{"index": 0, "message": spoken, "finish_reason": reason, "logprobs": None}]
    if usage is not None:
        answer["usage"] = usage
    return answer


def tool_call(name: object, arguments: object, call_id: object = "call_0") -> Json:
    """One entry of a message's tool_calls; arguments are a raw string, or anything a server may put there."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def say(content: object = "hello", **options: Any) -> Behaviour:
    """A completion with this content; `options` are those of `completion`. Streams when the request asks for it."""

    async def behave(exchange: Exchange) -> None:
        answer = completion(exchange.body.get("model"), content, **options)
        if exchange.body.get("stream"):
            await exchange.send(_events(answer), kind="text/event-stream")
        else:
            await exchange.send(json.dumps(answer).encode())

    return behave


def calls(*entries: Json, content: object = None, **options: Any) -> Behaviour:
    """A completion that calls tools, in this order."""
    return say(content, tool_calls=entries, **options)


def holding(then: Behaviour) -> Behaviour:
    """A server that holds replies as vLLM is asked to: to a literal expression, such as the probe's. Else `then`."""

    async def behave(exchange: Exchange) -> None:
        regex = exchange.body.get("structured_outputs", {}).get("regex", "(")
        await (then if "(" in regex else say(regex))(exchange)

    return behave


def raw(payload: bytes | str, *, code: int = 200, kind: str = "application/json") -> Behaviour:
    """Exactly these bytes as the body: an HTML page, broken JSON, a completion without choices."""
    data = payload.encode() if isinstance(payload, str) else payload

    async def behave(exchange: Exchange) -> None:
        await exchange.send(data, code=code, kind=kind)

    return behave


def answer(value: object, *, code: int = 200) -> Behaviour:
    """Any JSON value as the body."""
    return raw(json.dumps(value), code=code)


def status(code: int, message: str = "scripted", *, error_code: object = None, **headers: str) -> Behaviour:
    """An error in OpenAI's form; headers such as retry_after="1" are sent with it."""
    error = {"error": {"message": message, "type": "scripted", "param": None, "code": error_code}}

    async def behave(exchange: Exchange) -> None:
        await exchange.send(json.dumps(error).encode(), code=code, **headers)

    return behave


def unknown_model() -> Behaviour:
    """404 as vLLM says it when the model is not served."""
    return status(404, "The model `nobody` does not exist.", error_code=404)


def context_too_long() -> Behaviour:
    """400 as vLLM says it when the prompt does not fit."""
    return status(400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.")


def late(seconds: float, then: Behaviour | None = None) -> Behaviour:
    """Nothing for so many seconds, then the answer."""
    following = then or say("late")

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await following(exchange)

    return behave


def drip(every_s: float = 0.02, times: int = 250) -> Behaviour:
    """A byte of white space again and again: alive, but never done; it hangs up when nobody stops it before."""

    async def behave(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
        for _ in range(times):
            exchange.writer.write(b" ")
            await exchange.writer.drain()
            await asyncio.sleep(every_s)
        exchange.writer.close()

    return behave


def cut(body: str = '{"id": "cmpl-1", "choi', promised: int = 5000) -> Behaviour:
    """The connection breaks in the middle of the body."""

    async def behave(exchange: Exchange) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {promised}\r\n\r\n"
        exchange.writer.write(head.encode() + body.encode())
        await exchange.writer.drain()
        exchange.writer.close()

    return behave


def hang_up() -> Behaviour:
    """The connection is closed without a word."""

    async def behave(exchange: Exchange) -> None:
        exchange.writer.close()

    return behave


def _events(answer: Json) -> bytes:
    """The same completion as server-sent events: content in two halves, each tool call whole."""
    choice = answer["choices"][0]
    message = choice["message"]
    text = message["content"] or ""
    deltas: list[Json] = [{"role": "assistant", "content": text[: len(text) // 2]}, {"content": text[len(text) // 2 :]}]
    deltas += [{"tool_calls": [{"index": n, **call}]} for n, call in enumerate(message.get("tool_calls") or [])]
    base = {"id": answer["id"], "object": "chat.completion.chunk", "created": 1, "model": answer["model"]}
    chunks = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if "usage" in answer:
        chunks.append({**base, "choices": [], "usage": answer["usage"]})
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
