"""What flows through the curator's graph: where the run lies and which iteration is under way. The rest is on disk.

Every finished piece (an episode, a selection, a dataset, an adapter, an evaluation, an answer, a line of the ledger) is
a file of the run folder, so that a node that runs again finds what is done and goes on from there.
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic needs this one before 3.12


class Input(TypedDict):
    """What is specialised for what, by whom, and where to write it."""

    world: str
    """Name of a registered world."""
    out: str
    """The run folder."""
    model: NotRequired[str]
    """Who plays the training episodes; "scripted" (no language model) when left out."""
    base: NotRequired[str]
    """What is trained and served, as a model: `vllm:NAME` or `embedded…`; `model` when left out."""
    weights: NotRequired[str]
    """Where the base's weights are for training (a folder, or OWNER/NAME of a hub); as `base` says when left out."""
    curator_model: NotRequired[str]
    """Who curates; "scripted" (no language model) when left out."""
    tasks: NotRequired[list[str]]
    """The world's tasks; all of them when left out."""
    train_seeds: NotRequired[list[int] | int]
    """Seeds of the training episodes of each task, or how many to draw; 100 are drawn when left out."""
    validation_seeds: NotRequired[list[int] | int]
    """Seeds by which recipes are chosen, or how many to draw; as many as final seeds are drawn when left out."""
    final_seeds: NotRequired[list[int]]
    """Seeds of the final table, never played before it; those of the published protocol when left out."""
    iterations: NotRequired[int]
    """Recipes to try; 5 when left out."""
    recipe: NotRequired[str]
    """The recipe the curator starts from: a shipped one by name, or a TOML file."""
    minimum_examples: NotRequired[int]
    """Fewer are never trained on; as that recipe says when left out."""
    controls: NotRequired[bool]
    """In the final table also: the specialist in both roles, and one trained on turns chosen by chance."""
    approve: NotRequired[bool]
    """Ask a person before each training and before the final table."""
    seed: NotRequired[int]
    """Seed of all that is drawn; 0 when left out."""
    launcher: NotRequired[list[str]]
    """What starts a training in place of this Python, such as accelerate launch --config_file FILE."""
    train_options: NotRequired[list[str]]
    """Further options for training/sft_specialist.py, the same for every training."""
    ceilings: NotRequired[dict[str, float]]
    """What the whole run may spend, curator, players and trainings: calls, tokens, cost (US dollars), minutes."""
    concurrency: NotRequired[int]
    """Episodes side by side; 10 when left out."""
    resume: NotRequired[bool]
    """Go on with the run in `out`."""


class Output(TypedDict):
    """What a run gives back."""

    out: str
    winner: str | None
    """The best training by validation, such as "2a"; None if nothing was trained."""
    adapter: str | None
    """Its folder."""
    ended: str
    """Why the run ended, in one sentence."""


class State(Input, Output):
    """Everything between two nodes."""

    iteration: int
    """The iteration under way, from 1; set by `next_iteration`."""
    round: int
    """How often its dataset or recipe has gone back to the curator; set by `next_iteration`, `certify` and `train`."""
    reason: str
    """Why an iteration, or the run, ends, in one sentence; set by the node that ends it."""
