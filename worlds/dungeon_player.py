"""The `scripted` player of NetHack and MiniHack: rules, no language model. It knows the past only through the notebook.

PLAN recalls what the notebook says of the present level, and acts. LOG writes down, from the observations before and
after an action, where it walked, stairs that came into view, what did nothing, what was searched, when it prayed.
"""

import re

from worlds.boxoban_player import follow, recall_plan
from worlds.boxoban_solver import read_puzzle
from worlds.dungeon_answers import answer
from worlds.dungeon_logging import log
from worlds.dungeon_notes import read_notes, recalls, recalls_whole
from worlds.dungeon_rules import choose
from worlds.dungeon_sight import Sight, read_sight, sections
from worlds.dungeon_situation import Situation
from worlds.player import Decision, Prompt

_NUDGES = re.compile(r"oscillat|repeat|stuck|stagnat|circles", re.IGNORECASE)


class DungeonPolicy:
    """Plays NetHack and MiniHack by rules from one routine's messages; keeps nothing between calls."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """LOG: record the step and be done. PLAN: recall the notes, then act."""
        parts = sections(prompt.text)
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
