"""What recurs in an episode: how often, first and last when; in bounded memory, the same way every time."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_KEYS = 4096  # enough for all that is said of an episode of a thousand steps; 100,000 steps stay below 10 MB


@dataclass(slots=True)
class Recurrence:
    """How often something came, and in which steps first and last."""

    first: int
    last: int
    count: int = 1


class Tally(Generic[K]):
    """Counts keys. Beyond `keys` of them it forgets the half that came least (then: longest ago).

    So what recurs often is counted right, and the count of something rare that was forgotten in between is too low.
    """

    def __init__(self, keys: int = _KEYS) -> None:
        self._keys = keys
        self._found: dict[K, Recurrence] = {}
        self.forgot = False

    def add(self, key: K, step: int) -> None:
        """Count `key` once more, at `step`."""
        found = self._found.get(key)
        if found is not None:
            found.count += 1
            found.last = step
            return
        if len(self._found) >= self._keys:
            kept = sorted(self._found.items(), key=lambda item: (-item[1].count, -item[1].last))
            self._found = dict(kept[: self._keys // 2])
            self.forgot = True
        self._found[key] = Recurrence(step, step)

    def most(self, number: int | None = None, least: int = 1) -> list[tuple[K, Recurrence]]:
        """Return what came at least `least` times, the most frequent first, then the earliest; at most `number`."""
        ordered = sorted(self._found.items(), key=lambda item: (-item[1].count, item[1].first))
        return [item for item in ordered if item[1].count >= least][:number]

    def __len__(self) -> int:
        return len(self._found)
