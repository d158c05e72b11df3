"""A recipe: the data and configuration of one iteration of loop 2, with a rationale. Shipped ones are in recipes/."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training import TrainingError
from training.dataset import sentence

FOLDER = Path(__file__).parent / "recipes"
ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(StrEnum):
    """The course of the learning rate after warm-up; names of transformers."""

    COSINE = "cosine"
    LINEAR = "linear"
    CONSTANT = "constant_with_warmup"


class LoraConfiguration(_Settings):
    """One training: the adapter's form and its optimisation (AdamW without weight decay)."""

    rank: int = Field(ge=1, le=512, description="Rank of the adapter; vLLM serves up to 512.")
    alpha: int = Field(ge=1, description="Scale: the adapter's product counts alpha / rank.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Of the adapter's input, while training.")
    learning_rate: float = Field(gt=0, lt=1, description="The highest of the schedule.")
    epochs: int = Field(default=1, ge=1, description="Times that every example is seen.")
    batch: int = Field(default=1, ge=1, description="Examples per process and forward pass.")
    accumulation: int = Field(default=1, ge=1, description="Forward passes per optimizer step.")
    processes: int = Field(default=1, ge=1, description="Processes (GPUs) that batch and accumulation are meant for.")
    cutoff: int = Field(ge=16, description="Tokens an example may have.")
    schedule: Schedule = Field(default=Schedule.COSINE, description="How the learning rate goes.")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps in which it rises from zero.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Gradients are clipped to this norm.")
    target_modules: Literal["all-linear"] | tuple[ModuleName, ...] = Field(
        default="all-linear", min_length=1, description="Layers that get an adapter: names, or all-linear."
    )
    seed: int = Field(default=42, ge=0, lt=2**32, description="Of the adapter's first weights and the order.")

    @property
    def effective_batch(self) -> int:
        """Examples per optimizer step, over all processes."""
        return self.batch * self.accumulation * self.processes

    def accumulation_on(self, processes: int) -> int:
        """Forward passes per step that keep the effective batch on so many processes. TrainingError if none does."""
        passes, left = divmod(self.effective_batch, self.batch * processes)
        if left or not passes:
            raise TrainingError(
                f"{self.effective_batch} examples per step cannot be spread over {processes} processes with a batch "
                f"of {self.batch}: change batch, accumulation or the number of processes."
            )
        return passes


class DataDecision(_Settings):
    """What an iteration trains on."""

    source: Literal["reuse", "regenerate"]
    """reuse: the selection of an earlier iteration; regenerate: a new selection from the traces."""
    reuse_iteration: int | None = Field(default=None, ge=1)
    """Whose selection to reuse. None: the latest."""
    minimum_examples: int = Field(default=1, ge=1)
    """With fewer, nothing is trained."""
    top_episodes_percent: float = Field(default=100.0, gt=0, le=100)
    """Prefer the turns of this percentage of the episodes, the best by progression."""
    selection: str = ""
    """What to change in the selection logic; empty: nothing."""


class Recipe(_Settings):
    """What one iteration does, and why."""

    rationale: str = Field(min_length=1)
    data: DataDecision
    configurations: tuple[LoraConfiguration, ...] = Field(min_length=1, max_length=2)


def names_in(folder: Path) -> list[str]:
    """Names of the TOML files in a folder of shipped ones."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_named(kind: str, name: str, folder: Path) -> tuple[Path, str]:
    """Path and text of a shipped recipe or policy by name, or of any by its TOML file. TrainingError for neither."""
    path = Path(name).expanduser()
    if "/" not in name and not name.endswith(".toml"):
        if name not in names_in(folder):
            raise TrainingError(f"There is no {kind} {name!r}: name a file, or one of {', '.join(names_in(folder))}.")
        path = folder / f"{name}.toml"
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"The {kind} {path} cannot be read: {error}.") from error


def recipe_names() -> list[str]:
    """The shipped recipes."""
    return names_in(FOLDER)


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or any by its TOML file. TrainingError for an unknown name or a faulty file."""
    path, text = read_named("recipe", name, FOLDER)
    try:
        return recipe_of(tomllib.loads(text), str(path))
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"The recipe {path} cannot be read: {error}.") from error


def recipe_of(values: Mapping[str, Any], where: str) -> Recipe:
    """The recipe of plain values. TrainingError names `where` and the first fault."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise TrainingError(f"{where} is no recipe: {sentence(error)}.") from error
