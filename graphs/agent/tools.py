"""Tools of an outer loop's agent: functions with checked arguments, and an event for each call."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langgraph.config import get_stream_writer

from chat_models.keys import new_context

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


def model_tool(function: Callable[..., str], *refusals: type[Exception], description: str | None = None) -> BaseTool:
    """A tool that calls `function`: its name, its docstring (or `description`) and its annotated arguments.

    The model reads the sentence of a refusal, or what is wrong with its arguments; any other exception is a fault of
    ours or of the machine.
    """
    from langchain_core.tools import StructuredTool, ToolException
    from pydantic import ConfigDict, create_model

    arguments: dict[str, Any] = {
        name: (one.annotation, ... if one.default is one.empty else one.default)
        for name, one in inspect.signature(function, eval_str=True).parameters.items()
    }
    schema = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **arguments)

    def run(**given: Any) -> str:
        try:
            return function(**given)
        except refusals as refusal:
            raise ToolException(str(refusal)) from None

    return StructuredTool.from_function(
        run,
        name=function.__name__,
        description=description or " ".join((function.__doc__ or "").split()),
        args_schema=schema,
        handle_tool_error=True,
        handle_validation_error=_wrong_arguments,
    )


def _wrong_arguments(error: Any) -> str:
    """What is wrong with the arguments of a call, in one sentence."""
    faults = [f"{'.'.join(map(str, one['loc'])) or 'the call'}: {one['msg']}" for one in error.errors()[:5]]
    return f"The call cannot be carried out: {'; '.join(faults)}."


def page(text: str, offset: int, most: int, how: str) -> str:
    """At most `most` characters of a text from `offset` on; then how much is left out, and `how` to see it."""
    shown = text[offset : offset + most]
    rest = len(text) - offset - len(shown)
    return shown if rest <= 0 else f"{shown}\n… {rest:,} characters more: {how}, offset={offset + len(shown)}"


T = TypeVar("T")

STREAMED = 400
"""Characters of an argument or a result that are streamed: the transcript holds the rest."""


async def watched(name: str, run_name: str, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns; every tool call that LangChain makes in it is streamed as a `tool` event of `name`.

    In a context of its own it is a root run in LangSmith, and does not take our graph's checkpointing for its own.
    """

    async def run(_: None) -> T:
        return await work()

    watcher = ToolWatcher(name)
    asked = RunnableLambda(run, name=run_name).ainvoke(None, {"callbacks": [watcher]})
    result: T = await asyncio.create_task(asked, context=new_context())
    return result


class ToolWatcher(BaseCallbackHandler):
    """Listens to tools, in whatever thread they run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._report, self._here = get_stream_writer(), contextvars.copy_context()
        self._running: dict[UUID, tuple[str, dict[str, str]]] = {}

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note what was called."""
        arguments = {name: _cut(value) for name, value in (inputs or {}).items()}
        self._running[run_id] = str((serialized or {}).get("name", "?")), arguments

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Report the result."""
        self._emit(run_id, getattr(output, "content", output), ok=getattr(output, "status", "success") != "error")

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Report the error."""
        self._emit(run_id, error, ok=False)

    def _emit(self, run_id: UUID, result: object, *, ok: bool) -> None:
        tool, arguments = self._running.pop(run_id, ("?", {}))
        event = {"event": "tool", "name": self._name, "tool": tool, "arguments": arguments}
        self._here.copy().run(self._report, {**event, "result": _cut(result), "ok": ok})


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= STREAMED else text[:STREAMED] + "…"
