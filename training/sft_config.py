"""What one training is told: a validated record, and the command line that fills it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.dataset import sentence
from training.errors import TrainingError
from training.recipe import LoraConfiguration, Schedule, load_recipe

DEFAULT_RECIPE = "small-cpu"
LossOn = Literal["all", "last"]
CutoffPolicy = Literal["drop", "cut", "refuse"]
Batching = Literal["shuffled", "grouped", "packed"]
Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "bfloat16", "float32"]


class SftSettings(BaseModel):
    """One training of one adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Path
    base: str = Field(min_length=1)
    """`embedded` (SmolLM2-135M-Instruct, as chat_models keeps it), a folder, or OWNER/NAME of the Hugging Face hub."""
    output: Path
    lora: LoraConfiguration
    loss: LossOn = "all"
    """Which assistant turns of an example carry loss."""
    cutoff_policy: CutoffPolicy = "drop"
    """An example of more tokens than the cutoff: drop it; cut whole turns from its end; or refuse the dataset."""
    batching: Batching = "shuffled"
    """grouped: examples of like length share a batch; packed: examples share sequences of `cutoff` tokens."""
    device: Device = "auto"
    dtype: Dtype = "auto"
    """Of the base's weights. auto: bfloat16 where the device computes it itself. The adapter's are float32."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; None: torch decides. Part of what must be equal for equal loss curves on a CPU."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps after which training ends, whatever the epochs say."""
    save_every: int = Field(default=20, ge=1)
    """Optimizer steps between checkpoints; the last two are kept."""
    log_every: int = Field(default=1, ge=1)
    """Optimizer steps between points of the loss curve."""
    init_adapter: Path | None = None
    """An adapter of the same base and form to start from."""
    resume: bool = False
    """Go on with the training in `output`; one that is finished stays as it is."""

    def equal_parts(self) -> dict[str, Any]:
        """What a resumed training must have in common with its beginning, beside the contents of dataset and base.

        Where they lie, and on what machine it runs, may change.
        """
        places = {"dataset", "base", "output", "device", "threads"}
        parts = self.model_dump(mode="json", exclude={*places, "resume", "save_every", "log_every"})
        return {**{f"lora.{name}": value for name, value in parts.pop("lora").items()}, **parts}


def read_arguments(arguments: Sequence[str] | None = None) -> SftSettings:
    """The settings of a command line. TrainingError for values that cannot be; SystemExit 2 for unknown options."""
    given = vars(_parser().parse_args(arguments))
    recipe = load_recipe(given.pop("recipe"))
    number = given.pop("configuration")
    if number > len(recipe.configurations):
        raise TrainingError(f"The recipe has {len(recipe.configurations)} configuration(s): there is no {number}.")
    names = LoraConfiguration.model_fields
    changes = {name: given.pop(name) for name in names if given[name] is not None}
    rest = {name: value for name, value in given.items() if name not in names}
    lora = {**recipe.configurations[number - 1].model_dump(), **changes}
    try:
        return SftSettings.model_validate({**rest, "lora": lora})
    except ValidationError as error:
        raise TrainingError(f"The settings of this training cannot be: {sentence(error)}.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sft_specialist.py",
        description="Train a LoRA adapter, a memory specialist, on a dataset of conversations.",
    )
    add = parser.add_argument
    add("--dataset", type=Path, required=True, help="JSON lines; the form is in training/README.md")
    add("--base", required=True, help="embedded, a folder, or OWNER/NAME of the Hugging Face hub")
    add("--output", type=Path, required=True, help="folder for the adapter and what is measured")
    add("--recipe", default=DEFAULT_RECIPE, help="shipped recipe or TOML file (default: %(default)s)")
    add("--configuration", type=int, choices=(1, 2), default=1, help="which of the recipe's (default: 1)")
    add("--loss", choices=get_args(LossOn), default="all", help="assistant turns that are learned (default: all)")
    add("--cutoff-policy", choices=get_args(CutoffPolicy), default="drop", help="for examples over the cutoff")
    add("--batching", choices=get_args(Batching), default="shuffled", help="how examples share a batch")
    add("--device", choices=get_args(Device), default="auto")
    add("--dtype", choices=get_args(Dtype), default="auto", help="of the base's weights")
    add("--threads", type=int, help="CPU threads (default: torch's)")
    add("--max-steps", type=int, help="stop after so many optimizer steps")
    add("--save-every", type=int, default=20, help="steps between checkpoints (default: %(default)s)")
    add("--log-every", type=int, default=1, help="steps between points of the loss curve (default: %(default)s)")
    add("--init-adapter", type=Path, help="adapter of the same base and form to start from")
    add("--resume", action="store_true", help="go on with the training in --output")
    group = parser.add_argument_group("in place of the recipe's")
    for name, field in LoraConfiguration.model_fields.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=_READERS.get(name, str), help=field.description)
    return parser


def _modules(text: str) -> str | tuple[str, ...]:
    return text if text == "all-linear" else tuple(filter(None, (part.strip() for part in text.split(","))))


_READERS: dict[str, Any] = {"target_modules": _modules, "schedule": Schedule}


def processes() -> int:
    """How many train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the one that writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0
