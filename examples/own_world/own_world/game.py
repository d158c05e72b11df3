"""A cellar of rooms. A letter, shown once, says which key opens which box; one can carry a single key."""

import gymnasium

from worlds import Actions, World
from worlds.gymnasium_world import GymnasiumWorld

ROOMS = ("hall", "kitchen", "pantry", "study", "chapel", "stable", "armoury", "library", "crypt")
KEYS, COLOURS = ("brass", "iron", "silver", "bone", "glass"), ("red", "green", "blue", "white", "black")
WAYS = {"north": (0, -1), "south": (0, 1), "east": (1, 0), "west": (-1, 0)}
BOXES = {"one-box": 1, "three-boxes": 3}
ACTIONS = Actions(
    {
        "Wait": "do nothing",
        **{f"Go {way}": f"walk through the door in the {way}" for way in WAYS},
        "Take": "take the key of this room; a key you carry is left here",
        "Open": "try the key you carry on the box of this room",
    },
    default="Wait",
)


class Cellar(gymnasium.Env[dict[str, str], str]):
    """A reward of 1 for each box that is opened; progression is their share."""

    def __init__(self, boxes: int) -> None:
        self.boxes = boxes

    def reset(self, *, seed=None, options=None):  # type: ignore[no-untyped-def]
        """Build the cellar of this seed: rooms grow one by one beside those that are there."""
        super().reset(seed=seed)
        draw = self.np_random
        self.at = {(0, 0): ROOMS[0]}
        for room in draw.permutation(ROOMS[1:]).tolist():
            free = sorted({(x + i, y + j) for x, y in self.at for i, j in WAYS.values()} - set(self.at))
            self.at[free[draw.integers(len(free))]] = room
        rooms = draw.permutation(ROOMS[1:]).tolist()
        keys, colours = draw.permutation(KEYS).tolist(), draw.permutation(COLOURS).tolist()
        self.fits = dict(zip(colours[: self.boxes], keys[: self.boxes], strict=True))
        self.box = dict(zip(rooms, self.fits, strict=False))
        self.key = dict(zip(rooms[self.boxes :], keys, strict=False))
        self.place, self.hand, self.opened = (0, 0), "", []
        letter = " ".join(f"The {colour} box opens with the {key} key." for colour, key in self.fits.items())
        return self._seen(f"A letter lies here and falls to dust as you read it: {letter}"), self._info()

    def step(self, action):  # type: ignore[no-untyped-def]
        """One action; the episode ends when all boxes are open."""
        before = len(self.opened)
        said = {"Go": self._go, "Take": self._take, "Open": self._open}.get(action.split()[0], lambda _: "Time passes.")
        text = said(action.rpartition(" ")[2])
        gained = float(len(self.opened) - before)
        return self._seen(text), gained, len(self.opened) == self.boxes, False, self._info()

    def _go(self, way: str) -> str:
        there = (self.place[0] + WAYS[way][0], self.place[1] + WAYS[way][1])
        if there not in self.at:
            return f"There is no door in the {way}."
        self.place = there
        return f"You walk {way}."

    def _take(self, _: str) -> str:
        room, left = self.at[self.place], self.hand
        if room not in self.key:
            return "There is no key here."
        self.hand = self.key.pop(room)
        if left:
            self.key[room] = left
        return f"You take the {self.hand} key" + (f" and leave the {left} key." if left else ".")

    def _open(self, _: str) -> str:
        colour = self.box.get(self.at[self.place], "")
        if not colour or colour in self.opened:
            return "There is no locked box here."
        if self.fits[colour] != self.hand:
            return "The key does not fit." if self.hand else "You have no key."
        self.opened.append(colour)
        return f"The {colour} box is open."

    def _seen(self, said: str) -> dict[str, str]:
        x, y = self.place
        room = self.at[self.place]
        doors = [way for way, (i, j) in WAYS.items() if (x + i, y + j) in self.at]
        things = [f"- the {self.key[room]} key"] if room in self.key else []
        things += [f"- the {self.box[room]} box"] if room in self.box else []
        long = "\n".join([said, "", f"Room: {room}", f"Doors: {', '.join(doors)}", *things])
        hand = f"the {self.hand} key" if self.hand else "nothing"
        return {"long": long, "short": f"You carry: {hand}\nOpen boxes: {', '.join(self.opened) or 'none'}"}

    def _info(self) -> dict[str, object]:
        share = len(self.opened) / self.boxes
        return {"progression": share, "end_reason": "solved" if share == 1 else None}


def make_cellar(task: str, max_steps: int) -> World:
    """The world of a task."""
    return GymnasiumWorld(Cellar(BOXES[task]), name="cellar", task=task, max_steps=max_steps, actions=ACTIONS)
