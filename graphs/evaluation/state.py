"""What flows through the evaluation graph."""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic needs this one before 3.12


class Input(TypedDict):
    """Which episodes to play, with whom, and where to write them."""

    world: str
    """Name of a registered world."""
    tasks: NotRequired[list[str]]
    """Its tasks; all of them when left out."""
    seeds: NotRequired[list[int]]
    """Seeds of each task; those of the published protocol when left out."""
    model: NotRequired[str]
    """Model specification; "scripted" when left out."""
    out: str
    """The run folder."""
    concurrency: NotRequired[int]
    """Episodes side by side; 10 when left out."""
    resume: NotRequired[bool]
    """Go on with the run in `out`: finished episodes are kept, broken ones continued."""
    new_attempts: NotRequired[bool]
    """With `resume`: play failed episodes anew from a clean notebook instead; what they left is set aside."""
    protocol: NotRequired[str | None]
    """The published protocol that was asked for, if any; kept in run.json."""
    ceilings: NotRequired[dict[str, float]]
    """What the whole run may spend: calls, tokens, cost (US dollars), minutes."""


class Episode(TypedDict):
    """One episode of the plan."""

    task: str
    seed: int


class Output(TypedDict):
    """What an evaluation gives back."""

    out: str
    summary: dict[str, Any]
    """The content of summary.json (see `traces.summary`)."""


class State(Input, Output):
    """Everything between two nodes."""

    plan: list[Episode]
    """The episodes to play, in order; set by `prepare`."""
    settings: dict[str, Any]
    """Settings common to all episodes (fields of EpisodeSettings without task and seed); set by `prepare`."""
    results: list[dict[str, Any]]
    """Each episode's result; set by `play`."""
