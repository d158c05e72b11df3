"""Every hook there is, on observations of Crafter: notices, files kept by code, repaired and vetoed actions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from scaffolds import NotebookView, Repair, Send, Veto, View

STATUS = ("health", "food", "drink", "energy")
LOW = 3
"""Status at or below this is worth a notice: some 60 to 90 steps are left before health suffers."""
STUCK = 3
"""Times an action must change nothing before the model is told."""
THREATS = {"zombie": 4, "skeleton": 4, "arrow": 3, "lava": 2}
"""What is dangerous, and within how many steps."""

NEEDS = {
    "Place Stone": {"stone": 1},
    "Place Table": {"wood": 2},
    "Place Furnace": {"stone": 4},
    "Place Plant": {"sapling": 1},
    "Make Wood Pickaxe": {"wood": 1},
    "Make Stone Pickaxe": {"wood": 1, "stone": 1},
    "Make Iron Pickaxe": {"wood": 1, "coal": 1, "iron": 1},
    "Make Wood Sword": {"wood": 1},
    "Make Stone Sword": {"wood": 1, "stone": 1},
    "Make Iron Sword": {"wood": 1, "coal": 1, "iron": 1},
}
TOOLS = {"stone": "wood_pickaxe", "coal": "wood_pickaxe", "iron": "stone_pickaxe", "diamond": "iron_pickaxe"}
WORDS = {
    **{"left": "west", "right": "east", "up": "north", "down": "south", "go": "move", "walk": "move"},
    **{"craft": "make", "build": "make", "put": "place", "wooden": "wood", "axe": "pickaxe", "sapling": "plant"},
    **{"wait": "noop", "collect": "do", "attack": "do", "interact": "do", "drink": "do", "eat": "do", "rest": "sleep"},
}
_THING = re.compile(r"^- (\w+) (\d+) steps? to your ([a-z-]+)$", re.MULTILINE)
_COUNT = re.compile(r"^- (\w+): (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Scene:
    """An observation, read."""

    things: dict[str, tuple[int, str]]
    """Nearest thing of each kind: steps away, direction."""
    front: str
    status: dict[str, int]
    inventory: dict[str, int]
    asleep: bool


def _read(observation: Mapping[str, str]) -> Scene:
    front = re.search(r"You face (\w+) at your front", observation["long"])
    counts = {name: int(count) for name, count in _COUNT.findall(observation["short"])}
    return Scene(
        things={name: (int(steps), where) for name, steps, where in _THING.findall(observation["long"])},
        front=front[1] if front else "nothing",
        status={name: counts[name] for name in STATUS if name in counts},
        inventory={name: count for name, count in counts.items() if name not in STATUS},
        asleep=observation["long"].startswith("You are sleeping"),
    )


class Hooks:
    """State of one episode: the last scene, and for how long the same action has changed nothing."""

    def __init__(self) -> None:
        self._last: Scene | None = None
        self._action: str | None = None
        self._idle = 0

    def observe(self, view: View) -> list[str]:
        """Low status, gains and losses, threats close by, an action that keeps changing nothing."""
        scene = _read(view.observation)
        notices = [f"{name} is down to {value}" for name, value in scene.status.items() if value <= LOW]
        if self._last is not None:
            notices += _gains_and_losses(self._last.inventory, scene.inventory)
        notices += [
            f"danger: {name} {steps} step{'s' if steps > 1 else ''} to your {where}"
            for name, (steps, where) in scene.things.items()
            if steps <= THREATS.get(name, 0)
        ]
        same = scene == self._last and view.action == self._action and view.action not in (None, "Noop", "Sleep")
        self._idle = self._idle + 1 if same else 0
        if self._idle >= STUCK:
            notices.append(f"{view.action} has changed nothing {self._idle} times in a row: try something else")
        self._last, self._action = scene, view.action
        return notices

    def maintain(self, view: View, notebook: NotebookView) -> None:
        """Keep the last status, and the step at which each thing was first held."""
        scene = _read(view.observation)
        counts = [f"{name} {count}" for name, count in {**scene.status, **scene.inventory}.items()]
        notebook.write("status.md", f"step {view.step}: " + ", ".join(counts))
        for name in scene.inventory:
            if notebook.count("milestones.md", f": {name},").total == 0:
                notebook.append("milestones.md", f"step {view.step}: {name}, for the first time")

    def act(self, action: str, view: View) -> Send | Repair | Veto:
        """Mend a near miss of an action's name; hold back an action whose needs are plainly not met."""
        meant = action if action in view.actions else _meant(action, list(view.actions))
        if meant is None:
            return Send(action)  # not ours to guess: the graph answers what no action is
        missing = _missing(meant, _read(view.observation))
        if missing:
            return Veto(f"{meant} would do nothing good now: {missing}")
        return Send(action) if meant == action else Repair(meant, f"{action!r} was read as {meant!r}")


def _gains_and_losses(before: dict[str, int], after: dict[str, int]) -> list[str]:
    names = sorted(before.keys() | after.keys())
    changes = [f"{after.get(n, 0) - before.get(n, 0):+d} {n}" for n in names if before.get(n, 0) != after.get(n, 0)]
    return [f"inventory since the last step: {', '.join(changes)}"] if changes else []


def _meant(action: str, names: list[str]) -> str | None:
    words = re.findall(r"[a-z]+", action.lower())
    text = " ".join(WORDS.get(word, word) for word in words)
    lower = {name.lower(): name for name in names}
    if text in lower:
        return lower[text]
    if words and WORDS.get(words[0], words[0]) == "do":  # "collect wood": the thing is in front, or it is not
        return lower.get("do")
    near = get_close_matches(text, lower, n=1, cutoff=0.85)
    return lower[near[0]] if near else None


def _missing(action: str, scene: Scene) -> str:
    """What keeps the action from working, as far as the observation is certain about it; else nothing."""
    if scene.asleep:  # whatever is sent, the sleep goes on
        return ""
    for name, count in NEEDS.get(action, {}).items():
        held = scene.inventory.get(name, 0)
        if held < count:
            return f"it needs {count} {name}, you hold {held}"
    if action.startswith("Make ") and scene.things:  # at the world's edge nothing is listed: then nothing is certain
        stations = ("table", "furnace") if "Iron" in action else ("table",)
        for station in stations:
            if scene.things.get(station, (99, ""))[0] > 2:
                return f"it needs a {station} right beside you"
    if action == "Do" and scene.front in TOOLS and TOOLS[scene.front] not in scene.inventory:
        return f"{scene.front} needs a {TOOLS[scene.front]}"
    if action.startswith("Move ") and scene.things.get("lava") == (1, action[5:].lower()):
        return f"lava lies 1 step to your {action[5:].lower()}, and walking into it kills"
    if action == "Sleep" and scene.status.get("energy", 0) == 9:
        return "energy is at its maximum"
    return ""
