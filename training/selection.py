"""Selection of training examples: a declarative policy, the curator's own decisions, and quotas.

A selection consists of ids alone, so every example is verbatim the agent's own. The same candidates, policy,
decisions and seed give the same selection in any process.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training import TrainingError
from training.candidates import Candidate
from training.recipe import names_in, read_named

Share = Annotated[float, Field(gt=0, le=1)]


class PolicyError(TrainingError):
    """An invalid selection policy: one sentence, with the setting's name."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Filters(_Table):
    """What a candidate must fulfil to be considered."""

    max_mistakes: int | None = Field(default=None, ge=0)
    """Operations that could not be read or were not allowed, at most."""
    max_rejected: int | None = Field(default=None, ge=0)
    """Operations that the notebook refused, at most."""
    max_redundant_writes: int | None = Field(default=None, ge=0)
    max_empty_searches: int | None = Field(default=None, ge=0)
    min_operations: int = Field(default=0, ge=0)
    """Memory operations, at least."""
    min_credit: float | None = None
    min_reward_nearby: float | None = None
    min_feedback: float | None = None
    """A person's judgement, in [0, 1]; candidates without one pass."""
    max_turns: int | None = Field(default=None, ge=1)
    max_prompt_characters: int | None = Field(default=None, ge=1)
    """Of the whole conversation, which may exceed the cutoff of a training."""
    proven_helpful: bool = False
    """Whether only turns are taken whose write is proven helpful: the interval of its effect is above 0."""
    recall_before_record: bool = False
    """Whether a LOG that records must have recalled first."""
    productive_only: bool = False
    """Whether steps whose action was stuck or oscillating are left out."""
    top_episodes: Share = 1.0
    """Only from the best episodes of each task by progression, this share of them."""


class Quotas(_Table):
    """How the selection is distributed; shares are of `total`."""

    log_share: float = Field(default=0.5, ge=0, le=1)
    """LOG's share; PLAN has the rest. What one of them cannot fill stays empty, so that the balance holds."""
    per_episode: Share = 1.0
    """Of one episode; never less than an even split over the episodes there are."""
    per_shape: Share = 1.0
    """Of one prompt shape (see `training.candidates`)."""
    by_chance: float = Field(default=0.0, ge=0, le=1)
    """Part of each routine's share that is drawn at random from all that pass the filters, whatever the `order`: the
    best turns alone do not show the ordinary ones, which are most of an episode."""


class Policy(_Table):
    """A selection policy, as written in policy.toml."""

    summary: str = Field(min_length=1)
    total: int = Field(ge=1)
    """Examples to select, at most."""
    order: Literal["credit", "effect", "reward", "progression", "random", "score"] = "credit"
    """What ranks first: credit, the measured effect (turns without one last), the reward of the next steps, the
    episode's progression, chance, or the score of the policy's own code (policy.py)."""
    filters: Filters = Filters()
    quotas: Quotas = Quotas()

    @classmethod
    def parse(cls, text: str) -> Policy:
        """The policy written as TOML. PolicyError names what is wrong."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise PolicyError(f"The policy is not TOML: {error}.") from error
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in fault["loc"]) or "the policy"
            raise PolicyError(f"The policy's {name}: {fault['msg']}, not {fault['input']!r}.") from error


POLICIES = Path(__file__).parent / "policies"
"""The shipped policies."""
DEFAULT_POLICY = POLICIES / "default.toml"
"""What a curator starts from, unless another one is given."""


def policy_names() -> list[str]:
    """The shipped policies."""
    return names_in(POLICIES)


def load_policy(name: str) -> str:
    """The text of a shipped policy by name, or of any by its TOML file. TrainingError if unknown or faulty."""
    _, text = read_named("policy", name, POLICIES)
    Policy.parse(text)
    return text


@dataclass(frozen=True, slots=True)
class Decision:
    """A curator's decision on one candidate."""

    id: str
    verdict: Literal["accept", "reject"]
    reason: str


@dataclass(slots=True)
class Selection:
    """The chosen candidates with the reason of each, in the order chosen, and what was covered and left out."""

    chosen: dict[str, str] = field(default_factory=dict)
    routines: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    episodes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """Candidates left out, by reason."""
    shapes_seen: Counter[str] = field(default_factory=Counter)
    """All candidates by shape, chosen or not."""

    def add(self, ranked: _Ranked) -> None:
        """Choose a candidate."""
        self.chosen[ranked.id] = ranked.why
        self.routines[ranked.routine] += 1
        self.shapes[ranked.shape] += 1
        self.episodes[ranked.episode] += 1


class _Ranked(NamedTuple):
    """The part of a candidate that is kept until all are ranked: there may be hundreds of thousands."""

    rank: tuple[float, ...]
    id: str
    routine: str
    shape: str
    episode: str
    why: str

    @property
    def accepted(self) -> bool:
        return self.rank[0] == 0.0


def select(
    candidates: Iterable[Candidate],
    policy: Policy,
    decisions: Iterable[Decision] = (),
    *,
    seed: int = 0,
    scores: Mapping[str, float | None] | None = None,
) -> Selection:
    """Choose by decisions first, then by the policy's filters, order and quotas.

    `scores`: by the policy's own code, candidate id to score; None or missing leaves a candidate out. They are needed
    for order "score" and filter in every order. An accepted candidate passes every filter but counts in the quotas.
    """
    if policy.order == "score" and scores is None:
        raise PolicyError('order = "score" needs code that gives scores: write policy.py, or choose another order.')
    decided = {decision.id: decision for decision in decisions}
    selection = Selection()
    ranked: list[_Ranked] = []
    for candidate in candidates:
        selection.shapes_seen[candidate.shape] += 1
        decision = decided.get(candidate.id)
        if decision is not None and decision.verdict == "reject":
            selection.left_out["rejected by the curator"] += 1
            continue
        accepted = decision is not None
        fault = None if accepted else _failed_filter(candidate, policy.filters, scores)
        if fault is not None:
            selection.left_out[fault] += 1
            continue
        why = f"accepted: {decision.reason}" if decision is not None else f"policy, by {policy.order}"
        rank = (0.0 if accepted else 1.0, -_worth(candidate, policy, scores), _chance(candidate.id, seed))
        ranked.append(_Ranked(rank, candidate.id, candidate.routine, candidate.shape, candidate.episode, why))
    per_episode = max(policy.total * policy.quotas.per_episode, policy.total / max(len({r.episode for r in ranked}), 1))
    left = _choose(sorted(ranked), policy, selection, math.ceil(per_episode), 1 - policy.quotas.by_chance)
    by_chance = [one._replace(why="policy, by chance") for one in sorted(left, key=lambda one: one.rank[-1])]
    _choose(by_chance, policy, selection, math.ceil(per_episode), 1.0)
    return selection


def _choose(
    ranked: Iterable[_Ranked], policy: Policy, selection: Selection, per_episode: int, part: float
) -> list[_Ranked]:
    """Choose until this part of each routine's share is filled; return the candidates left for the next part."""
    left = []
    for one in ranked:
        full = _full_quota(one, policy, selection, per_episode, part)
        if full is None:
            selection.add(one)
        elif part < 1:
            left.append(one)
        else:
            selection.left_out[full] += 1
    return left


def _failed_filter(candidate: Candidate, filters: Filters, scores: Mapping[str, float | None] | None) -> str | None:
    """The first filter that a candidate does not pass."""
    most = {
        "max_mistakes": candidate.mistakes,
        "max_rejected": candidate.outcomes.get("rejected", 0),
        "max_redundant_writes": candidate.redundant_writes,
        "max_empty_searches": candidate.empty_searches,
        "max_turns": candidate.turns,
        "max_prompt_characters": candidate.characters,
    }
    least = {
        "min_operations": candidate.recalls + candidate.records,
        "min_credit": candidate.credit,
        "min_reward_nearby": candidate.reward_nearby,
        "min_feedback": candidate.feedback,
    }
    for name, value in most.items():
        if (limit := getattr(filters, name)) is not None and value > limit:
            return name
    for name, reached in least.items():
        if (limit := getattr(filters, name)) is not None and reached is not None and reached < limit:
            return name
    if filters.proven_helpful and not (candidate.effect_low is not None and candidate.effect_low > 0):
        return "proven_helpful"
    if filters.recall_before_record and candidate.records and not candidate.recall_before_record:
        return "recall_before_record"
    if filters.productive_only and candidate.unproductive:
        return "productive_only"
    if candidate.episode_rank >= filters.top_episodes:
        return "top_episodes"
    return "score" if scores is not None and scores.get(candidate.id) is None else None


def _worth(candidate: Candidate, policy: Policy, scores: Mapping[str, float | None] | None) -> float:
    if policy.order == "score":
        return (scores or {}).get(candidate.id) or 0.0
    return {
        "credit": candidate.credit,
        "effect": -math.inf if candidate.effect is None else candidate.effect,
        "reward": candidate.reward_nearby,
        "progression": candidate.progression,
        "random": 0.0,
    }[policy.order]


def _chance(identifier: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{identifier}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def _full_quota(candidate: _Ranked, policy: Policy, selection: Selection, per_episode: int, part: float) -> str | None:
    """The quota that has no room for a candidate; `part` of its routine's share may be filled."""
    quotas, total = policy.quotas, policy.total
    log = round(total * quotas.log_share)
    share = log if candidate.routine == "LOG" else total - log
    if selection.routines[candidate.routine] >= (share if candidate.accepted else round(share * part)):
        return f"{candidate.routine} is full"
    if selection.episodes[candidate.episode] >= per_episode:
        return "per_episode is full"
    if selection.shapes[candidate.shape] >= math.ceil(total * quotas.per_shape):
        return "per_shape is full"
    return None
