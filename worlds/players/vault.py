"""Rules that play the scripted world, so that the whole system can be tested without an engine or a language model."""

import re

from worlds.players import Decision, Prompt
from worlds.scripted_world import CODE_LENGTH

NOTES_FILE = "codes.md"
"""Where the rules keep door codes: lines such as `red 3 1 4`."""
ROOMS_FILE = "rooms.md"
"""Where they keep what else they saw, if the notebook has such a file: lines such as `5: empty room`."""

_NOTE = re.compile(r"the (\w+) door opens with ((?:\d ?)+)")
_DOOR = re.compile(r"a locked (\w+) door")
_SIGHT = re.compile(r"^- (?:an? )?(.*)$", re.MULTILINE)
_DIALLED = re.compile(r"^Dialled: (.*)$", re.MULTILINE)


class VaultPolicy:
    """Reads every note, writes its code down in LOG, looks it up in PLAN at the door; without a notebook it guesses.

    In a notebook with a file of rooms it writes down what else it sees, and looks back at it on its way.
    """

    def decide(self, prompt: Prompt) -> list[Decision]:
        """The next operations of the routine."""
        now = prompt.text.partition("## Now")[2]
        return _log(prompt, now) if prompt.routine == "LOG" else _plan(prompt, now)


def _log(prompt: Prompt, now: str) -> list[Decision]:
    written: list[Decision] = []
    if not prompt.results and "append" in prompt.operations:
        note, sight = _NOTE.search(now), _SIGHT.search(now)
        if note:
            written.append(("append", {"file": NOTES_FILE, "text": f"{note[1]} {note[2].strip()}"}))
        elif sight and _has_rooms(prompt):
            written.append(("append", {"file": ROOMS_FILE, "text": f"{prompt.step}: {sight[1].split(',')[0]}"}))
    return [*written, ("done", {})]


def _plan(prompt: Prompt, now: str) -> list[Decision]:
    door = _DOOR.search(now)
    if door is None and not prompt.results and "search" in prompt.operations and _has_rooms(prompt):
        return [("search", {"file": ROOMS_FILE, "keyword": "note"})]
    if "- a note on the wall" in now:
        return [_act("Read Note")]
    if door is None:
        return [_act("Go East")]
    if not prompt.results and "search" in prompt.operations:
        return [("search", {"file": NOTES_FILE, "keyword": door[1]})]
    dialled = _DIALLED.search(now)
    pressed = len(re.findall(r"\d", dialled[1])) if dialled else 0
    code = _code(door[1], prompt.results)
    return [_act(f"Press {code[pressed]}")]


def _has_rooms(prompt: Prompt) -> bool:
    return f"\n- {ROOMS_FILE} (" in prompt.text


def _code(colour: str, results: tuple[tuple[str, str], ...]) -> str:
    """The code found for a door, else a guess that is the same at every step, as each digit is asked for alone."""
    found = re.search(
        rf"\b{colour} (?:door opens with )?((?:\d ?){{{CODE_LENGTH}}})", "\n".join(text for _, text in results)
    )
    return found[1].replace(" ", "") if found else "1" * CODE_LENGTH


def _act(action: str) -> Decision:
    return "act", {"action": action}
