"""NetHack's figures about the player in BALROG's words. No observation under the paper's protocol has them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HUNGER = ("Satiated", "Not Hungry", "Hungry", "Weak", "Fainting", "Fainted", "Starved")
_BURDEN = ("Unencumbered", "Burdened", "Stressed", "Strained", "Overtaxed", "Overloaded")
_ALIGNMENT = {-128: "None", 1: "Lawful", 0: "Neutral", -1: "Chaotic"}
_CONDITIONS = (
    *((2048, "Flying"), (1024, "Levitating"), (512, "Hallucinating"), (256, "Confused"), (128, "Stunned")),
    *((64, "Deaf"), (32, "Blind"), (16, "Terminally Ill"), (8, "Food Poisoning"), (4, "Strangled"), (2, "Slimed")),
    *((4096, "Riding"), (1, "Stoned")),
)
"""(bit, word), in the order they are told."""


def status(blstats: NDArray[np.int64]) -> str:
    """A line per figure of nle's 27 `blstats`."""
    b: list[int] = blstats.tolist()
    return "\n".join(
        (
            f"Strength: {b[3]}/{b[2]}",
            f"Dexterity: {b[4]}",
            f"Constitution: {b[5]}",
            f"Intelligence: {b[6]}",
            f"Wisdom: {b[7]}",
            f"Charisma: {b[8]}",
            f"Depth: {b[12]}",
            f"Gold: {b[13]}",
            f"HP: {b[10]}/{b[11]}",
            f"Energy: {b[14]}/{b[15]}",
            f"AC: {b[16]}",
            f"XP: {b[18]}/{b[19]}",
            f"Time: {b[20]}",
            f"Position: {b[0]}|{b[1]}",
            f"Hunger: {_named(_HUNGER, b[21])}",
            f"Monster Level: {b[17]}",
            f"Encumbrance: {_named(_BURDEN, b[22])}",
            f"Dungeon Number: {b[23]}",
            f"Level Number: {b[24]}",
            f"Score: {b[9]}",
            f"Alignment: {_ALIGNMENT.get(b[26], '')}",
            f"Condition: {conditions(b[25])}",
        )
    )


def conditions(bits: int) -> str:
    """What ails or lifts the player: "Blind Stunned", "None" if nothing does."""
    return " ".join([word for bit, word in _CONDITIONS if bits & bit]) if bits else "None"


def _named(names: Sequence[str], index: int) -> str:
    return names[index] if 0 <= index < len(names) else ""
