"""What flows through the reviewer's graph: where the search lies and which attempt is under way. The rest is on disk.

Every finished piece (a review, a check, an evaluation, a verdict, an answer) is a file of the run folder, so that a
node that runs again finds what is done and goes on from there.
"""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from graphs.fields import described
from graphs.loop_run import LoopInput
from graphs.settings import CEILINGS


class Input(LoopInput, total=False):
    """What is searched for, with whom, and where to write it."""

    reviewer_model: Annotated[
        str,
        described(
            "Reviewer model",
            "Who reviews: PROVIDER:NAME with tool calling, or scripted (no language model).",
            default="scripted",
            example="anthropic:NAME",
        ),
    ]
    seeds: Annotated[
        list[int] | None,
        described(
            "Gate seeds",
            "Seeds of each task by which candidates are judged; those of the published protocol if empty.",
            default=None,
            example=[42, 43, 44, 45, 46],
        ),
    ]
    holdout_seeds: Annotated[
        list[int],
        described(
            "Hold-out seeds",
            "Seeds for the final table only: neither reviewer nor gate ever sees them.",
            default=[],
            example=[60, 61, 62],
        ),
    ]
    versions: Annotated[int, described("Versions", "Versions to reach (paper: 5).", default=5)]
    attempts: Annotated[int, described("Attempts", "Fresh attempts at each version (paper: 3).", default=3)]
    continuations: Annotated[
        int,
        described("Continuations", "Continuations of each fresh attempt that was turned down (paper: 1).", default=1),
    ]
    gate: Annotated[
        Literal["mean", "paired", "confirm"],
        described(
            "Gate",
            "The rule by which a candidate is kept: the paper's mean, paired by seed, or confirmed on fresh seeds.",
            default="paired",
        ),
    ]
    confidence: Annotated[
        float,
        described("Confidence", "That nothing in the whole search is kept by luck; 0.5 to 1, 1 excluded.", default=0.9),
    ]
    reevaluate_incumbent: Annotated[
        bool,
        described(
            "Control arm",
            "Play the incumbent once more for every candidate, and judge that by the same rule.",
            default=False,
        ),
    ]
    approve: Annotated[
        bool,
        described(
            "Ask a person", "Ask a person before a candidate is evaluated and before it is adopted.", default=False
        ),
    ]
    attempt_ceilings: Annotated[
        dict[str, float],
        described(
            "Attempt ceilings",
            "What one attempt may spend, by the same names.",
            default={},
            example={"cost": 5.0},
            choices=CEILINGS,
        ),
    ]


class Output(TypedDict):
    """What a search gives back."""

    out: str
    version: int
    """The best version: 0 if nothing was accepted."""
    scaffold: str
    """Its folder."""
    status: str
    """"finished", or "limited" where a budget ended it: with a higher one it goes on. Until then, how the attempt under
    way ended (a status of `lineage.LineageRecord`); set by the node that leads to `settle`."""
    ended: str
    """Why the search ended, in one sentence."""


class State(Input, Output):
    """Everything between two nodes."""

    attempt: str
    """The attempt under way, such as "v1.a2" or "v1.a2.c1"; set by `next_attempt`."""
    round: int
    """How often the check has sent it back to the reviewer; set by `next_attempt` and `check`."""
    reason: str
    """Why, in one sentence; for `finish`: why the search ends."""
