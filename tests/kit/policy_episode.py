"""Play a rule-based player without graphs or models: a world, a real notebook, and the prompts as v0 words them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from memory_fs import MemoryFS
from worlds import make_world
from worlds.players import Policy, Prompt

LOG = frozenset({"search", "read", "tail", "count", "append", "write", "create", "done"})
PLAN = frozenset({"search", "read", "tail", "count", "act"})
ACT_ONLY = frozenset({"act"})


@dataclass
class Played:
    """What came of an episode."""

    actions: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    positions: list[tuple[int, int]] = field(default_factory=list)
    """Where the engine says the player stood at each step; no prompt holds it."""
    died: bool = False
    progression: float = 0.0
    deepest: int = 0
    """The deepest level reached, where the world has levels."""
    observations: list[str] = field(default_factory=list)
    """What was shown before each action."""


def play(
    policy: Callable[[], Policy],
    seed: int,
    steps: int,
    notebook: MemoryFS | None,
    *,
    log: frozenset[str] = LOG,
    plan: frozenset[str] = PLAN,
    each_step: Callable[[int], None] = lambda step: None,
    world_name: str = "crafter",
    task: str | None = None,
) -> Played:
    """An episode; `policy` is asked for a player for every single call. No LOG without a notebook."""
    world = make_world(world_name, task, max_steps=steps)
    observation, info = world.reset(seed=seed)
    played = Played(positions=[tuple(info["statistics"]["position"])])
    allowed = plan if notebook else ACT_ONLY
    before = ""
    for step in range(1, steps + 1):
        now = f"## Now\n{observation['long']}\n\n{observation['short']}"
        if played.actions:
            now = f"## Action sent\n{played.actions[-1]}\n\n{now}"
        if notebook and before:
            _routine(policy, "LOG", step, f"## Before\n{before}\n\n{now}", notebook, log)
        action = _routine(policy, "PLAN", step, now, notebook, allowed)
        assert action in world.actions
        played.observations.append(now)
        each_step(step)
        before = f"{observation['long']}\n\n{observation['short']}"
        observation, _, played.died, truncated, info = world.step(action)
        played.actions.append(action)
        played.unlocked = info["statistics"].get("achievements", [])
        played.deepest = info["statistics"].get("deepest", 0)
        played.progression = info["progression"]
        played.positions.append(tuple(info["statistics"]["position"]))
        if played.died or truncated:
            break
    world.close()
    return played


def _routine(
    policy: Callable[[], Policy], routine: str, step: int, body: str, notebook: MemoryFS | None, allowed: frozenset[str]
) -> str | None:
    """One routine, ten turns at most; the action of a PLAN."""
    text = f"{routine} step {step}\n\n{body}"
    if notebook:
        notebook.mark(step, routine)
        files = "\n".join(f"- {name} ({lines} lines)" for name, lines in notebook.index().items())
        text += f"\n\n## Notebook\n{files}"
    results: tuple[tuple[str, str], ...] = ()
    for _ in range(10):
        for name, arguments in policy().decide(Prompt(routine, step, text, results, allowed)):
            assert name in allowed, f"{name} is not allowed in {routine}"
            if name in ("act", "done"):
                return str(arguments["action"]) if name == "act" else None
            results = (*results, _carried_out(notebook, name, arguments))
    raise AssertionError(f"{routine} of step {step} does not end")


def _carried_out(notebook: MemoryFS | None, name: str, arguments: dict[str, Any]) -> tuple[str, str]:
    result = getattr(notebook, name)(**arguments)
    assert result.code is None, result.text
    return f"{name.upper()} {next(iter(arguments.values()))}", result.text
