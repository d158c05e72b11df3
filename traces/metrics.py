"""What is measured on an episode, each with its one definition, computed while it is played or from its trace.

A rate whose denominator is 0 is None, never 0. Operations of a scaffold's hooks are not the model's and not counted.
Raise `METRICS_VERSION` with every change of a definition: figures of different versions are not comparable.

progression              of the last step's info, in [0, 1]
return                   the sum of rewards
steps                    steps taken
unproductive_action_rate share of the judged actions that were stuck or oscillating. An action is judged by the
                         observation that followed it (the last one only where the final observation is given).
                         Stuck: long and short text are what they were before the action: nothing that the agent can
                         perceive was gained. Oscillating: not stuck, and the last four observations read A, B, A, B:
                         one full return trip. A single step back is not counted, since retreating has its uses.
                         Waiting and sleeping count where nothing changes. What the world declares to be its clock
                         (info["clock"]; see traces/flags.py) is no change; version 1 knew no clocks, and where the
                         text showed one, found nothing unproductive
redundant_write_rate     share of the writes that added nothing: the notebook answered "duplicate" or "exists", or an
                         appended text equals one of the last 64 appended to the same file but for letter case,
                         spacing, punctuation and a stamp such as "step 12" or "turn 12"
writes, searches         operations that wrote or could have (answered "written", "duplicate" or "exists"), and
                         operations "search" that ran (answered "hit", "empty" or "missing")
empty_search_rate        share of the searches answered "empty" or "missing"
writes_per_search        writes / searches, in both routines; log_writes_per_search: the same in LOG alone
recalls_per_step         operations that recalled anything at all (answered "hit", "empty" or "missing") / steps
prompt_tokens_per_step   prompt tokens of all calls / steps; None where the server did not report those of every call
prompt_characters_per_step  the same in characters of message contents and tool-call arguments (no tool schemas)
completion_tokens_per_step, model_calls_per_step  likewise
invalid_action_rate      share of the steps whose action was "invalid" or "missing", so that the default was sent;
                         missing_action_rate: the same of "missing" alone
action_outcomes          share of the steps by action outcome
mistakes_per_step        what could not be read or was not allowed, / steps; mistakes_by_code: the same by code
rejections_per_step      memory operations refused, / steps; rejections_by_code: the same by code
tokens                   {"prompt", "completion", "cached"}: sums over the episode, each None where the server did not
                         report it for every call; model_calls: likewise

The health of memory (hits, repeated questions, notes nobody recalls, stale lines) is defined in health.py and part of
the same result since version 3.
"""

from collections import Counter
from typing import Any

from traces.flags import RECALLS, WRITES, Observation, StepJudge, clock_of, is_empty_search, is_search
from traces.health import HealthAccumulator
from traces.records import Conversation, Message, OperationRecord, StepRecord, total_tokens

METRICS_VERSION = 3


class MetricsAccumulator:
    """The metrics of one episode, step by step, in bounded memory; the same from the trace as while playing."""

    def __init__(self) -> None:
        self._steps = 0
        self._progression = 0.0
        self._return = 0.0
        self._judge = StepJudge()
        self._clock = ""
        self._judged = self._unproductive = 0
        self._counts: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._mistakes: Counter[str] = Counter()
        self._rejections: Counter[str] = Counter()
        self._tokens = total_tokens(())
        self._health = HealthAccumulator()

    def update(self, record: StepRecord) -> None:
        """Count the next step."""
        self._clock = clock_of(record.info)
        if self._judge.begun:
            self._judged += 1
            self._unproductive += self._judge.action(record.observation, self._clock) is not None
        self._judge.observe(record.observation, self._clock)
        self._steps += 1
        self._progression = float(record.info.get("progression", self._progression))
        self._return += record.reward
        self._actions[record.action_outcome] += 1
        self._tokens = total_tokens((self._tokens, record.tokens))
        self._counts["model_calls"] += record.model_calls
        self._health.update(record)
        for conversation in record.conversations:
            self._counts["prompt_characters"] += _prompt_characters(conversation)
            for operation in conversation.operations:
                self._count_operation(operation, conversation.routine)

    @property
    def health(self) -> dict[str, float | None]:
        """The health of the memory so far (`traces.health.HEALTH`)."""
        return self._health.result()

    def result(self, final_observation: Observation | None = None) -> dict[str, Any]:
        """Return all metrics so far, plain data; `final_observation` judges the last action too."""
        judged, unproductive = self._judged, self._unproductive
        if final_observation is not None and self._judge.begun:
            judged += 1
            unproductive += self._judge.action(final_observation, self._clock) is not None
        steps, counts, tokens = self._steps, self._counts, self._tokens
        return {
            "metrics_version": METRICS_VERSION,
            "progression": self._progression,
            "return": self._return,
            "steps": steps,
            "unproductive_action_rate": _rate(unproductive, judged),
            "redundant_write_rate": _rate(counts["redundant"], counts["writes"]),
            "empty_search_rate": _rate(counts["empty_searches"], counts["searches"]),
            "writes_per_search": _rate(counts["writes"], counts["searches"]),
            "log_writes_per_search": _rate(counts["LOG writes"], counts["LOG searches"]),
            "writes": counts["writes"],
            "searches": counts["searches"],
            "recalls_per_step": _rate(counts["recalls"], steps),
            "prompt_tokens_per_step": _rate(tokens["prompt"] or 0, steps) if tokens["prompt"] else None,
            "prompt_characters_per_step": _rate(counts["prompt_characters"], steps),
            "completion_tokens_per_step": _rate(tokens["completion"] or 0, steps) if tokens["completion"] else None,
            "model_calls_per_step": _rate(counts["model_calls"], steps),
            "invalid_action_rate": _rate(self._actions["invalid"] + self._actions["missing"], steps),
            "missing_action_rate": _rate(self._actions["missing"], steps),
            "action_outcomes": _shares(self._actions, steps),
            "mistakes_per_step": _rate(self._mistakes.total(), steps),
            "mistakes_by_code": _shares(self._mistakes, steps),
            "rejections_per_step": _rate(self._rejections.total(), steps),
            "rejections_by_code": _shares(self._rejections, steps),
            "tokens": dict(tokens),
            "model_calls": counts["model_calls"],
            **self._health.result(),
        }

    def _count_operation(self, operation: OperationRecord, routine: str) -> None:
        outcome = str(operation.outcome)
        if outcome == "mistake":
            self._mistakes[str(operation.code)] += 1
        elif outcome == "rejected":
            self._rejections[str(operation.code)] += 1
        elif outcome in RECALLS:
            self._counts["recalls"] += 1
            if is_search(operation):
                self._counts["searches"] += 1
                self._counts[f"{routine} searches"] += 1
                self._counts["empty_searches"] += is_empty_search(operation)
        elif outcome in WRITES:
            self._counts["writes"] += 1
            self._counts[f"{routine} writes"] += 1
            self._counts["redundant"] += self._judge.is_redundant(operation)


def _prompt_characters(conversation: Conversation) -> int:
    lengths = [0]
    for message in conversation.messages:
        lengths.append(lengths[-1] + _characters(message))
    sent = sum(lengths[min(call.prompt_length, len(lengths) - 1)] for call in conversation.calls)
    for one in (one for call in conversation.calls for one in call.shortened):
        sent += len(one["content"]) - len(conversation.messages[one["message"]].get("content") or "")
    return sent


def _characters(message: Message) -> int:
    calls = message.get("tool_calls") or ()
    return len(message.get("content") or "") + sum(len(call["function"]["arguments"]) for call in calls)


def _rate(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _shares(counts: Counter[str], whole: int) -> dict[str, float]:
    return {name: count / whole for name, count in sorted(counts.items())}
