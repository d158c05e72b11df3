"""What the rule-based player of the dungeons writes down in LOG: facts that the two observations of a step prove."""

import re

from worlds.boxoban_player import plan as boxoban_plan
from worlds.dungeon_notes import MANY_LINES, MAP, PLAN, TRIED, listed, record, record_place
from worlds.dungeon_sight import Sight, read_sight
from worlds.map_reading import STEPS, Place
from worlds.player import Decision, Prompt

_PEACEFUL = re.compile(r"Really attack (?:the )?(?:peaceful )?([\w' -]{1,30})\?")
_KICKED = re.compile(r"WHAMM|door", re.IGNORECASE)
_NUMBERED = re.compile(r"^\d+: ", re.MULTILINE)
_RECORDS = frozenset({"append", "upsert", "upsert_map"})
_STARTS = frozenset({"kick", "zap", "travel", "eat", "pray", "esc", *"0123456789"})
"""Actions that only open or leave a question: that nothing happened says nothing about them."""


def log(prompt: Prompt, parts: dict[str, str]) -> list[Decision]:
    """Record what the step has shown, and be done; first shorten a file that has grown long."""
    before, now = read_sight(parts.get("Before", "")), read_sight(parts["Now"])
    if before is None or now is None or not prompt.operations & _RECORDS:
        return [("done", {})]
    long = _too_long(prompt, parts.get("Notebook"))
    if long and not prompt.results:
        return [("search", {"file": long, "keyword": now.level})]
    decisions = [_shortened(long, prompt.results[0][1])] if long else []
    sent = parts.get("Action sent", "").strip()
    decisions += boxoban_plan(prompt, parts.get("Notebook"), before, now) if now.turn is None else []
    for record_some in (_places, _tried, _prayer):
        decisions += record_some(prompt, before, now, sent)
    return [*decisions, ("done", {})]


def _too_long(prompt: Prompt, notebook: str | None) -> str:
    if not {"search", "write"} <= prompt.operations:
        return ""
    return next((name for name, lines in listed(notebook).items() if name in (MAP, TRIED) and lines > MANY_LINES), "")


def _shortened(file: str, recalled: str) -> Decision:
    """What a recall shows of the present level, as the whole file."""
    lines = _NUMBERED.sub("", recalled.partition("\n")[2]).split("\n")
    return "write", {
        "file": file,
        "text": "\n".join(line for line in lines if "<" not in line),
    }  # no tag of a dialect's


def _places(prompt: Prompt, before: Sight, now: Sight, sent: str) -> list[Decision]:
    """Where the player walked, and stairs that came into view."""
    if now.at is None or now.page:
        return []
    decisions: list[Decision] = []
    came = before.level != now.level
    if came or before.at != now.at:
        start = before.at if before.at and not came and sent.removeprefix("far ") in STEPS else now.at
        decisions += record_place(prompt, now.level, start, now.at, f"walked at step {prompt.step}")
    for stairs in now.seen.stairs_down:
        if came or stairs not in before.seen.stairs_down:
            decisions += record_place(prompt, now.level, stairs, stairs, "stairs down")
    if (
        before.seen.at(*now.at) == ">" and before.at != now.at and not came
    ):  # a line per place: it must not say "walked"
        decisions += record_place(prompt, now.level, now.at, now.at, "stairs down")
    return decisions


def _tried(prompt: Prompt, before: Sight, now: Sight, sent: str) -> list[Decision]:
    """What did nothing, what was searched, what a door took, who is peaceful."""
    clock = prompt.step if now.turn is None else now.turn
    at = before.at or now.at
    if at is None:
        return []
    facts: list[tuple[Place, str]] = []
    peaceful = _PEACEFUL.search(now.message)
    if peaceful:
        facts.append((at, f"peaceful {peaceful[1]}"))
    if sent == "search":
        passed = 1 if now.turn is None or before.turn is None else now.turn - before.turn
        facts.append((at, f"searched {passed} to {clock}"))
    if sent in STEPS:
        there = Place(at.x + STEPS[sent][0], at.y + STEPS[sent][1])
        if "In what direction" in before.message and _KICKED.search(now.message):
            facts.append((there, f"kicked to {clock}"))
        elif "door is locked" in now.message:
            facts.append((there, "locked"))
    if sent == "wait" and "staircase" in before.message and now.at is not None and before.turn == now.turn:
        facts.append((now.at, f"vain travel at step {prompt.step}"))
    elif not facts and _in_vain(before, now, sent):
        facts.append((at, f"vain {sent} at step {prompt.step}"))
    return [
        decision
        for place, text in facts
        for decision in record(prompt, TRIED, f"{now.level} {place.x},{place.y}", text)
    ]


def _in_vain(before: Sight, now: Sight, sent: str) -> bool:
    """Whether an action has done nothing at all: same place, same turn, and nothing was in the way that can go."""
    if sent in _STARTS or before.asked or now.asked or before.at != now.at or before.at is None:
        return False
    if before.turn != now.turn or before.level != now.level or before.hp != now.hp:
        return False
    direction = sent.removeprefix("far ")
    if direction not in STEPS:
        return sent not in ("search", "wait")
    there = Place(now.at.x + STEPS[direction][0], now.at.y + STEPS[direction][1]) if now.at else None
    return there is not None and direction not in before.creatures and before.seen.at(*there) == now.seen.at(*there)


def _prayer(prompt: Prompt, before: Sight, now: Sight, sent: str) -> list[Decision]:
    if sent != "y" or "want to pray" not in before.message:
        return []
    return record(prompt, PLAN, f"step {prompt.step}:", f"prayed at {now.turn or prompt.step}")
