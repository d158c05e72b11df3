"""Seeds on the command line: "42-51", "7", "1,3,10-12"."""

from __future__ import annotations

import re

import typer


def parse_seeds(text: str) -> list[int]:
    """The seeds `text` names, in order. Raises typer.BadParameter with what was wrong."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*", part)
        if match is None:
            raise typer.BadParameter(f'"{part.strip()}" is no seed: write 42, 42-51 or 1,3,10-12.')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise typer.BadParameter(f'"{part.strip()}" counts down: write {last}-{first}.')
        if last - first >= 100_000:
            raise typer.BadParameter(f'"{part.strip()}" names more than 100,000 seeds.')
        seeds.extend(range(first, last + 1))
    if len(set(seeds)) != len(seeds):
        raise typer.BadParameter(f'"{text}" names a seed twice.')
    return seeds
