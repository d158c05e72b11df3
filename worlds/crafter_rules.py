"""Which rule of the Crafter player speaks first.

The same rules play with and without notes. Without, no position, no landmark out of view and no goal but those the
inventory proves is known, and the player wanders by the step number in the prompt.
"""

from worlds import crafter_progress as progress
from worlds import crafter_survival as survival
from worlds.crafter_exploring import explore
from worlds.crafter_sight import DIRECTIONS
from worlds.crafter_situation import Situation

_RULES = (
    survival.fight,
    progress.craft,
    survival.stay,
    survival.shield,
    progress.harvest,
    progress.finish,
    survival.starve,
    survival.rest,
    progress.plant,
    survival.prepare,
    progress.set_up,
    survival.nap,
    survival.refresh,
    survival.heed,
    progress.pick_up,
    progress.gather,
)
"""Asked in this order; the first that names an action decides."""


def choose(now: Situation) -> str:
    """The action to send: what the first rule with an opinion wants, never a step into lava that is in view."""
    if now.sight.sleeping:
        return "Noop"
    action = next(filter(None, (rule(now) for rule in _RULES)), "") or explore(now, near="s")
    direction = action.removeprefix("Move ").lower()
    if direction in DIRECTIONS and "lava" in now.names(direction):  # this step could not be taken back
        return "Noop"
    return action
