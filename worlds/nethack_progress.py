"""How far a game of NetHack has come: BALROG's two tables, made from games people played.

The larger of two shares counts: that of people's games that ended above the deepest dungeon level (Dlvl) reached, and
the same for the highest experience level (Xp).
"""

DLVL = (
    *(0.0, 0.015392, 0.017540, 0.021221, 0.026482, 0.035429, 0.048461, 0.069581, 0.097709, 0.125586),
    *(0.161268, 0.206129, 0.256604, 0.292472, 0.308812, 0.324907, 0.340079, 0.352646, 0.365488, 0.378957),
    *(0.392937, 0.408323, 0.425836, 0.445181, 0.466376, 0.506761, 0.554357, 0.601565, 0.646505, 0.691311),
    *(0.710109, 0.717646, 0.723212, 0.728441, 0.732776, 0.736853, 0.742146, 0.747132, 0.753731, 0.761040),
    *(0.767408, 0.772534, 0.777163, 0.781257, 0.785899, 0.789026, 0.792972, 0.796741, 0.801847, 0.806796),
)
"""Progression at Dlvl 1, 2, … 50."""

XP = (
    *(0.0, 0.018478, 0.020812, 0.024160, 0.029109, 0.036888, 0.050758, 0.074536, 0.117050, 0.179100),
    *(0.254804, 0.332649, 0.414426, 0.494039, 0.577882, 0.626122, 0.656282, 0.681022, 0.701533, 0.717449),
    *(0.728698, 0.737100, 0.744345, 0.751345, 0.758554, 0.764215, 0.770338, 0.775981, 0.778335, 0.780456),
)
"""Progression at Xp 1, 2, … 30."""


def progression(dlvl: int, xp: int) -> float:
    """The larger of the two tables' figures. Levels beyond a table count as its last, below 1 as its first."""
    return max(table[min(max(level, 1), len(table)) - 1] for table, level in ((DLVL, dlvl), (XP, xp)))
