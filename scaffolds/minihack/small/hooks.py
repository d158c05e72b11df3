"""What the observation's map says, in words: where one can step, stairs, doors, monsters near. No advice, no veto."""

from scaffolds import View
from worlds.map_reading import notices

NEAR = 6
"""Monsters within so many steps are named: what comes from further away shows in a later notice in time."""
MOST = 8
"""Doors and monsters named at once, the nearest first; a map has more, and the model can see it."""


class Hooks:
    """No state: every notice follows from the present observation."""

    def observe(self, view: View) -> list[str]:
        """The map in words; a warning where a menu or a page of text lies over it."""
        return notices(view.observation["long"], near=NEAR, most=MOST)
