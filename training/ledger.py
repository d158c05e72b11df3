"""The ledger of loop 2: append-only JSON lines, one per training; the next recipe is chosen from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training import TrainingError, TrainingFailure
from training.dataset import sentence
from training.recipe import LoraConfiguration

FILE = "ledger.jsonl"


class LedgerEntry(BaseModel):
    """One run: its data, configuration, cost and result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(min_length=1)
    """Its unique name: a second line of the same name is not written, so that a resumed node may append again."""
    iteration: int = Field(ge=0)
    """0: measured before anything was trained."""
    role: str = "specialist"
    """specialist; base: the untrained one; none: an iteration without a training, `note` says why; final …: a player of
    the final table."""
    data_source: str = ""
    """Origin of the examples: reuse or regenerate, of which traces and selection."""
    configuration: LoraConfiguration | None = None
    examples: int = Field(default=0, ge=0)
    """Trained on, without those dropped."""
    first_loss: float | None = None
    last_loss: float | None = None
    progression: dict[str, dict[int, float]] = Field(default_factory=dict)
    """By task and seed, in [0, 1]."""
    measures: dict[str, float] = Field(default_factory=dict)
    """Other measures of its episodes, such as log_writes_per_search; what could not be measured is left out."""
    tokens: int = Field(default=0, ge=0)
    """Trained on, over all epochs."""
    seconds: float = Field(default=0.0, ge=0)
    """Of training."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Paths by what they hold: dataset, adapter, evaluation …"""
    note: str = ""

    @property
    def mean(self) -> float | None:
        """Mean progression over all episodes; None before any was played."""
        values = [value for seeds in self.progression.values() for value in seeds.values()]
        return sum(values) / len(values) if values else None


def append(path: Path, entry: LedgerEntry) -> None:
    """Append one line and sync it to disk, unless the run has one already. A line cut short by a crash is removed.

    TrainingFailure when the disk refuses, TrainingError when the ledger is damaged.
    """
    if any(entry.run == before.run for before in read(path)):
        return
    line = entry.model_dump_json().encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TrainingFailure(f"The ledger {path} cannot be written: {error.strerror}.") from error


def read(path: Path) -> list[LedgerEntry]:
    """Its entries in order; none without a file. A last line cut short is ignored.

    TrainingError, with file and line, for a damaged one.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TrainingError(f"The ledger {path} cannot be read: {error.strerror}.") from error
    entries = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            entries.append(LedgerEntry.model_validate_json(line))
        except ValidationError as error:
            raise TrainingError(f"{path}:{number}: not a valid line of a ledger ({sentence(error)}).") from error
    return entries


HEADINGS = ("run", "iteration", "role", "examples", "rank", "rate", "epochs", "loss", "progression (%)", "minutes")


def render(entries: Sequence[LedgerEntry]) -> str:
    """The ledger as a plain table: a row per run, then one per task where there are several, then its measures."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    below: dict[int, str] = {}
    for entry in entries:
        lora = entry.configuration
        configured = (str(lora.rank), f"{lora.learning_rate:g}", str(lora.epochs)) if lora else ("–", "–", "–")
        rows.append(
            (
                *(entry.run, str(entry.iteration), entry.role, str(entry.examples), *configured),
                f"{entry.first_loss:.3f} → {entry.last_loss:.3f}"
                if None not in (entry.first_loss, entry.last_loss)
                else "–",
                _progression([value for seeds in entry.progression.values() for value in seeds.values()]),
                f"{entry.seconds / 60:.1f}" if lora else "–",
            )
        )
        if len(entry.progression) > 1:
            for task, seeds in entry.progression.items():
                rows.append((f"  {task}", *[""] * 7, _progression(list(seeds.values())), ""))
        if entry.measures:
            below[len(rows) - 1] = "  " + ", ".join(f"{name} {value:.3g}" for name, value in entry.measures.items())
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines += [below[number]] if number in below else []
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _progression(values: Sequence[float]) -> str:
    """Mean ± standard error (population), as the paper reports it, and the number of episodes."""
    if not values:
        return "–"
    mean = sum(values) / len(values)
    error = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5 / len(values) ** 0.5
    return f"{100 * mean:.2f} ± {100 * error:.2f} (n {len(values)})"
