"""Record the episodes test_crafter.py replays. Run: python tests/worlds/record_crafter.py

Only where Crafter is meant to change: the recording fixes what it says now, which equals BALROG (see that test).
One line per episode in data/crafter_recording.jsonl.gz: seed, actions, and the answers to reset and to every action as
[long, short, reward, terminated, progression].
"""

import gzip
import json
import random
import re
from copy import deepcopy
from pathlib import Path

from worlds import Observation, World, make_world

RECORDING = Path(__file__).parent / "data" / "crafter_recording.jsonl.gz"
SEEDS = (101, 103, 107, 109, 113)
STEPS = 520
"""Past the first night (crafter's steps 148–272) and, for who lives, into the second (from 448)."""
CARELESS = 100
"""Last steps, in which nobody looks ahead, so that episodes end in death too."""

MOVES = ("Move West", "Move East", "Move North", "Move South")
PLANS = (  # (what to make or place, what it takes, what it needs near)
    ("Place Table", {"wood": 5}, ""),
    ("Make Wood Pickaxe", {"wood": 1}, "table"),
    ("Make Wood Sword", {"wood": 1}, "table"),
    ("Make Stone Pickaxe", {"wood": 1, "stone": 1}, "table"),
    ("Make Stone Sword", {"wood": 1, "stone": 1}, "table"),
    ("Place Furnace", {"stone": 6}, "table"),
    ("Make Iron Pickaxe", {"wood": 1, "coal": 1, "iron": 1}, "furnace"),
    ("Make Iron Sword", {"wood": 1, "coal": 1, "iron": 1}, "furnace"),
)


class Wanderer:
    """Walks to what it needs, uses what it meets, makes what it can: poor play that touches most rules of the game."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.heading = "Move East"
        self.made: set[str] = set()

    def act(self, observation: Observation) -> str:
        """The next action, from the text and chance alone."""
        faced = observation["long"].rsplit("You face ", 1)[1].split()[0]
        have = {item: int(count) for item, count in re.findall(r"- (\w+): (\d+)", observation["short"])}
        if faced in ("zombie", "skeleton"):
            return "Do"
        if have["energy"] < 4:
            return "Place Stone" if have.get("stone") and faced in ("grass", "path", "sand") else "Sleep"
        if self.chance.random() < 0.2:
            return self.chance.choice(("Do", "Place Plant", "Place Stone", *MOVES))
        return self._craft(observation["long"], have) or self._gather(observation["long"], faced, have)

    def _craft(self, long: str, have: dict[str, int]) -> str | None:
        for action, takes, near in PLANS:
            if (
                action not in self.made
                and f"{near} 1 step" in long
                and all(have.get(k, 0) >= n for k, n in takes.items())
            ):
                self.made.add(action)
                return action
        return None

    def _gather(self, long: str, faced: str, have: dict[str, int]) -> str:
        lacking = ["iron", "coal", "diamond", "stone", "tree", "cow"]
        if have.get("wood", 0) > 6:
            lacking = ["table", *lacking] if have.get("stone", 0) > 2 or not self.made else lacking
        if have["drink"] < 6:
            lacking.insert(0, "water")
        if have["food"] < 6:
            lacking.insert(0, "cow")
        if faced in lacking and faced != "table":
            return "Do"
        for kind in lacking:
            way = re.search(rf"- {kind} \d+ steps? to your ([a-z-]+)", long)
            if way and self.chance.random() < 0.7:
                return f"Move {self.chance.choice(way[1].split('-')).title()}"
        if self.chance.random() < 0.2:
            self.heading = self.chance.choice(MOVES)
        return self.heading


def _safest(world: World, actions: list[str]) -> str:
    """The first of the actions that leaves most health a little later, idling: played on a copy of the world."""

    def health(action: str) -> int:
        trial = deepcopy(world)
        for name in (action, *["Noop"] * (25 if action == "Sleep" else 2)):
            observation, _, terminated, _, _ = trial.step(name)
            if terminated:
                return 0
        return int(observation["short"].split("health: ")[1][0])

    return max(actions, key=health)


def record(world: World, seed: int, steps: int) -> dict[str, object]:
    """One episode, to its end or its number of steps."""
    wanderer = Wanderer(seed)
    observation, info = world.reset(seed=seed)
    actions: list[str] = []
    answers = [[observation["long"], observation["short"], 0.0, False, info["progression"]]]
    for step in range(steps):
        wish = wanderer.act(observation)
        actions.append(_safest(world, [wish, "Do", *MOVES]) if step < steps - CARELESS else wish)
        observation, reward, terminated, _, info = world.step(actions[-1])
        answers.append([observation["long"], observation["short"], reward, terminated, info["progression"]])
        if terminated:
            break
    return {"seed": seed, "actions": actions, "answers": answers}


def main() -> None:
    """Write the recording."""
    episodes = [record(make_world("crafter"), seed, STEPS) for seed in SEEDS]
    text = "".join(json.dumps(episode, separators=(",", ":")) + "\n" for episode in episodes)
    RECORDING.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
