"""Recorded episodes of the worlds on NetHack, which test_nethack.py replays.

Run, only where these worlds are meant to change: PYTHONPATH=.:tests/kit python tests/kit/nethack_episodes.py
One line per episode in tests/worlds/data/nethack_recording.jsonl.gz: world, task, seed, options, actions, and the
answers to reset and to every action as [long, short, reward, terminated, truncated, info].
"""

import gzip
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import boxoban_levels

from worlds import make_world, world_entry

RECORDING = Path(__file__).parents[1] / "worlds" / "data" / "nethack_recording.jsonl.gz"
EPISODES = (
    *(("nethack", "NetHackChallenge-v0", seed, wording) for seed, wording in ((5, "numeric"), (7, "balrog"))),
    ("nethack", "NetHackChallenge-v0", 11, "paper"),
    *(("minihack", task, 42, "numeric") for task in world_entry("minihack").tasks),
)
STEPS = {"nethack": 120, "minihack": 20}
OFTEN = ("far east", "far west", "far north", "far south", "southeast", "search", "esc", "esc", "esc", "y", "i", "pray")
"""Names chosen three times of four: moves that lead somewhere, out of menus, and what the gods think of it."""


def answers(world: Any, seed: int, actions: list[str]) -> list[list[Any]]:
    """What the world says to a reset and to these actions, until the episode ends."""
    observation, info = world.reset(seed=seed)
    said = [[observation["long"], observation["short"], 0.0, False, False, info]]
    for action in actions:
        observation, *rest = world.step(action)
        said.append([observation["long"], observation["short"], *rest])
        if said[-1][3] or said[-1][4]:
            break
    return json.loads(json.dumps(said))  # type: ignore[no-any-return]


def recorded() -> list[dict[str, Any]]:
    """The recorded episodes."""
    with gzip.open(RECORDING, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main() -> None:
    """Play and write."""
    with tempfile.TemporaryDirectory() as folder, gzip.GzipFile(RECORDING, "wb", mtime=0) as file:
        os.environ["AUTOMEM_DATA"] = folder
        boxoban_levels.write_levels(Path(folder) / "boxoban-levels")
        for name, task, seed, wording in EPISODES:
            chance = random.Random(seed)
            world = make_world(name, task, wording=wording)
            often = [action for action in OFTEN if action in world.actions] or world.actions.names
            actions = [
                chance.choice(often if chance.random() < 0.75 else world.actions.names) for _ in range(STEPS[name])
            ]
            said = answers(world, seed, actions)
            world.close()
            episode = {"world": name, "task": task, "seed": seed, "options": {"wording": wording}}
            line = episode | {"actions": actions[: len(said) - 1], "answers": said}
            file.write(json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main()
