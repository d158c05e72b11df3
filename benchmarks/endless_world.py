"""A world without an end and its scripted player (rules, no language model), for measuring what long episodes cost."""

from __future__ import annotations

import shutil

import paths

import worlds.registry as registry
from worlds import Actions, Observation, World
from worlds.players import Prompt
from worlds.registry import WorldEntry
from worlds.world import Turn

COLOURS = ("red", "green", "blue", "white", "black", "amber", "grey")


class EndlessWorld(World):
    """A corridor that never ends. The text names the room and its colour; nothing ever terminates it."""

    name = "endless"
    tasks = ("default",)
    actions = Actions({"Wait": "do nothing", "Go On": "walk to the next room"}, default="Wait")

    def _reset(self, seed: int) -> Turn:
        self._room = seed
        return self._turn()

    def _step(self, action: str) -> Turn:
        self._room += action == "Go On"
        return self._turn()

    def _turn(self) -> Turn:
        text = f"You are in room {self._room}. Its walls are {COLOURS[self._room * 31 % len(COLOURS)]}."
        return Turn(Observation(long=text, short="You carry nothing."), 0.0, 0.0, {"room": self._room})

    def frame(self) -> str:
        """The room's number."""
        return str(self._room)


class EndlessPlayer:
    """Four calls a step: search and record in LOG, look up and walk in PLAN."""

    def decide(self, prompt: Prompt) -> list[tuple[str, dict[str, object]]]:
        """What to do next in the routine."""
        if prompt.routine == "PLAN":
            walk: list[tuple[str, dict[str, object]]] = [("act", {"action": "Go On"})]
            return walk if prompt.results else [("tail", {"file": "corridor.md", "lines": 5})]
        room = prompt.text.split("## Now")[1].split("room ")[1].split(".")[0]
        if not prompt.results:
            return [("search", {"file": "corridor.md", "keyword": f"room {room} seen"})]
        if len(prompt.results) == 1:
            return [("append", {"file": "corridor.md", "text": f"room {room} seen at step {prompt.step}"})]
        full = "appended" not in prompt.results[-1][1].lower() and "added" not in prompt.results[-1][1].lower()
        if full and len(prompt.results) == 2:
            return [("write", {"file": "corridor.md", "text": f"up to room {room}: nothing of note"}), ("done", {})]
        return [("done", {})]


def register(max_steps: int) -> None:
    """Add the world to this process's registry, as an entry point would."""
    player = "endless_world:EndlessPlayer"
    entry = WorldEntry("endless", "an endless corridor", ("default",), (1,), max_steps, FACTORY, player)
    registry.BUILT_IN = (*(one for one in registry.BUILT_IN if one.name != "endless"), entry)


FACTORY = "endless_world:EndlessWorld"


def scaffold() -> str:
    """The vault's first scaffold, for the endless world, in a temporary folder."""
    folder = paths.scratch() / "v0"
    shutil.copytree(paths.ROOT / "scaffolds" / "vault" / "v0", folder)
    toml = folder / "scaffold.toml"
    toml.write_text(toml.read_text().replace('world = "vault"', 'world = "endless"'))
    return str(folder)
