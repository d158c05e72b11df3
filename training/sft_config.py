"""The settings of one training, its command line, and the launcher's environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from training import TrainingError
from training.dataset import sentence
from training.recipe import LoraConfiguration, Schedule, load_recipe

DEFAULT_RECIPE = "small-cpu"
LossOn = Literal["all", "last"]
CutoffPolicy = Literal["drop", "cut", "refuse"]
Batching = Literal["auto", "shuffled", "grouped", "packed", "shared"]
Recompute = Literal["auto", "on", "mlp", "off"]
Device = Literal["auto", "cpu", "cuda"]
DEVICES = {
    "h100": (989e12, 80e9),
    "h200": (989e12, 141e9),
    "a100": (312e12, 80e9),
    "l40s": (362e12, 48e9),
    "rtx4090": (165e12, 24e9),
}
"""GPUs to plan for: dense operations a second in bfloat16 as NVIDIA states them, and bytes of memory."""
Dtype = Literal["auto", "bfloat16", "float32"]


class SftSettings(BaseModel):
    """One training of one adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Path = Field(description="JSON lines; the form is in training/README.md")
    base: str = Field(min_length=1, description="embedded, a folder, or OWNER/NAME of the Hugging Face hub")
    output: Path = Field(description="folder for the adapter and its metrics")
    lora: LoraConfiguration
    loss: LossOn = Field(default="all", description="assistant turns of an example that are learned")
    cutoff_policy: CutoffPolicy = Field(
        default="drop", description="drop longer examples, cut whole turns from their end, or refuse the dataset"
    )
    batching: Batching = Field(
        default="auto",
        description="grouped: like lengths share a batch; packed: examples share long sequences; shared: prefixes "
        "that examples of a step have in common are computed once; auto: shared where that saves much, else shuffled",
    )
    recompute: Recompute = Field(
        default="auto",
        description="compute activations again in the backward pass to save memory; mlp: only those of the "
        "feed-forward parts; auto: on for a GPU, off for a CPU",
    )
    device: Device = "auto"
    dtype: Dtype = Field(
        default="auto", description="of the base's weights; auto: bfloat16 where the device computes it"
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; equal loss curves need an equal number")
    max_steps: int | None = Field(default=None, ge=1, description="end after this many optimizer steps")
    save_every: int = Field(default=20, ge=1, description="optimizer steps between checkpoints; two are kept")
    log_every: int = Field(default=1, ge=1, description="optimizer steps between points of the loss curve")
    init_adapter: Path | None = Field(default=None, description="adapter of the same base and form to start from")
    resume: bool = Field(default=False, description="continue the training in --output; a finished one stays as it is")

    def recomputes(self, device: str) -> Recompute:
        """Which activations are computed again on this device, cpu or cuda: never auto."""
        return ("on" if device == "cuda" else "off") if self.recompute == "auto" else self.recompute

    def equal_parts(self) -> dict[str, Any]:
        """The settings that a resumed training must share with its first session.

        Paths and the machine may change; the contents of dataset and base are compared by digest.
        """
        places = {"dataset", "base", "output", "device", "threads", "recompute"}
        parts = self.model_dump(mode="json", exclude={*places, "resume", "save_every", "log_every"})
        return {**{f"lora.{name}": value for name, value in parts.pop("lora").items()}, **parts}


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """To be shown what a training takes, on this device or on one like `like`."""

    like: str | None


def read_arguments(arguments: Sequence[str] | None = None) -> SftSettings:
    """The settings of a command line. TrainingError for invalid values; SystemExit 2 for unknown options."""
    return read_command(arguments)[0]


def read_command(arguments: Sequence[str] | None = None) -> tuple[SftSettings, PlanRequest | None]:
    """The settings, and whether the training is only to be planned; errors of `read_arguments`."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    planned, like = given.pop("plan"), given.pop("device_like")
    if like and not planned:
        parser.error("--device-like goes with --plan")
    if given["output"] is None:
        if not planned:
            parser.error("the following arguments are required: --output")
        given["output"] = Path()
    recipe = load_recipe(given.pop("recipe"))
    number = given.pop("configuration")
    if number > len(recipe.configurations):
        raise TrainingError(f"The recipe has {len(recipe.configurations)} configuration(s): there is no {number}.")
    names = LoraConfiguration.model_fields
    changes = {name: given.pop(name) for name in names if given[name] is not None}
    rest = {name: value for name, value in given.items() if name not in names}
    lora = {**recipe.configurations[number - 1].model_dump(), **changes}
    try:
        return SftSettings.model_validate({**rest, "lora": lora}), PlanRequest(like) if planned else None
    except ValidationError as error:
        raise TrainingError(f"The settings of this training are invalid: {sentence(error)}.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sft_specialist.py",
        description="Train a LoRA adapter, a memory specialist, on a dataset of conversations.",
    )
    parser.add_argument("--recipe", default=DEFAULT_RECIPE, help="shipped recipe or TOML file (default: %(default)s)")
    parser.add_argument("--configuration", type=int, choices=(1, 2), default=1, help="of the recipe (default: 1)")
    for name, field in SftSettings.model_fields.items():
        if name != "lora":
            _add(parser, name, field)
    parser.add_argument("--plan", action="store_true", help="say what the training takes, and end")
    parser.add_argument("--device-like", choices=DEVICES, help="plan for a GPU of this kind, not for this machine")
    group = parser.add_argument_group("in place of the recipe's")
    for name, field in LoraConfiguration.model_fields.items():
        group.add_argument(_option(name), type=_READERS.get(name, str), help=field.description)
    return parser


def _add(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    """Add the option of a setting."""
    if field.annotation is bool:
        parser.add_argument(_option(name), action="store_true", help=field.description)
        return
    default = "" if field.is_required() or field.default is None else " (default: %(default)s)"
    parser.add_argument(
        _option(name),
        required=field.is_required() and name != "output",
        default=None if field.is_required() else field.default,
        choices=get_args(field.annotation) if get_origin(field.annotation) is Literal else None,
        help=f"{field.description or ''}{default}".strip(),
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _modules(text: str) -> str | tuple[str, ...]:
    return text if text == "all-linear" else tuple(filter(None, (part.strip() for part in text.split(","))))


_READERS: dict[str, Any] = {"target_modules": _modules, "schedule": Schedule}


def processes() -> int:
    """Number of processes that train together (WORLD_SIZE, set by the launcher)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes files and reports (RANK 0)."""
    return int(os.environ.get("RANK", "0")) == 0
