"""Rebuilds packed texts; the format is told in text_packer.py."""

from collections.abc import Callable
from typing import Any

from traces.listings import Packed
from traces.recent import Recent
from traces.text_packer import CHARACTERS, ENTRIES


class TextUnpacker:
    """Rebuilds texts. `entries(step)` gives the "texts" of a line; `seen` is told every entry resolved."""

    def __init__(
        self,
        entries: Callable[[int], list[Packed]],
        seen: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self._entries, self._seen = entries, seen
        self._cache: Recent[tuple[int, int], str] = Recent(ENTRIES, CHARACTERS, lambda _, text: len(text))

    def unpack(self, packed: Packed, step: int) -> str:
        """Return the text that `packed` stands for in line `step`. Raises ValueError where it stands for none."""
        return packed if isinstance(packed, str) else self._text(packed, (step + 1, 0))

    def _text(self, packed: Packed, before: tuple[int, int]) -> str:
        if isinstance(packed, str):
            return packed
        if isinstance(packed[0], int):
            return self._referred(packed, before, "")
        return "\n\n".join([part if isinstance(part, str) else self._part(part, before) for part in packed])

    def _part(self, part: list[Any], before: tuple[int, int]) -> str:
        if isinstance(part[0], int):
            return self._referred(part, before, "\n\n")
        return "\n".join([line if isinstance(line, str) else self._referred(line, before, "\n") for line in part])

    def _referred(self, reference: list[Any], before: tuple[int, int], separator: str) -> str:
        step, index, *more = reference
        if not more:
            return self._entry(step, index, before)
        if len(more) == 1:
            return separator.join([self._entry(step, one, before) for one in range(index, index + more[0])])
        first, count = more
        lines = self._entry(step, index, before).split("\n")[first : first + count]
        if first < 0 or len(lines) != count:
            raise ValueError(f"slice {reference} asks for lines that are not there")
        return "\n".join(lines)

    def _entry(self, step: int, index: int, before: tuple[int, int]) -> str:
        key = (step, index)
        if step < 1 or index < 0 or key >= before:  # so that no damaged file can make a circle
            raise ValueError(f"reference [{step}, {index}] does not point back")
        text = self._cache.get(key)
        if text is None:
            text = self._text(self._entries(step)[index], key)
            self._cache.put(key, text)
        if self._seen is not None:
            self._seen(text, step, index)
        return text
