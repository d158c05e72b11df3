"""What flows through the reviewer's graph: where the search lies and which attempt is under way. The rest is on disk.

Every finished piece (a review, a check, an evaluation, a verdict, an answer) is a file of the run folder, so that a
node that runs again finds what is done and goes on from there.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic needs this one before 3.12


class Input(TypedDict):
    """What is searched for, with whom, and where to write it."""

    world: str
    """Name of a registered world."""
    out: str
    """The run folder of the search."""
    model: NotRequired[str]
    """Who plays; "scripted" when left out."""
    reviewer_model: NotRequired[str]
    """Who reviews; "scripted" (no language model) when left out."""
    tasks: NotRequired[list[str]]
    """The world's tasks; all of them when left out."""
    seeds: NotRequired[list[int]]
    """Gate seeds, of each task; those of the published protocol when left out."""
    holdout_seeds: NotRequired[list[int]]
    """Seeds for the final table only: neither reviewer nor gate ever sees them."""
    versions: NotRequired[int]
    """Versions to reach (paper: 5)."""
    attempts: NotRequired[int]
    """Fresh attempts at each version (paper: 3)."""
    continuations: NotRequired[int]
    """Continuations of each fresh attempt that was turned down (paper: 1)."""
    gate: NotRequired[Literal["mean", "paired", "confirm"]]
    """The rule by which a candidate is kept; "paired" when left out."""
    confidence: NotRequired[float]
    """That nothing in the whole search is kept by luck; 0.9 when left out."""
    reevaluate_incumbent: NotRequired[bool]
    """The control arm: play the incumbent once more for every candidate, and judge that by the same rule."""
    approve: NotRequired[bool]
    """Ask a person before a candidate is evaluated and before it is adopted."""
    seed: NotRequired[int]
    """Seed of the search: what the gate draws comes from it; 0 when left out."""
    ceilings: NotRequired[dict[str, float]]
    """What the whole search may spend, reviewer and player: calls, tokens, cost (US dollars), minutes."""
    attempt_ceilings: NotRequired[dict[str, float]]
    """What one attempt may spend."""
    concurrency: NotRequired[int]
    """Episodes side by side; 10 when left out."""
    resume: NotRequired[bool]
    """Go on with the search in `out`."""


class Output(TypedDict):
    """What a search gives back."""

    out: str
    version: int
    """The best version: 0 if nothing was accepted."""
    scaffold: str
    """Its folder."""
    ended: str
    """Why the search ended, in one sentence."""


class State(Input, Output):
    """Everything between two nodes."""

    attempt: str
    """The attempt under way, such as "v1.a2" or "v1.a2.c1"; set by `next_attempt`."""
    round: int
    """How often the check has sent it back to the reviewer; set by `next_attempt` and `check`."""
    status: str
    """How the attempt ended, a status of `lineage.LineageRecord`; set by the node that leads to `settle`."""
    reason: str
    """Why, in one sentence; for `finish`: why the search ends."""
