"""The paper's figures, to be shown beside ours: they are data (`published.toml`, where their source is named)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One agent of the paper's table."""

    group: str
    agent: str
    figures: Mapping[str, tuple[float, float]]
    """By world: mean progression and its standard error, in percent."""
    drawn: bool
    """Whether figures show it; the table shows all."""


@dataclass(frozen=True, slots=True)
class Published:
    """All that is published and kept here."""

    source: str
    condition: str
    """How far it can be compared with what is measured here."""
    rows: tuple[PublishedRow, ...]
    effects: Mapping[str, Mapping[str, str]]

    def of(self, world: str) -> list[PublishedRow]:
        """The rows that have a figure for this world."""
        return [row for row in self.rows if world in row.figures]

    def effect(self, metric: str, world: str) -> str | None:
        """What the paper saw change in this metric (`traces.metrics`) in this world; None where it says nothing."""
        if not self.of(world):
            return None
        effects = self.effects.get(metric, {})
        return effects.get(world, effects.get("all"))


@cache
def published() -> Published:
    """Read them."""
    plain = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    rows = tuple(
        PublishedRow(
            group=row["group"],
            agent=row["agent"],
            figures={world: (float(mean), float(error)) for world, (mean, error) in row["figures"].items()},
            drawn=row.get("drawn", False),
        )
        for row in plain["rows"]
    )
    return Published(source=plain["source"], condition=plain["condition"], rows=rows, effects=plain["effects"])
