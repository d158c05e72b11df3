"""The reviewer: an agent that reads whole episodes and revises the scaffold, until it answers without a tool."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scaffolds.hooks
import scaffolds.operations
from graphs.agent.loop import AgentLimits, AgentRun, run_agent, templates
from graphs.reviewer.tools import file_tools
from graphs.reviewer.workspace import Workspace
from scaffolds import SHIPPED, View
from scaffolds.settings import read_settings
from tools import DONE, MEMORY_OPERATIONS

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool


async def review(
    workspace: Workspace,
    model: BaseChatModel,
    faults: Sequence[str] = (),
    *,
    limits: AgentLimits | None = None,
    round: int = 0,
    continues: str = "",
) -> AgentRun:
    """Let the reviewer revise the working copy; with `faults`, mend what check number `round` (from 1) found.

    The conversation is `workspace.transcript`: a review that was killed goes on in it where it stopped, one that had
    finished is not repeated. `continues`: what became of the revision that this attempt continues.
    ProviderFailure or TraceFailure where the machine fails; ConfigurationError for a model that calls no tools.
    """
    await asyncio.to_thread(workspace.prepare)
    tools, system = await asyncio.to_thread(lambda: (reviewer_tools(workspace), system_message()))
    message = await asyncio.to_thread(
        lambda: _page("faults", round=round, faults=faults) if faults else _task(workspace, continues)
    )
    return await run_agent(
        model,
        tools,
        system=system,
        message=message,
        transcript=workspace.transcript,
        limits=limits,
        name="reviewer",
    )


def reviewer_tools(workspace: Workspace) -> list[BaseTool]:
    """Everything the reviewer can do: its files, the traces of its runs, and contained Python over them."""
    from graphs.reviewer.tools import analysis_tool
    from graphs.reviewer.trace_tools.tools import trace_tools

    return [*file_tools(workspace), *trace_tools(workspace.runs), analysis_tool(workspace.runs)]


@cache
def system_message() -> str:
    """What the reviewer is, may do and must leave; how a scaffold is built, in the words of that room itself."""
    return _page(
        "system",
        format=(SHIPPED / "README.md").read_text(encoding="utf-8").removeprefix("# Scaffolds").strip(),
        operations=[(one.name, one.kind.value, one.help) for one in (*MEMORY_OPERATIONS.values(), DONE)],
        hooks=_documentation(scaffolds.hooks),
        own_operations=_documentation(scaffolds.operations),
        view=", ".join(f"`{field.name}`" for field in dataclasses.fields(View)),
    )


def _task(workspace: Workspace, continues: str) -> str:
    settings = read_settings(workspace.parent / "scaffold.toml")
    return _page(
        "task",
        world=settings.world,
        summary=settings.summary,
        hooks_share=f"{settings.hooks_share:.0%}",
        runs=list(workspace.runs),
        history=list(workspace.history),
        continues=continues,
    )


def _documentation(module: Any) -> str:
    return str(module.__doc__).strip()


def _page(name: str, **variables: object) -> str:
    return templates(Path(__file__).parent / "prompts").get_template(f"{name}.md").render(**variables).strip()
