"""A set of tools called by name, as a test of what they answer does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.tools import BaseTool


class CalledTools:
    """Calls a tool with arguments; its answer is text, also where it refuses."""

    def __init__(self, tools: Iterable[BaseTool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def __call__(self, name: str, **arguments: Any) -> str:
        return str(self._tools[name].invoke(arguments))
