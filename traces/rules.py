"""Rules over an episode's metrics, such as `missing_action_rate>0.9@10`: METRIC, comparison, NUMBER @ STEPS.

A rule holds where the metric, over the whole episode so far, compares so with the number after that many steps or more.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from traces.metrics import MetricsAccumulator

MOST_STEPS = 1_000_000
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_RULE = re.compile(r"\s*(\w{1,64})\s*(>=|<=|>|<)\s*(-?\d{1,12}(?:\.\d{1,12})?)\s*@\s*(\d{1,7})\s*")
METRICS = tuple(
    name
    for name, value in MetricsAccumulator().result().items()
    if not isinstance(value, dict) and name != "metrics_version"
)
"""What a rule may be about: every metric that is one number."""


class RuleError(ValueError):
    """A text that is no rule; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    metric: str
    comparison: str
    number: float
    steps: int

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """The rule written as `text`. RuleError says what is wrong with it."""
        found = _RULE.fullmatch(text)
        if found is None:
            raise RuleError(f"{text[:80]!r} is no rule: write one as missing_action_rate>0.9@10 (after 10 steps).")
        metric, comparison, number, steps = found.groups()
        if metric not in METRICS:
            raise RuleError(f"A rule is about one of {', '.join(METRICS)}, not {metric}.")
        if not 1 <= int(steps) <= MOST_STEPS:
            raise RuleError(f"The steps of a rule lie between 1 and {MOST_STEPS:,}, not at {int(steps):,}.")
        return cls(metric, comparison, float(number), int(steps))

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.number:g}@{self.steps}"

    def holds(self, metrics: Mapping[str, Any]) -> bool:
        """Whether it holds for the metrics of an episode so far; not where its metric has no value yet."""
        value = metrics[self.metric]
        return (
            metrics["steps"] >= self.steps and value is not None and _COMPARISONS[self.comparison](value, self.number)
        )

    def said(self, metrics: Mapping[str, Any]) -> str:
        """That it holds, as a clause."""
        return f"the rule {self} holds: {self.metric} is {metrics[self.metric]:g} after {metrics['steps']} steps"
