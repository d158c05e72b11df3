"""What the person at the keyboard of `automem play` chose to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class View:
    """Which parts of the screen, and which file of the notebook."""

    colours: bool
    """Whether the terminal can show pictures."""
    name: str | None = None
    """The chosen file; by name, since files come and go. None: the one that changed last."""
    opened: bool = False
    above: int = 0
    """Lines scrolled up from the end of the opened file."""
    game: bool = False
    """Whether the game fills the screen."""

    def chosen(self, names: Sequence[str], latest: str | None) -> int:
        """Index of the chosen file among these names; `latest` is the one that changed last."""
        name = self.name if self.name in names else latest
        return names.index(name) if name in names else 0

    def press(self, key: str, names: Sequence[str], latest: str | None, page: int) -> None:
        """Take in a key; `names` are the notebook's files, `page` the lines to scroll by. Unknown keys do nothing."""
        at = self.chosen(names, latest)
        if key == "v":
            self.game = not self.game
        elif key.isdigit() and 0 < int(key) <= len(names):
            self._choose(names, int(key) - 1)
            self.opened = True
        elif self.opened:
            self._press_in_file(key, names, at, page)
        elif key in ("up", "down"):
            self._choose(names, at + (1 if key == "down" else -1))
        elif key == "enter" and names:
            self._choose(names, at)
            self.opened = True

    def _press_in_file(self, key: str, names: Sequence[str], at: int, page: int) -> None:
        up = {"up": 1, "down": -1, "page up": page, "page down": -page, "home": 10**9, "end": -(10**9)}
        if key in up:
            self.above = max(0, self.above + up[key])
        elif key in ("left", "right"):
            self._choose(names, at + (1 if key == "right" else -1))
        elif key in ("q", "escape", "backspace", "enter"):
            self.opened, self.above = False, 0

    def _choose(self, names: Sequence[str], at: int) -> None:
        if names:
            self.name, self.above = names[at % len(names)], 0
