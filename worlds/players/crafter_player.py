"""The `scripted` player of Crafter: rules, no language model. It knows the past only through the notebook.

LOG recalls the notes and records where the player is, what it saw, what is gone. Achievements go into a file of their
own. PLAN recalls the files and acts on them and on the message's notices. The same rules play with and without notes:
without, no position, no landmark out of view and no goal but those the inventory proves is known, and the player
wanders by the step number in the prompt.
"""

import re
from dataclasses import replace

from worlds.players import Decision, Prompt, sections
from worlds.players import crafter_progress as progress
from worlds.players import crafter_survival as survival
from worlds.players.crafter_moves import explore
from worlds.players.crafter_notes import MAP, ROOMY, TRACK, Notes, keyed, read_notes, record
from worlds.players.crafter_reckoning import advance, look
from worlds.players.crafter_sight import DIRECTIONS, Sight, read_notices, read_sight
from worlds.players.crafter_situation import Situation

_RULES = (
    survival.fight,
    progress.craft,
    survival.stay,
    survival.shield,
    progress.harvest,
    progress.finish,
    survival.starve,
    survival.rest,
    progress.plant,
    survival.prepare,
    progress.set_up,
    survival.nap,
    survival.refresh,
    survival.heed,
    progress.pick_up,
    progress.gather,
)
"""Asked in this order; the first that names an action decides."""


def choose(now: Situation) -> str:
    """The action to send: what the first rule with an opinion wants, never a step into lava that is in view."""
    if now.sight.sleeping:
        return "Noop"
    action = next(filter(None, (rule(now) for rule in _RULES)), "") or explore(now, near="s")
    direction = action.removeprefix("Move ").lower()
    if direction in DIRECTIONS and "lava" in now.names(direction):  # this step could not be taken back
        return "Noop"
    return action


GOALS = "crafting_progress.md"
FILES = (MAP, TRACK, GOALS)
"""The files the player keeps; in a notebook of other files it adds them."""
ACHIEVEMENTS = (
    "collect_coal", "collect_diamond", "collect_drink", "collect_iron", "collect_sapling", "collect_stone",
    "collect_wood", "defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant", "make_iron_pickaxe", "make_iron_sword",
    "make_stone_pickaxe", "make_stone_sword", "make_wood_pickaxe", "make_wood_sword", "place_furnace", "place_plant",
    "place_stone", "place_table", "wake_up",
)  # fmt: skip
_PREY = {"cow": "eat_cow", "zombie": "defeat_zombie", "skeleton": "defeat_skeleton"}
_MATERIALS = ("coal", "diamond", "iron", "sapling", "stone", "wood")
_PLACED = {"table": "wood", "furnace": "stone", "stone": "stone", "plant": "sapling"}
_FILE = re.compile(r"^- (.+) \((\d+) lines?\)$", re.MULTILINE)


class CrafterPolicy:
    """Plays Crafter by rules from one routine's messages; keeps nothing between calls."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """LOG: recall the notes, then record the step and be done. PLAN: recall the notes, then act."""
        log = prompt.routine == "LOG"
        if log and not prompt.operations & {"append", "write"}:
            return [("done", {})]
        parts = sections(prompt.text)
        if not prompt.results:
            recalls = _recalls(prompt, parts.get("Notebook"))
            if recalls:
                return recalls
        recalled = {name: _recalled(prompt, name) for name in FILES}
        notes = read_notes(f"{recalled[MAP]}\n{recalled[TRACK]}" if recalled[TRACK] else recalled[MAP])
        notes.goals = frozenset(goal for goal in ACHIEVEMENTS if goal in recalled[GOALS])
        return _log(prompt, parts, notes) if log else [("act", {"action": _plan(prompt, parts, notes)})]


def _recalls(prompt: Prompt, notebook: str | None) -> list[Decision]:
    """How to read the files that are there and not empty; all of them when the message does not list files."""
    listed = dict(_FILE.findall(notebook)) if notebook is not None else {MAP: "?", GOALS: "?"}
    wanted = [name for name in FILES if listed.get(name, "0") != "0"]
    if "read" in prompt.operations:
        return [("read", {"file": name}) for name in wanted]
    if "tail" in prompt.operations:
        return [("tail", {"file": name, "lines": 100}) for name in wanted]
    if "search" in prompt.operations:  # every line that names a place or a goal
        return [
            ("search", {"file": name, "keyword": key})
            for name, key in ((MAP, ","), (TRACK, " "), (GOALS, "_"))
            if name in wanted
        ]
    return []


def _recalled(prompt: Prompt, name: str) -> str:
    return "\n".join(text for title, text in prompt.results if name in title)


def _log(prompt: Prompt, parts: dict[str, str], notes: Notes) -> list[Decision]:
    if "Now" not in parts:
        return [("done", {})]
    before, now = read_sight(parts.get("Before", "")), read_sight(parts["Now"])
    action = parts.get("Action sent", "").strip()
    if keyed(prompt):
        notes.room = ROOMY
    decisions = record(prompt, notes, advance(notes, before, action, now, prompt.step))
    reached = [goal for goal in _reached(before, action, now) if goal not in notes.goals]
    if reached and "append" in prompt.operations:
        decisions.append(("append", {"file": GOALS, "text": f"step {prompt.step}: {' '.join(reached)}"}))
    return [*decisions, ("done", {})]


def _reached(before: Sight, action: str, now: Sight) -> list[str]:
    """Goals that the change from one observation to the next proves."""
    reached = [f"collect_{item}" for item in _MATERIALS if now.has(item) > before.has(item)]
    reached += [
        f"make_{tool}" for tool in now.inventory if tool.endswith(("_pickaxe", "_sword")) and not before.has(tool)
    ]
    placed = action.removeprefix("Place ").lower()
    if placed in _PLACED and now.has(_PLACED[placed]) < before.has(_PLACED[placed]):
        reached.append(f"place_{placed}")
    if action == "Do":
        if before.front == "water" and now.vitals["drink"] >= before.vitals["drink"]:
            reached.append("collect_drink")
        if before.front == "plant" and now.vitals["food"] > before.vitals["food"]:
            reached.append("eat_plant")
        if before.front in _PREY and now.distance(before.front) > 2:
            reached.append(_PREY[before.front])  # it is gone, and has not just walked away
    if before.sleeping and not now.sleeping and now.vitals["health"] >= before.vitals["health"]:
        reached.append("wake_up")
    return [goal for goal in reached if goal in ACHIEVEMENTS]


def _plan(prompt: Prompt, parts: dict[str, str], notes: Notes) -> str:
    sight = read_sight(parts.get("Now", prompt.text))
    lost = not notes.found and prompt.step > 1
    if lost:
        turned = parts.get("Action sent", "").strip().removeprefix("Move ").lower()
        notes.facing = turned if turned in DIRECTIONS else ""
    if not notes.found:
        look(notes, sight)
    notes = replace(notes, goals=notes.goals | {f"make_{tool}" for tool in sight.inventory})
    notices = read_notices(parts.get("Notices", ""))
    return choose(Situation(sight, notes, prompt.step, notes.facing or None, lost, notices))
