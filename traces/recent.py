"""A bounded map that keeps what is in use."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A map bounded in entries and in weight that forgets what was not used lately, the same way every time.

    Two generations: what is used moves to the young one; when that holds half of a bound it becomes the old one and
    the former old one is forgotten. So whatever recurs within half of the bound is never lost, and no list of uses is
    kept. `weigh(key, value)` is asked only where a `weight` is given. Values must not be None.
    """

    def __init__(self, entries: int, weight: int | None = None, weigh: Callable[[K, V], int] | None = None) -> None:
        self._entries = entries // 2
        self._weight = (weight or 0) // 2
        self._weigh = weigh
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._load = 0

    def get(self, key: K) -> V | None:
        """Return what `key` holds, None where nothing, and count it as used now."""
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember `value`, unless it alone weighs more than an eighth of the bound."""
        weight = self._weigh(key, value) if self._weigh else 0
        if weight * 4 > self._weight:
            return
        self._load += weight
        if len(self._young) >= self._entries or self._load > self._weight:
            self._young, self._old, self._load = {}, self._young, weight
        self._young[key] = value

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
