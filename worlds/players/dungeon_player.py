"""The `scripted` player of NetHack and MiniHack: rules, no language model. It knows the past only through the notebook.

PLAN recalls what the notebook says of the present level, and acts: stay alive, go down, explore, search. LOG writes
down, from the observations before and after an action, where it walked, stairs that came into view, what did nothing,
what was searched, when it prayed.
"""

import re
from collections.abc import Callable

from worlds.map_reading import STEPS, Place
from worlds.players import Decision, Prompt, sections
from worlds.players.boxoban import follow, read_puzzle, recall_plan
from worlds.players.boxoban import plan as boxoban_plan
from worlds.players.dungeon_answers import answer, food
from worlds.players.dungeon_exploring import cross, descend, explore, force, roam, seek, shake, venture, wander
from worlds.players.dungeon_notes import (
    MANY_LINES,
    MAP,
    PLAN,
    TRIED,
    listed,
    read_notes,
    recalls,
    recalls_whole,
    record,
    record_place,
)
from worlds.players.dungeon_paths import EASY
from worlds.players.dungeon_sight import Sight, read_sight
from worlds.players.dungeon_situation import COUNT, Situation

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


_PRAYER_EVERY = 800
"""Turns after which the gods answer again, most times."""
_FIRST_PRAYER = 110
"""The turn from which they answer at all: their patience starts at 300, and 200 is enough for who is in need."""
_RETREAT = 20
"""Steps a corridor may be away to withdraw to it."""


def choose(now: Situation) -> str:
    """The action to send."""
    answered = answer(now.sight, now.sent)
    if answered:
        return answered
    if now.full and now.sent in COUNT:
        return "0" if now.sent == "2" else "search"
    if now.sight.at is None:
        return "esc" if now.full else "north"
    return next(filter(None, (rule(now) for rule in _RULES)), "") or wander(now)


def recover(now: Situation) -> str:
    """Pray when life is short and the last prayer long ago; without a note of one, as if there had been none."""
    sight = now.sight
    low = sight.hp < 6 or sight.hp * 7 < sight.max_hp
    if not now.full or not (low or sight.hunger in ("Weak", "Fainting", "Fainted")):
        return ""
    if not low and food(sight.inventory):
        return ""
    last = now.notes.prayed
    if last is None:
        return "pray" if now.clock > _FIRST_PRAYER else ""
    return "pray" if now.clock > last + _PRAYER_EVERY else ""


def flee(now: Situation) -> str:
    """Down the stairs under the player, when something attacks and hit points are low."""
    weak = now.sight.hp * 3 < now.sight.max_hp
    return "down" if now.full and weak and now.threats and now.at in now.notes.stairs_down else ""


def fight(now: Situation) -> str:
    """Move into what is hostile and adjacent, straight before diagonally."""
    return min(now.threats, key=lambda way: len(way), default="")


def withdraw(now: Situation) -> str:
    """Into a corridor, where only one can bite at a time, when several do."""
    if len(now.threats) < 2 or now.ground.is_narrow(now.ground.start):
        return ""
    way = now.ground.way(now.ground.is_narrow, EASY, now.vain)
    return way.steps[0] if way and len(way.steps) <= _RETREAT else ""


def eat(now: Situation) -> str:
    """Eat when hungry, if there is something."""
    return "eat" if now.full and now.sight.hunger and food(now.sight.inventory) and not now.threats else ""


def rest(now: Situation) -> str:
    """Search twenty turns at a time until wounds have half healed, when nothing is near."""
    return now.heal() if now.sight.hp * 2 < now.sight.max_hp else ""


_RULES: tuple[Callable[[Situation], str], ...] = (
    recover, flee, withdraw, fight, eat, rest, shake, descend, roam, explore, cross, force, venture, seek,
)  # fmt: skip


_NUDGES = re.compile(r"oscillat|repeat|stuck|stagnat|circles", re.IGNORECASE)


class DungeonPolicy:
    """Plays NetHack and MiniHack by rules from one routine's messages; keeps nothing between calls."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """LOG: record the step and be done. PLAN: recall the notes, then act."""
        parts = {"Now": prompt.text} | sections(prompt.text)
        if prompt.routine == "LOG":
            return log(prompt, parts)
        sight = read_sight(parts["Now"])
        if sight is None:  # no map: a game that is over, or another world's text
            return [("act", {"action": "north"})]
        return _plan(prompt, parts, sight)


def _plan(prompt: Prompt, parts: dict[str, str], sight: Sight) -> list[Decision]:
    notebook, sent = parts.get("Notebook"), parts.get("Action sent", "").strip()
    puzzle = None if sight.turn is not None else read_puzzle(sight.seen)
    if puzzle is not None:
        wanted = [] if prompt.results else recall_plan(prompt, notebook)
        return wanted or [("act", {"action": follow(puzzle, prompt.step, prompt.results)})]
    if not answer(sight, sent):
        wanted = recalls_whole(prompt) if prompt.results else recalls(prompt, notebook, sight.level, _in_need(sight))
        if wanted:
            return wanted
    notes = read_notes(prompt.results, sight.level)
    nudged = bool(_NUDGES.search(parts.get("Notices", "")))
    return [("act", {"action": choose(Situation(sight, notes, prompt.step, sent, nudged))})]


def _in_need(sight: Sight) -> bool:
    return sight.hp < 6 or sight.hp * 7 < sight.max_hp or bool(sight.hunger)
