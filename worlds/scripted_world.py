"""A small world of our own, without an engine: a corridor of locked doors, whose codes are on notes that crumble.

The notes hang near the west end, a door for each of them lies further east, and a note can be read once. So a code is
seen at one step and needed many steps later: without notes one can only guess, and three wrong guesses end it.
"""

import random
from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

from worlds.world import Actions, Frame, Observation, Turn, World

DIGITS = ("1", "2", "3", "4")
CODE_LENGTH = 3
GUESSES = 3
"""Wrong codes that end the episode."""

TASKS = {"one-door": 1, "three-doors": 3, "six-doors": 6}
"""Doors of each task."""

_COLOURS = ("red", "green", "blue", "white", "black", "yellow", "purple", "orange")

ACTIONS = Actions(
    {
        "Wait": "do nothing",
        "Go West": "walk one room to the west",
        "Go East": "walk one room to the east, unless a locked door is in the way",
        "Read Note": "read the note in this room; it crumbles as you do",
        **{f"Press {digit}": f"press {digit} on the dial of the locked door in this room" for digit in DIGITS},
    },
    default="Wait",
)


@dataclass
class _Corridor:
    """The state of one episode. Rooms are numbered from 0 in the west."""

    notes: dict[int, str]
    """Room → colour of the door that its unread note is about."""
    doors: dict[int, str]
    """Room → colour of the locked door in its east wall."""
    codes: dict[str, str]
    room: int = 0
    dial: str = ""
    wrong: int = 0
    opened: list[str] = field(default_factory=list)


def _build(seed: int, doors: int) -> _Corridor:
    # random.Random and not numpy: its shuffle, sample and choices are fixed by the language for an integer seed
    chance = random.Random(seed)
    colours = chance.sample(_COLOURS, doors)
    codes = {colour: "".join(chance.choices(DIGITS, k=CODE_LENGTH)) for colour in colours}
    notes = dict(enumerate(chance.sample(colours, doors), start=1))
    room = doors + 1
    places: dict[int, str] = {}
    for colour in colours:
        room += chance.randint(1, 4)
        places[room] = colour
    return _Corridor(notes, places, codes)


class VaultWorld(World):
    """The scripted world. A reward of 1 for each door; progression is the share of doors opened."""

    name = "vault"
    tasks = tuple(TASKS)
    actions = ACTIONS

    _corridor: _Corridor

    def _reset(self, seed: int) -> Turn:
        self._corridor = _build(seed, TASKS[self.task])
        return self._turn("You stand at the west end of a long corridor.", 0.0)

    def _step(self, action: str) -> Turn:
        opened = len(self._corridor.opened)
        verb, _, rest = action.partition(" ")
        message = {"Wait": _wait, "Go": _go, "Read": _read, "Press": _press}[verb](self._corridor, rest)
        return self._turn(message, float(len(self._corridor.opened) - opened))

    def _turn(self, message: str, reward: float) -> Turn:
        now, doors = self._corridor, TASKS[self.task]
        end = "solved" if len(now.opened) == doors else "caught" if now.wrong >= GUESSES else None
        return Turn(
            Observation(long=_surroundings(now, message), short=_status(now, doors)),
            reward,
            progression=len(now.opened) / doors,
            statistics={"opened": list(now.opened), "wrong_codes": now.wrong, "room": now.room},
            end_reason=end,
        )

    def truth(self) -> str:
        """The code of each locked door, where the doors are and where you are."""
        now = self._corridor
        doors = (
            f"The {colour} door opens with {' '.join(now.codes[colour])}; it is in the east wall of room {room}."
            for room, colour in now.doors.items()
        )
        return "".join(f"{line}\n" for line in (f"You are in room {now.room}, counted from the west.", *doors))

    def branch(self) -> World:
        """An exact copy of the running episode."""
        twin = cast(VaultWorld, self._twin())
        twin._corridor = deepcopy(self._corridor)
        return twin

    def frame(self) -> Frame:
        """The corridor as text: `@` you, `n` a note, `|` a locked door, `.` an empty room."""
        now = self._corridor
        last = max((*now.doors, now.room), default=0) + 1
        rooms = ("@" if room == now.room else "n" if room in now.notes else "." for room in range(last + 1))
        return "".join(cell + ("|" if room in now.doors else " ") for room, cell in enumerate(rooms)).rstrip()


def _wait(now: _Corridor, _: str) -> str:
    return "Time passes."


def _go(now: _Corridor, direction: str) -> str:
    if direction == "East" and now.room in now.doors:
        return f"The {now.doors[now.room]} door is locked."
    if direction == "West" and now.room == 0:
        return "The corridor ends here."
    now.room += 1 if direction == "East" else -1
    now.dial = ""
    return f"You walk {direction.lower()}."


def _read(now: _Corridor, _: str) -> str:
    colour = now.notes.pop(now.room, None)
    if colour is None:
        return "There is no note here."
    return f"The note says: the {colour} door opens with {' '.join(now.codes[colour])}. The note crumbles to dust."


def _press(now: _Corridor, digit: str) -> str:
    colour = now.doors.get(now.room)
    if colour is None:
        return "There is no dial here."
    now.dial += digit
    if len(now.dial) < CODE_LENGTH:
        return f"The dial clicks at {digit}."
    right = now.dial == now.codes[colour]
    now.dial = ""
    if not right:
        now.wrong += 1
        return "An alarm rings: wrong code." if now.wrong < GUESSES else "An alarm rings: the guards have caught you."
    del now.doors[now.room]
    now.opened.append(colour)
    return f"The {colour} door opens."


def _surroundings(now: _Corridor, message: str) -> str:
    sights = []
    if now.room in now.notes:
        sights.append("- a note on the wall")
    if now.room in now.doors:
        sights.append(f"- a locked {now.doors[now.room]} door to the east, with a dial")
    return f"{message}\n\nYou see:\n" + "\n".join(sights or ["- an empty room"])


def _status(now: _Corridor, doors: int) -> str:
    dial = " ".join(now.dial) or "nothing"
    return f"Doors opened: {len(now.opened)} of {doors}\nWrong codes: {now.wrong} of {GUESSES}\nDialled: {dial}"
