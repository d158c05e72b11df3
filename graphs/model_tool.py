"""A function made a tool for a language model: its arguments checked, its refusals sentences, its results bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


def model_tool(
    function: Callable[..., str],
    name: str,
    description: str,
    /,
    *,
    refusals: tuple[type[Exception], ...],
    **arguments: Any,
) -> BaseTool:
    """A tool that calls `function` with these `arguments` (name=(type, default), as pydantic's create_model has them).

    Of `refusals`, the model reads the sentence; any other exception is a fault of ours or of the machine.
    """
    from langchain_core.tools import StructuredTool, ToolException
    from pydantic import ConfigDict, create_model

    schema = create_model(name, __config__=ConfigDict(extra="forbid"), **arguments)

    def run(**given: Any) -> str:
        try:
            return function(**given)
        except refusals as refusal:
            raise ToolException(str(refusal)) from None

    return StructuredTool.from_function(
        run, name=name, description=description, args_schema=schema, handle_tool_error=True
    )


def page(text: str, offset: int, most: int, how: str) -> str:
    """At most `most` characters of a text from `offset` on; what is left out is told, with `how` to see it."""
    shown = text[offset : offset + most]
    rest = len(text) - offset - len(shown)
    return shown if rest <= 0 else f"{shown}\n… {rest:,} characters more: {how}, offset={offset + len(shown)}"
