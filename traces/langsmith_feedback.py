"""Feedback in LangSmith: what we send with the steps, and how a person's score becomes a share in [0, 1].

On a step's root run: step (its number, so that one filter can ask for what came after step 500), step_reward,
invalid_action (1 where the default action had to be sent), unproductive (1 where the action was stuck or oscillating,
told once the next observation is known). On the last step's, of an episode with a score: progression and return.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from traces.flags import Unproductive
from traces.langsmith_facts import EpisodeFacts
from traces.langsmith_times import iso, took
from traces.langsmith_tree import run_id
from traces.records import EpisodeResult, StepRecord

AUTOMATIC = frozenset({"step", "step_reward", "invalid_action", "unproductive", "progression", "return"})
"""Keys of our own feedback: never a person's judgement."""
Feedback = dict[str, Any]


class Root(NamedTuple):
    """A root run that was sent, for what is known of it only later."""

    step: int
    id: str
    began: int
    """In microseconds since 1970; likewise the next."""
    ended: int

    @classmethod
    def of(cls, record: StepRecord, facts: EpisodeFacts, began: int) -> "Root":
        """Return that of a step which began at `began`."""
        identity = run_id(facts, f"{record.step}/step", began)
        return cls(record.step, identity, began, began + took(record.latency_s))


def step_feedback(record: StepRecord, root: Root, facts: EpisodeFacts) -> list[Feedback]:
    """Return what is known of a step as soon as it is played."""
    invalid = record.action_outcome in ("invalid", "missing")
    return [
        _feedback(root, facts, "step", record.step),
        _feedback(root, facts, "step_reward", record.reward),
        _feedback(root, facts, "invalid_action", float(invalid), record.action_outcome),
    ]


def judged_feedback(root: Root, facts: EpisodeFacts, verdict: Unproductive | None) -> Feedback:
    """Return what the observation after a step says of its action."""
    return _feedback(root, facts, "unproductive", float(verdict is not None), verdict or "productive")


def episode_feedback(root: Root, facts: EpisodeFacts, result: EpisodeResult) -> list[Feedback]:
    """Return an episode's score, to stand on its last step; none for a failed or damaged one, which has no score."""
    if not result.scored:
        return []
    how = result.end_reason or result.status
    return [
        _feedback(root, facts, "progression", result.progression, how),
        _feedback(root, facts, "return", result.episode_return, how),
    ]


def _feedback(root: Root, facts: EpisodeFacts, key: str, score: float, value: str | None = None) -> Feedback:
    feedback: Feedback = {
        "id": run_id(facts, f"{root.step}/feedback/{key}", root.began),
        "run_id": root.id,
        "trace_id": root.id,
        "key": key,
        "score": score,
        "start_time": iso(root.began),
        "created_at": iso(root.ended),
        "modified_at": iso(root.ended),
        "feedback_source": {"type": "api", "metadata": {"sent_by": "automem"}},
    }
    return feedback if value is None else {**feedback, "value": value}


def share(score: Any, configuration: Mapping[str, Any] | None) -> float | None:
    """Return a person's score as a share in [0, 1]; None where it is not known what it means.

    By the key's configuration in LangSmith: a continuous score between its least and its greatest value, a categorical
    one between the least and the greatest value of its categories. Without one, a score in [0, 1] is itself (thumbs
    and check boxes give 0 and 1); any other is of unknown scale.
    """
    if isinstance(score, bool):
        return float(score)
    if not isinstance(score, int | float) or score != score:
        return None
    least, greatest = _scale(configuration or {})
    if greatest <= least:
        least, greatest = 0.0, 1.0
    return (score - least) / (greatest - least) if least <= score <= greatest else None


def _scale(configuration: Mapping[str, Any]) -> tuple[float, float]:
    if configuration.get("type") == "categorical":
        values = [one.get("value") for one in configuration.get("categories") or ()]
    else:
        values = [configuration.get("min"), configuration.get("max")]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return (min(numbers), max(numbers)) if len(numbers) > 1 else (0.0, 0.0)
