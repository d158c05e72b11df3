"""What the training tests share: a tiny base on disk, datasets, and one way to train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.dataset import Example, Message, write_dataset
from training.metrics import Metrics
from training.sft_config import SftSettings, read_arguments

SMALL = (
    *("--rank", "4", "--alpha", "8", "--learning-rate", "1e-2", "--accumulation", "1"),
    *("--cutoff", "256", "--threads", "1", "--dtype", "float32"),
)


def conversation(number: int, turns: int = 1, words: int = 4) -> Example:
    """An example of some 100 to 150 tokens of the tiny tokenizer; no two are of one length."""
    messages = []
    for turn in range(turns):
        messages.append(Message(role="user", content=f"LOG step {number + turn}\n" + "a tree " * (words + number % 5)))
        messages.append(Message(role="assistant", content=f"<|SEARCH|>map_notes.md|{number}<|END|> <|DONE|>"))
    return Example(id=f"e{number}", messages=tuple(messages))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model on disk; see `tiny_model`. This one can end a turn.

    At its making, the row of the padding token, which is the end-of-turn token too, is zero: as the head is tied to the
    embedding, no adapter could ever make the model say it.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from tiny_model import make_tiny_model

    folder = make_tiny_model(tmp_path_factory.mktemp("tiny") / "base")
    weights = load_file(folder / "model.safetensors")
    row = weights["model.embed_tokens.weight"][2]
    row.copy_(0.35 * torch.randn(row.shape, generator=torch.Generator().manual_seed(1)))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen conversations."""
    path = tmp_path_factory.mktemp("data") / "dataset.jsonl"
    write_dataset(path, [conversation(number) for number in range(16)])
    return path


@pytest.fixture
def settings(tiny: Path, dataset: Path, tmp_path: Path) -> Callable[..., SftSettings]:
    """The settings of a small training into tmp_path/adapter, with more of the command line."""

    def make(*more: str, output: Path | None = None) -> SftSettings:
        out = str(output or tmp_path / "adapter")
        return read_arguments(
            ["--dataset", str(dataset), "--base", str(tiny), "--output", out, "--device", "cpu", *SMALL, *more]
        )

    return make


@pytest.fixture
def train(settings: Callable[..., SftSettings]) -> Callable[..., Metrics]:
    """Train so, in this process."""
    from training.sft_specialist import train as run

    def trained(*more: str, lines: list[str] | None = None, **options: Any) -> Metrics:
        said = lines if lines is not None else []
        return run(settings(*more, **options), said.append)

    return trained
