"""Ceilings: what an episode, or a whole run, may spend. Reaching one ends the episode as *limited*, with its score.

A ceiling is checked before each model call, so what is spent goes over it by at most the calls in flight. Spent is what
completed steps cost (their calls, tokens and time are in the trace) plus the calls of the step in progress.
"""

from __future__ import annotations

import math
import threading
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from graphs.settings import CEILINGS, SettingsError
from traces import EpisodeFolder, EpisodeResult, RunFolder, TraceDamaged, read_result
from traces.plain_json import read_file, write_file
from traces.records import total_tokens

MOST_SHOWN = 100
"""Characters of a path that a sentence repeats."""


class CeilingReached(RuntimeError):
    """An episode, a run or an attempt has spent what it may."""

    def __init__(self, sentence: str, whose: str = "") -> None:
        super().__init__(sentence)
        self.whose = whose
        """Whose ceiling it is: "episode", "run", "search", "attempt"."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens of a model."""

    prompt: float
    completion: float
    cached: float | None = None
    """Of prompt tokens in the server's cache; the prompt price if None."""

    def __post_init__(self) -> None:
        """TypeError unless each price is a finite number of at least 0."""
        for name, price in (("prompt", self.prompt), ("completion", self.completion), ("cached", self.cached)):
            if price is None and name == "cached":
                continue
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
                raise TypeError(f"{name} is {price!r}, not a finite number of at least 0")

    def cost(self, prompt: int, completion: int, cached: int) -> float:
        """Dollars for these tokens; `cached` are among `prompt`."""
        hit = self.prompt if self.cached is None else self.cached
        return (self.prompt * (prompt - cached) + hit * cached + self.completion * completion) / 1e6


def parse_ceilings(given: Mapping[str, float] | None) -> dict[str, float]:
    """The ceilings, checked. SettingsError for an unknown name or a limit that is not positive."""
    for name, limit in (given or {}).items():
        if name not in CEILINGS:
            raise SettingsError(f'There is no ceiling "{name}": use one of {", ".join(CEILINGS)}.')
        if not limit > 0:
            raise SettingsError(f"The ceiling {name} must be above 0, not {limit}.")
    return dict(given or {})


@lru_cache(maxsize=16)
def read_prices(path: str | None) -> Mapping[str, Price]:
    """The price table in a TOML file: one table per model specification. SettingsError names what is wrong.

    ["openai:gpt-x"]
    prompt = 2.50        # US dollars per million tokens
    cached = 1.25
    completion = 10.00
    """
    if not path:
        return {}
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return {model: Price(**table) for model, table in tables.items()}
    except OSError as error:
        raise SettingsError(f"The price table {path[:MOST_SHOWN]} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The price table {path} is no TOML file: {error}.") from error
    except TypeError as error:
        raise SettingsError(
            f"The price table {path}: a model's table has prompt, completion and perhaps cached, in US dollars per "
            f"million tokens ({error})."
        ) from error


def check_usage_reported(limited: Iterable[str], model: str) -> None:
    """SettingsError if tokens or money are limited (names of ceilings) and a model did not report what it used."""
    if unheld := [name for name in ("tokens", "cost") if name in limited]:
        raise SettingsError(
            f"The server of {model} does not report the tokens it uses, so the ceiling {unheld[0]} cannot be held: "
            "limit calls or minutes instead."
        )


def check_prices(ceilings: Mapping[str, float], prices: Mapping[str, Price], models: set[str]) -> None:
    """SettingsError if money is limited and a model has no price."""
    if "cost" not in ceilings:
        return
    if unpriced := sorted(models - prices.keys()):
        raise SettingsError(
            f"The ceiling cost needs the price of {unpriced[0]}: give a table of prices (`prices`; 0 if free)."
        )


@dataclass
class Spending:
    """What has been spent against ceilings; shared by the episodes of a run, or of one episode. Thread-safe."""

    ceilings: Mapping[str, float]
    whose: str
    """"episode", "run", "search" or "attempt", for the sentence."""
    spent: dict[str, float] = field(default_factory=dict)
    """By the names of CEILINGS; 0 of what is not given."""
    began: float | None = None
    """`time.monotonic()` when the minutes began to run; None if they are only added."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.spent = dict.fromkeys(CEILINGS, 0.0) | self.spent

    def add(self, calls: int = 0, tokens: int = 0, cost: float = 0.0, minutes: float = 0.0) -> None:
        """Count what was spent."""
        with self._lock:
            for name, value in zip(CEILINGS, (calls, tokens, cost, minutes), strict=True):
                self.spent[name] += value

    async def ready(self) -> None:
        """Wait until `check` can tell: at once, unless another process keeps the account."""

    def check(self, running_minutes: float = 0.0) -> None:
        """CeilingReached if nothing more may be spent; `running_minutes` are not yet added."""
        if self.began is not None:
            running_minutes += (time.monotonic() - self.began) / 60
        for name, limit in self.ceilings.items():
            spent = self.spent[name] + (running_minutes if name == "minutes" else 0.0)
            if spent >= limit:
                raise CeilingReached(reached(self.whose, name, limit), self.whose)


def reached(whose: str, name: str, limit: float) -> str:
    """That a ceiling is reached, as a clause and as an episode's end reason."""
    unit = {"calls": "model calls", "tokens": "tokens", "cost": "US dollars", "minutes": "minutes"}[name]
    return f"the {whose}'s ceiling of {limit:g} {unit} is reached"


Amounts = dict[str, float]
"""Model calls, tokens (prompt and completion), cost (US dollars) and minutes: the names of `settings.CEILINGS`.

`tokens` is missing where a server did not report those of every call: unknown is not 0.
"""
Budgets = Sequence[Spending]
"""All that limits a piece of work: the budget of its whole run, and perhaps that of an attempt."""
CLOCK = "clock.json"
"""Beside an evaluation's run.json: the minutes it was played, less than those of its episodes, side by side."""


def sum_of(parts: Iterable[Mapping[str, float]]) -> Amounts:
    """The sum of amounts; without tokens where those of one of them are unknown."""
    listed = list(parts)
    known = [name for name in CEILINGS if name != "tokens" or all(name in part for part in listed)]
    return {name: sum(part.get(name, 0.0) for part in listed) for name in known}


def check_all(budgets: Budgets) -> None:
    """CeilingReached if one of the budgets is spent."""
    for budget in budgets:
        budget.check()


def left_of(budgets: Budgets, begun: RunFolder | None = None) -> Amounts:
    """Ceilings for the next piece of work: of each limited amount, what all budgets leave. CeilingReached at none.

    `begun`: an evaluation that may have begun. It counts its finished episodes again when it goes on, all but their
    minutes, so what they spent is added.
    """
    check_all(budgets)
    before = spent_playing([begun]) if begun is not None and begun.run.exists() else {}
    left: Amounts = {}
    for budget in budgets:
        for name, limit in budget.ceilings.items():
            counted_again = before.get(name, 0.0) if name != "minutes" else 0.0
            left[name] = min(left.get(name, float("inf")), limit - budget.spent[name] + counted_again)
    return left


def raise_reached(budgets: Budgets) -> None:
    """CeilingReached for work that its ceilings stopped: by the ceiling of which the smallest share is left.

    No file holds what was spent on a step that a ceiling broke off, so by the files a little may be left.
    """
    check_all(budgets)
    shares = [
        ((limit - budget.spent[name]) / limit, place, name, limit)
        for place, budget in enumerate(budgets)
        for name, limit in budget.ceilings.items()
    ]
    _, place, name, limit = min(shares)
    Spending({name: limit}, budgets[place].whose, spent={**budgets[place].spent, name: limit}).check()


def spent_playing(runs: Iterable[RunFolder]) -> Amounts:
    """What evaluations spent so far, failed episodes and earlier attempts at them included.

    `cost` counts a model without a price as free. TraceFailure or TraceDamaged.
    """
    by_run = [(played(run), minutes_on(run)) for run in runs]
    return sum_of({**amounts, "minutes": max(amounts["minutes"], minutes)} for amounts, minutes in by_run)


def played(run: RunFolder) -> Amounts:
    """The same of one evaluation; `minutes` are those of its longest episode, since they are played side by side."""
    results = [one for folder in run.episodes() for one in _attempts(folder)]
    tokens = total_tokens(one.tokens for one in results if one.model_calls)
    known = None not in (tokens["prompt"], tokens["completion"])
    return {
        "calls": sum(float(one.model_calls) for one in results),
        **({"tokens": float((tokens["prompt"] or 0) + (tokens["completion"] or 0))} if known else {}),
        "cost": sum(one.cost or 0.0 for one in results),
        "minutes": max((one.wall_s for one in results), default=0.0) / 60,
    }


def minutes_on(run: RunFolder) -> float:
    """Minutes an evaluation was played, by its clock."""
    path = run.path / CLOCK
    if not path.exists():
        return 0.0
    try:
        return float(read_file(path)["minutes"])
    except (KeyError, TypeError, ValueError) as error:
        raise TraceDamaged(f"{path} holds no minutes: remove it, and count the time from now on.") from error


def add_minutes(run: RunFolder, seconds: float) -> None:
    """Add to the time an evaluation was played, if it has begun."""
    if run.run.exists():
        write_file(run.path / CLOCK, {"minutes": round(minutes_on(run) + seconds / 60, 4)})


def _attempts(folder: EpisodeFolder) -> Iterable[EpisodeResult]:
    """The results of the present attempt at an episode and of those set aside."""
    aside = (EpisodeFolder(folder.path / f"attempt-{number}") for number in range(1, folder.attempt))
    return [result for one in (folder, *aside) if (result := read_result(one)) is not None]
