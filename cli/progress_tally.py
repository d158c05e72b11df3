"""The progress of an evaluation, added up from its events: speeds, costs, and about how long it still takes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from graphs.evaluation.episode import Progress
from traces.health import HEALTH
from traces.records import ServerUse, total_use


@dataclass
class Playing:
    """An episode that is being played."""

    task: str
    seed: int
    began_at: float
    """Time of its first event, by the tally's clock."""
    steps_before: int
    tokens_before: int
    """What it had been played when this process took it up."""
    step: int = 0
    progression: float = 0.0
    tokens: int = 0
    cost: float | None = None
    health: dict[str, float | None] = field(default_factory=dict)
    servers: dict[str, ServerUse] = field(default_factory=dict)
    servers_before: dict[str, ServerUse] = field(default_factory=dict)

    def take(self, event: Progress) -> None:
        """Update from an event."""
        self.step, self.progression, self.cost = event["step"], event["progression"], event["cost"]
        self.tokens, self.servers, self.health = _tokens(event), event["servers"], event["health"]


@dataclass
class Tally:
    """The whole evaluation. Times are those of `clock`, in seconds; speeds count what this process has played."""

    max_steps: int
    """Of an episode."""
    clock: Callable[[], float] = time.monotonic
    planned: int = 0
    """Episodes there are to be; 0 until it is known."""
    playing: dict[tuple[str, int], Playing] = field(default_factory=dict)
    """By task and seed, in the order they began."""
    ended: Counter[str] = field(default_factory=Counter)
    """By status."""
    _scored: list[tuple[int, float]] = field(default_factory=list)
    """Of the ended episodes that have a score: steps, progression."""
    _healths: list[dict[str, float | None]] = field(default_factory=list)
    """Memory health of the ended episodes that have a score."""
    _played: int = 0
    _generated: int = 0
    _tokens: int = 0
    _cost: float | None = 0.0
    _servers: dict[str, ServerUse] = field(default_factory=dict)
    out: list[str] = field(default_factory=list)
    """Base URLs of servers that take no calls at present."""
    _began_at: float | None = None

    def take(self, event: Progress) -> None:
        """Take in one event."""
        key = event["task"], event["seed"]
        if self._began_at is None:
            self._began_at = self.clock()
        if event["event"] == "ended":
            self._end(event, self.playing.pop(key, None))
            return
        one = self.playing.get(key)
        if one is None:
            one = self.playing[key] = Playing(*key, self.clock(), event["step"], _tokens(event))
            one.servers_before = event["servers"]
        one.take(event)
        self.out = event["out"]

    def _end(self, event: Progress, played: Playing | None) -> None:
        self.ended[event["status"]] += 1
        if event["status"] in ("finished", "limited"):
            self._scored.append((event["step"], event["progression"]))
            self._healths.append(event["health"])
        if played is not None:
            self._played += event["step"] - played.steps_before
            self._generated += _tokens(event) - played.tokens_before
            self._servers = total_use((self._servers, _since(event["servers"], played.servers_before)))
        self._tokens += _tokens(event)
        self._cost = _sum(self._cost, event["cost"])

    @property
    def episodes(self) -> int:
        """Planned episodes; at least those with an event."""
        return max(self.planned, self.ended.total() + len(self.playing))

    @property
    def elapsed_s(self) -> float:
        """Since the first event."""
        return 0.0 if self._began_at is None else self.clock() - self._began_at

    @property
    def share(self) -> float:
        """How much of the evaluation is done, in [0, 1]: an episode that ended is whole, whatever its length."""
        begun = sum(min(1.0, one.step / self.max_steps) for one in self.playing.values())
        return (self.ended.total() + begun) / self.episodes if self.episodes else 0.0

    @property
    def progression(self) -> float | None:
        """Mean over the episodes that ended with a score; None without any."""
        return sum(progression for _, progression in self._scored) / len(self._scored) if self._scored else None

    @property
    def health(self) -> dict[str, float | None]:
        """Memory health: of each figure the mean over all episodes that have it, ended or not."""
        found = [*self._healths, *(one.health for one in self.playing.values())]
        known = {name: [value for one in found if (value := one.get(name)) is not None] for name in HEALTH}
        return {name: sum(values) / len(values) if values else None for name, values in known.items()}

    @property
    def tokens(self) -> int:
        """Of all episodes, prompts and completions."""
        return self._tokens + sum(one.tokens for one in self.playing.values())

    @property
    def cost(self) -> float | None:
        """US dollars of all episodes; None where one has no price."""
        total = self._cost
        for one in self.playing.values():
            total = _sum(total, one.cost)
        return total

    @property
    def tokens_per_s(self) -> float:
        """Over all episodes."""
        generated = self._generated + sum(one.tokens - one.tokens_before for one in self.playing.values())
        return _rate(generated, self.elapsed_s)

    @property
    def steps_per_s(self) -> float:
        """Over all episodes."""
        return _rate(self._steps, self.elapsed_s)

    @property
    def _steps(self) -> int:
        """Played by this process or its workers."""
        return self._played + sum(one.step - one.steps_before for one in self.playing.values())

    @property
    def servers(self) -> dict[str, ServerUse]:
        """What each of several servers did for this process, by base URL."""
        parts = [_since(one.servers, one.servers_before) for one in self.playing.values()]
        return total_use((self._servers, *parts))

    @property
    def left_s(self) -> float | None:
        """About how long it still takes, if the episodes to come are as long as those that ended; None until known."""
        speed = self.steps_per_s
        if not speed:
            return None
        length = sum(steps for steps, _ in self._scored) / len(self._scored) if self._scored else self.max_steps
        waiting = self.episodes - self.ended.total() - len(self.playing)
        # One that has outlived the others is thought to end half way to its limit.
        ahead = [
            length - one.step if one.step < length else (self.max_steps - one.step) / 2 for one in self.playing.values()
        ]
        return (sum(ahead) + waiting * length) / speed

    def tokens_per_s_of(self, one: Playing) -> float:
        """Of one episode."""
        return _rate(one.tokens - one.tokens_before, self.clock() - one.began_at)

    def left_s_of(self, one: Playing) -> float | None:
        """How long one episode takes at most, at its speed; None until it has one."""
        speed = _rate(one.step - one.steps_before, self.clock() - one.began_at)
        return (self.max_steps - one.step) / speed if speed else None


def _tokens(event: Progress) -> int:
    """Prompt and completion tokens, as far as they are known."""
    return (event["tokens"].get("prompt") or 0) + (event["tokens"].get("completion") or 0)


def _since(now: dict[str, ServerUse], before: dict[str, ServerUse]) -> dict[str, ServerUse]:
    """What was done since."""
    minus = {
        url: {name: None if value is None else -value for name, value in use.items()} for url, use in before.items()
    }
    return total_use((now, minus))


def _sum(total: float | None, cost: float | None) -> float | None:
    return None if total is None or cost is None else total + cost


def _rate(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
