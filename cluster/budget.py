"""What a run may spend, kept over all workers.

The head shares out what is left: each worker may spend up to its grant, and waits for a larger one. The grants together
never exceed what is left, and a grant counts as used until the worker has confirmed a smaller one. So a run goes over
its ceiling by at most the calls in flight, one of each episode, as in one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from graphs.settings import CEILINGS
from graphs.spending import Amounts, CeilingReached, Spending

COUNTED = ("calls", "tokens", "cost")
"""The ceilings that are shared out; minutes run on the head."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a worker may have spent of a run's budget, in all."""

    ceilings: Mapping[str, float]
    upto: Mapping[str, float]
    reached: str | None
    """Which ceiling of the run is reached; None while more may be spent."""


class Allowance(Spending):
    """A worker's part of a run's budget."""

    def __init__(self, asking: Callable[[], None]) -> None:
        """`asking` is called when an episode begins to wait for a larger grant."""
        super().__init__({}, "run")
        self.waiting = 0
        """Episodes that wait."""
        self._asking = asking
        self._grant = Grant({}, {}, None)
        self._granted = asyncio.Event()

    def grant(self, grant: Grant) -> None:
        """Take the head's grant."""
        self._grant, self.ceilings = grant, grant.ceilings
        self._granted.set()
        self._granted = asyncio.Event()

    async def ready(self) -> None:
        """Wait for a grant that leaves something, or for the head to say that a ceiling is reached."""
        while self._grant.reached is None and self._spent_up():
            granted = self._granted
            self.waiting += 1
            self._asking()
            try:
                await granted.wait()
            finally:
                self.waiting -= 1

    def check(self, running_minutes: float = 0.0) -> None:
        """CeilingReached where the head says so."""
        if self._grant.reached is not None:
            raise CeilingReached(self._grant.reached, "run")

    def _spent_up(self) -> bool:
        return any(self.spent[name] >= upto for name, upto in self._grant.upto.items())


class Share(Spending):
    """One episode's spending on a worker. What the head has `counted` for it already, it does not count again."""

    def __init__(self, allowance: Allowance, counted: Mapping[str, float]) -> None:
        super().__init__({}, "run")
        self._allowance = allowance
        self._counted = dict(counted)

    @property
    def ceilings(self) -> Mapping[str, float]:
        """The run's."""
        return self._allowance.ceilings

    @ceilings.setter
    def ceilings(self, _: Mapping[str, float]) -> None:
        """They are the run's."""

    def add(self, calls: int = 0, tokens: int = 0, cost: float = 0.0, minutes: float = 0.0) -> None:
        """Count what was spent, and what of it is new with the run."""
        super().add(calls, tokens, cost, minutes)
        new = {name: max(0.0, self.spent[name] - self._counted.get(name, 0.0)) for name in COUNTED}
        for name, amount in new.items():
            self._counted[name] = self._counted.get(name, 0.0) + amount
        self._allowance.add(int(new["calls"]), int(new["tokens"]), new["cost"])

    def check(self, running_minutes: float = 0.0) -> None:
        """CeilingReached where the run may spend nothing more."""
        self._allowance.check()

    async def ready(self) -> None:
        """Wait until the worker may spend more."""
        await self._allowance.ready()


@dataclass
class _Part:
    """A worker's part, as the head knows it."""

    used: Amounts = field(default_factory=lambda: dict.fromkeys(COUNTED, 0.0))
    """Reported."""
    confirmed: Amounts = field(default_factory=lambda: dict.fromkeys(COUNTED, 0.0))
    """The grant of the last call that was answered."""
    sent: Amounts = field(default_factory=lambda: dict.fromkeys(COUNTED, 0.0))
    """The grant of the call under way."""

    def held(self, name: str) -> float:
        """What the worker may still spend without asking."""
        return max(0.0, max(self.confirmed[name], self.sent[name]) - self.used[name])


class Budget:
    """The head's side: one run's spending, shared out to workers by their names."""

    def __init__(self, run: Spending) -> None:
        self.run = run
        self._parts: dict[str, _Part] = {}

    def grant(self, worker: str, workers: Iterable[str]) -> Grant:
        """A worker's grant, one of all these `workers`."""
        part = self._parts.setdefault(worker, _Part())
        count = max(1, len(set(workers)))
        upto = {}
        for name in COUNTED:
            if name not in self.run.ceilings:
                continue
            left = self.run.ceilings[name] - self.run.spent[name]
            free = left - sum(other.held(name) for key, other in self._parts.items() if key != worker)
            upto[name] = part.used[name] + max(0.0, min(left / count, free))
        part.sent = {**dict.fromkeys(COUNTED, 0.0), **upto}
        return Grant(dict(self.run.ceilings), upto, self._reached())

    def confirm(self, worker: str, used: Mapping[str, float]) -> None:
        """A worker has answered the call with its last grant, and has `used` so much in all."""
        part = self._parts[worker]
        part.confirmed = part.sent
        new = {name: used[name] - part.used[name] for name in COUNTED}
        part.used = {name: used[name] for name in COUNTED}
        self.run.add(round(new["calls"]), round(new["tokens"]), new["cost"])

    def lose(self, worker: str) -> None:
        """A worker is gone, and its grant with it."""
        self._parts.pop(worker, None)

    def _reached(self) -> str | None:
        try:
            self.run.check()
        except CeilingReached as reached:
            return str(reached)
        return None


assert set(COUNTED) < set(CEILINGS)
