"""The curator: an agent that selects training examples, until there is a selection with its reasons, and a recipe."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graphs.agent.loop import AgentLimits, run_agent, templates
from graphs.agent.transcript import Transcript, present_task
from graphs.curator.policy_tools import policy_tools
from graphs.curator.selection_tools import selection_tools, survivors
from graphs.curator.workspace import Workspace
from training.recipe import Recipe
from training.selection import PolicyError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

_PROMPTS = templates(Path(__file__).parent / "prompts")
ROUNDS = 4
"""Times that a curator is reminded of what is missing before its iteration ends without a training."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the curator's first message says of its iteration."""

    iteration: int
    """From 1."""
    iterations: int
    player: str
    """Who played the traces."""
    base: str
    gameplay: str
    minimum: int
    """Examples that must be left, at least."""
    recipe: str | None
    """Name of the recipe to start from."""
    start: Recipe | None = None
    """That recipe, where it is not a shipped one."""


@dataclass(frozen=True, slots=True)
class Curation:
    """How a curator's work ended."""

    recipe: Recipe | None
    """None if it did not come to one."""
    reason: str


async def curate(
    workspace: Workspace,
    task: Task,
    ledger: Path,
    earlier: Mapping[int, Path],
    model: BaseChatModel,
    limits: AgentLimits,
    sent_back: Sequence[str] = (),
) -> Curation:
    """Let the model curate in `workspace`. Its conversation, ITERATION/curator.jsonl, goes on where it stopped.

    `earlier`: the folders of earlier iterations, by number. `sent_back`: what was wrong, each time it was, with what
    the curator left so far. ProviderFailure where the provider stays away.
    """
    transcript = workspace.iteration / "curator.jsonl"
    tools = await asyncio.to_thread(_tools, workspace, task, ledger, earlier)
    system = _PROMPTS.get_template("system.md").render()
    message = await asyncio.to_thread(_message, workspace, task, earlier, sent_back)
    for reminder in range(1, ROUNDS + 1):
        done = await run_agent(
            model, tools, system=system, message=message, transcript=transcript, limits=limits, name="curator"
        )
        if not done.finished:
            return Curation(None, done.reason)
        faults = await asyncio.to_thread(missing, workspace, task)
        if not faults:
            return Curation(workspace.recipe(), "it answered")
        times = f"{len(sent_back)}.{reminder}"  # makes the message a new one: an equal one would count as answered
        message = _PROMPTS.get_template("missing.md").render(faults=faults, times=times)
    return Curation(None, f"after {ROUNDS} rounds: {'; '.join(faults)}")


def _tools(workspace: Workspace, task: Task, ledger: Path, earlier: Mapping[int, Path]) -> list[BaseTool]:
    recipes = {task.recipe: task.start} if task.recipe and task.start else {}
    return [*selection_tools(workspace), *policy_tools(workspace, ledger, earlier, recipes)]


def _message(workspace: Workspace, task: Task, earlier: Mapping[int, Path], sent_back: Sequence[str]) -> str:
    """What the curator answers next: what was just sent back, the last message of its conversation, or its task."""
    transcript = workspace.iteration / "curator.jsonl"
    message = present_task(transcript) or _opening(workspace, task, earlier)
    if sent_back:
        returned = _PROMPTS.get_template("sent_back.md").render(time=len(sent_back), fault=sent_back[-1])
        with Transcript(transcript) as conversation:
            return message if any(one.text == returned for one in conversation.messages) else returned
    return message


def missing(workspace: Workspace, task: Task) -> list[str]:
    """What the curator has still to do, a sentence each. If that is nothing, the selection is saved."""
    faults = []
    recipe = workspace.recipe()
    if recipe is None:
        faults.append("There is no recipe: write_recipe.")
    if recipe is not None and recipe.data.source == "reuse":
        return faults
    if not workspace.logic_file.exists():
        faults.append("There is no selection logic: write_selection_logic, with accepted and rejected examples.")
    try:
        selection = workspace.select()
    except PolicyError as error:
        return [*faults, str(error)]
    _, kept = survivors(workspace, selection)
    least = max(task.minimum, recipe.data.minimum_examples if recipe else 1)
    if kept < least:
        faults.append(f"{kept} examples are left after post-processing, at least {least} are needed: select more.")
    if not faults:
        workspace.save(selection)
    return faults


def _opening(workspace: Workspace, task: Task, earlier: Mapping[int, Path]) -> str:
    return _PROMPTS.get_template("task.md").render(
        iteration=task.iteration,
        iterations=task.iterations,
        candidates=len(workspace.candidates),
        run=workspace.run.path.name,
        player=task.player,
        scaffold=workspace.source.scaffold.name,
        base=task.base,
        gameplay=task.gameplay,
        minimum=task.minimum,
        recipe=task.recipe,
        earlier=", ".join(str(number) for number in sorted(earlier)),
    )
