"""What flows through the curator's graph: where the run lies and which iteration is under way. The rest is on disk.

Every finished piece (an episode, a selection, a dataset, an adapter, an evaluation, an answer, a line of the ledger) is
a file of the run folder, so that a node that runs again finds what is done and goes on from there.
"""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from graphs.fields import described
from graphs.loop_run import LoopInput


class Input(LoopInput, total=False):
    """What is specialised for what, by whom, and where to write it."""

    base: Annotated[
        str | None,
        described(
            "Base",
            "What is trained and served, as a model: `vllm:NAME` or `embedded…`; `model` if empty.",
            default=None,
            example="embedded",
        ),
    ]
    weights: Annotated[
        str | None,
        described(
            "Weights",
            "The base's weights for training (a folder, or OWNER/NAME of a hub); as `base` says if empty.",
            default=None,
            example="Qwen/Qwen2.5-32B-Instruct",
        ),
    ]
    traces: Annotated[
        str | None,
        described(
            "Traces",
            "The run folder of an evaluation to learn from, in place of collecting: who played it, its tasks and its "
            "seeds are those of the training episodes.",
            default=None,
            example="runs/played",
        ),
    ]
    curator_model: Annotated[
        str,
        described(
            "Curator model",
            "Who curates: PROVIDER:NAME with tool calling, or scripted (no language model).",
            default="scripted",
            example="anthropic:NAME",
        ),
    ]
    train_seeds: Annotated[
        list[int] | int,
        described("Training seeds", "Seeds of the training episodes of each task, or how many to draw.", default=100),
    ]
    validation_seeds: Annotated[
        list[int] | int | None,
        described(
            "Validation seeds",
            "Seeds by which recipes are chosen, or how many to draw; as many as final seeds are drawn if empty.",
            default=None,
            example=10,
        ),
    ]
    final_seeds: Annotated[
        list[int] | None,
        described(
            "Final seeds",
            "Seeds of the final table, never played before it; those of the published protocol if empty.",
            default=None,
            example=[42, 43],
        ),
    ]
    iterations: Annotated[int, described("Iterations", "Recipes to try (paper: 5).", default=5)]
    recipe: Annotated[
        str | None,
        described(
            "Recipe",
            "What the curator starts from: a shipped recipe by name, or a TOML file; by world and base if empty.",
            default=None,
            example="small-cpu",
        ),
    ]
    policy: Annotated[
        str,
        described(
            "Policy",
            "The selection policy that the curator starts from: a shipped one by name, or a TOML file.",
            default="default",
            example="credited",
        ),
    ]
    minimum_examples: Annotated[
        int | None,
        described(
            "Least examples", "Fewer are never trained on; as the recipe says if empty.", default=None, example=40
        ),
    ]
    controls: Annotated[
        bool,
        described(
            "Controls",
            "In the final table also: the specialist in both roles, and one trained on turns chosen by chance.",
            default=False,
        ),
    ]
    approve: Annotated[
        bool, described("Ask a person", "Ask a person before each training and before the final table.", default=False)
    ]
    launcher: Annotated[
        list[str],
        described(
            "Launcher",
            "What starts a training in place of this Python, such as accelerate launch --config_file FILE.",
            default=[],
            example=["accelerate", "launch"],
        ),
    ]
    specialist_server: Annotated[
        list[str],
        described(
            "Specialist's server",
            "A command that serves one specialist, merged into the base's weights in {folder}, as {name}; started "
            "for each evaluation. The base's servers load adapters if empty.",
            default=[],
            example=[
                "vllm",
                "serve",
                "{folder}",
                "--served-model-name",
                "{name}",
                "--host",
                "127.0.0.1",
                "--port",
                "8001",
            ],
        ),
    ]
    specialist_url: Annotated[
        str,
        described("Specialist's base URL", "Where that command's server answers, with /v1.", default=""),
    ]
    train_options: Annotated[
        list[str],
        described(
            "Training options",
            "Further options for training/sft_specialist.py, the same for every training.",
            default=[],
        ),
    ]


class Output(TypedDict):
    """What a run gives back."""

    out: str
    winner: str | None
    """The best training by validation, such as "2a"; None if nothing was trained."""
    adapter: str | None
    """Its folder."""
    status: str
    """"finished", or "limited" where a ceiling ended it: with a higher one it goes on."""
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
