"""What flows through the evaluation graph."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import Required, TypedDict  # noqa: UP035 - pydantic needs this one before 3.12

from graphs.fields import MODEL, SPENDABLE, WHO_PLAYS, all_tasks, described
from graphs.settings import CEILINGS
from worlds import world_names

CONCURRENCY = 10
"""Episodes side by side by default: the protocol's ten seeds at once."""


class RunInput(TypedDict, total=False):
    """What an evaluation and both outer loops are asked for."""

    world: Required[Annotated[str, described("World", "World to play.", choices=world_names)]]
    tasks: Annotated[list[str] | None, described("Tasks", "Its tasks; all if empty.", default=None, choices=all_tasks)]
    model: Annotated[str, described("Model", f"Who plays: {WHO_PLAYS}", default="scripted", example=MODEL)]
    out: Required[Annotated[str, described("Run folder", "Folder to write.", example="runs/first")]]
    concurrency: Annotated[int, described("Concurrency", "Episodes side by side.", default=CONCURRENCY)]
    ceilings: Annotated[
        dict[str, float],
        described(
            "Run ceilings",
            f"What the whole run may spend: {SPENDABLE}.",
            default={},
            example={"calls": 5000},
            choices=CEILINGS,
        ),
    ]
    resume: Annotated[
        bool, described("Resume", "Go on with the run in `out`: what is finished is not repeated.", default=False)
    ]


class Input(RunInput, total=False):
    """Which episodes to play, with whom, and where to write them."""

    seeds: Annotated[
        list[int] | None,
        described(
            "Seeds", "Seeds of each task; those of the published protocol if empty.", default=None, example=[42, 43]
        ),
    ]
    new_attempts: Annotated[
        bool,
        described(
            "New attempts",
            "With `resume`: play failed episodes again from a clean notebook; what they left is set aside.",
            default=False,
        ),
    ]
    protocol: Annotated[
        str | None,
        described("Protocol", "The published protocol that was asked for, if any; kept in run.json.", default=None),
    ]


class Episode(TypedDict):
    """One episode of the plan."""

    task: str
    seed: int


class Output(TypedDict):
    """What an evaluation gives back."""

    out: str
    summary: dict[str, Any]
    """The content of summary.json (see `traces.summary`)."""
    status: Literal["finished", "limited", "failed"]
    """"failed" where the machine failed an episode, "limited" where a ceiling ended one; with `resume` both go on."""
    reason: str | None
    """What ended the first such episode; None where all are finished."""


class State(Input, Output):
    """Everything between two nodes."""

    plan: list[Episode]
    """The episodes to play, in order; set by `prepare`."""
    settings: dict[str, Any]
    """Settings common to all episodes (fields of EpisodeSettings without task and seed); set by `prepare`."""
    results: list[dict[str, Any]]
    """Each episode's result; set by `play`."""
