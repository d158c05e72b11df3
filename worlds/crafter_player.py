"""The `scripted` player of Crafter: rules, no language model. It knows the past only through the notebook."""

from dataclasses import replace
import re

from worlds.crafter_moves import Situation
from worlds.crafter_notes import Notes, advance, look, read_notes, write_change, write_notes
from worlds.crafter_rules import choose
from worlds.crafter_sight import DIRECTIONS, Sight, read_sight
from worlds.player import Decision, Prompt

MAP, GOALS = "map_notes.md", "crafting_progress.md"
_FEW_LINES = 24
"""When the map's file has this many lines it is written anew, shorter."""
_SECTION = re.compile(r"^## (\w[\w ]*)$", re.MULTILINE)
_FILE = re.compile(r"^- (.+) \((\d+) lines?\)$", re.MULTILINE)
ACHIEVEMENTS = (
    "collect_coal", "collect_diamond", "collect_drink", "collect_iron", "collect_sapling", "collect_stone",
    "collect_wood", "defeat_skeleton", "defeat_zombie", "eat_cow", "eat_plant", "make_iron_pickaxe", "make_iron_sword",
    "make_stone_pickaxe", "make_stone_sword", "make_wood_pickaxe", "make_wood_sword", "place_furnace", "place_plant",
    "place_stone", "place_table", "wake_up",
)  # fmt: skip
_PREY = {"cow": "eat_cow", "zombie": "defeat_zombie", "skeleton": "defeat_skeleton"}


class CrafterPolicy:
    """Plays Crafter by rules from one routine's messages; keeps nothing between calls."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """LOG: recall the notes, then record the step and be done. PLAN: recall the notes, then act."""
        sections = _sections(prompt.text)
        files = dict(_FILE.findall(sections.get("Notebook", "")))
        if not prompt.results:
            recalls = _recalls(prompt, files)
            if recalls:
                return recalls
        recalled = {name: _recalled(prompt, name) for name in (MAP, GOALS)}
        notes = read_notes(recalled[MAP])
        goals = frozenset(goal for goal in ACHIEVEMENTS if goal in recalled[GOALS])
        if prompt.routine == "LOG":
            return _log(prompt, sections, replace(notes, goals=goals)) + [("done", {})]
        return [("act", {"action": _plan(prompt, sections, notes, goals)})]


def _sections(text: str) -> dict[str, str]:
    parts = _SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=False))


def _recalls(prompt: Prompt, files: dict[str, str]) -> list[Decision]:
    wanted = [name for name in (MAP, GOALS) if files.get(name, "0") != "0"]
    if "read" in prompt.operations:
        return [("read", {"file": name}) for name in wanted]
    if "tail" in prompt.operations:
        return [("tail", {"file": name, "lines": 100}) for name in wanted]
    return []


def _recalled(prompt: Prompt, name: str) -> str:
    return "\n".join(text for title, text in prompt.results if name in title)


def _log(prompt: Prompt, sections: dict[str, str], notes: Notes) -> list[Decision]:
    if not {"append", "write"} & prompt.operations:
        return []
    before, now = read_sight(sections.get("Before", "")), read_sight(sections.get("Now", ""))
    action = sections.get("Action sent", "").strip()
    new = advance(notes, before, action, now, prompt.step)
    decisions: list[Decision] = []
    if "write" in prompt.operations and (notes.lines > _FEW_LINES or "append" not in prompt.operations):
        decisions.append(("write", {"file": MAP, "text": write_notes(new, prompt.step)}))
    else:
        decisions.append(("append", {"file": MAP, "text": write_change(notes, new, prompt.step)}))
    reached = [goal for goal in _reached(before, action, now) if goal not in notes.goals]
    if reached and "append" in prompt.operations:
        decisions.append(("append", {"file": GOALS, "text": f"step {prompt.step}: " + " ".join(reached)}))
    return decisions


def _reached(before: Sight, action: str, now: Sight) -> list[str]:
    """Goals that the change from one observation to the next proves."""
    reached = [
        f"collect_{item}"
        for item in ("coal", "diamond", "iron", "sapling", "stone", "wood")
        if now.has(item) > before.has(item)
    ]
    reached += [
        f"make_{tool}" for tool in now.inventory if tool.endswith(("_pickaxe", "_sword")) and not before.has(tool)
    ]
    for place, item in (("table", "wood"), ("furnace", "stone"), ("stone", "stone"), ("plant", "sapling")):
        if action == f"Place {place.title()}" and now.has(item) < before.has(item):
            reached.append(f"place_{place}")
    if action == "Do":
        if before.front == "water" and now.vitals["drink"] >= before.vitals["drink"]:
            reached.append("collect_drink")
        if before.front == "plant" and now.vitals["food"] > before.vitals["food"]:
            reached.append("eat_plant")
        if before.front in _PREY and now.distance(before.front) > 2:
            reached.append(_PREY[before.front])  # it is gone, and has not just walked away
    if before.sleeping and not now.sleeping and now.vitals["health"] >= before.vitals["health"]:
        reached.append("wake_up")
    return reached


def _plan(prompt: Prompt, sections: dict[str, str], notes: Notes, goals: frozenset[str]) -> str:
    sight = read_sight(sections.get("Now", prompt.text))
    lost = not notes.found and prompt.step > 1
    sent = sections.get("Action sent", "").strip()
    facing: str | None = notes.facing
    if lost:
        facing = sent[5:].lower() if sent.startswith("Move ") and sent[5:].lower() in DIRECTIONS else None
    if not notes.found:
        notes.facing = facing or "south"
        look(notes, sight)
    notes.goals = goals
    return choose(Situation(sight, notes, prompt.step, facing, lost))
