"""Play episodes in tests: a model that is a function of the messages, behind a real server, and the inner agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openai_stub import Behaviour, Exchange, say, tool_call

from graphs.inner_agent import Context, graph
from traces import EpisodeFolder, RunFolder, StepRecord, TraceReader

Json = dict[str, Any]
Reply = str | list[tuple[str, Json]]
"""What a model says: text, or (operation, arguments) pairs to be sent as tool calls."""


def speaker(reply: Callable[[list[Json]], Reply]) -> Behaviour:
    """A server's behaviour: answers each request with `reply(messages)`."""

    async def behave(exchange: Exchange) -> None:
        said = reply(exchange.body["messages"])
        if isinstance(said, str):
            await say(said)(exchange)
        else:
            calls = [tool_call(name, json.dumps(arguments), f"call_{n}") for n, (name, arguments) in enumerate(said)]
            await say(None, tool_calls=calls)(exchange)

    return behave


def turn_of(messages: Sequence[Json]) -> tuple[str, int, int]:
    """The routine of the conversation, its step, and how many replies it already holds."""
    opening = next(m["content"] for m in messages if m["role"] == "user")
    routine, _, step = opening.split("\n", 1)[0].split(" ")
    return routine, int(step), sum(m["role"] == "assistant" for m in messages)


def by_turn(table: dict[tuple[str, int], Reply], otherwise: Reply = "<|ACTION|>Wait<|END|>") -> Behaviour:
    """A behaviour that looks up (routine, replies so far) and says `otherwise` where nothing is listed."""

    def reply(messages: list[Json]) -> Reply:
        routine, _, turn = turn_of(messages)
        return table.get((routine, turn), "<|DONE|>" if routine == "LOG" and otherwise is not None else otherwise)

    return speaker(reply)


def play(
    tmp_path: Path, steps: int = 1, *, thread: str = "t", world: str = "vault", seed: int = 1, **context: Any
) -> Json:
    """Run the inner agent on a thread and return its output. `model` may be among `context`; scripted otherwise."""
    model = context.pop("model", "scripted")
    given = {"world": world, "seed": seed, "steps": steps, "model": model}
    if "task" in context:
        given["task"] = context.pop("task")
    settings = Context(runs=str(tmp_path / "runs"), attempts=context.pop("attempts", 1), **context)
    output: Json = graph.invoke(given, {"configurable": {"thread_id": thread}}, context=settings)
    return output


def folder_of(tmp_path: Path, thread: str = "t") -> EpisodeFolder:
    """The episode folder of a thread."""
    return next(iter(RunFolder(tmp_path / "runs" / thread).episodes()))


def steps_of(tmp_path: Path, thread: str = "t") -> list[StepRecord]:
    """All recorded steps of a thread's episode."""
    with TraceReader(folder_of(tmp_path, thread)) as reader:
        return list(reader)
