"""Traces taken apart and put together again, for tests that cut, damage or change them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from traces import EpisodeFolder, TraceReader
from traces.effects import Effect, Estimate
from traces.frames import LineCompressor


def lines_of(folder: EpisodeFolder) -> list[bytes]:
    """Return the lines of a trace, plain JSON, each with its end."""
    with TraceReader(folder) as reader:
        return [reader.line(number) for number in range(1, len(reader) + 1)]


def write_lines(folder: EpisodeFolder, lines: Iterable[bytes]) -> None:
    """Write a trace of these lines, whatever they hold, as one process would."""
    compressor = LineCompressor(left_open=False)
    folder.create()
    over = (b'"terminated":true', b'"truncated":true')
    folder.steps.write_bytes(
        b"".join(compressor.compress(line, last=any(word in line for word in over)) for line in lines)
    )


def change_a_letter(folder: EpisodeFolder) -> None:
    """Change a letter of the prompts, in all of them, so that the file stays as long as it was."""
    lines, size = lines_of(folder), folder.steps.stat().st_size
    start = lines[0].index(b'"content":"') + 20
    for place in range(start, start + 500):
        word = lines[0][place : place + 12]
        if word.isalpha() or word.replace(b" ", b"").isalpha():
            other = word[:5] + bytes([word[5] ^ 1]) + word[6:]
            write_lines(folder, [line.replace(word, other) for line in lines])
            if folder.steps.stat().st_size == size and lines_of(folder) != lines:
                return
    raise AssertionError("no letter can be changed")


def ends_of(folder: EpisodeFolder) -> list[int]:
    """Return where each step ends in the file."""
    with TraceReader(folder) as reader:
        return [reader.end_of(number) for number in range(1, len(reader) + 1)]


def cut(folder: EpisodeFolder, steps: int, torn: int = 0) -> bytes:
    """Keep the first steps of a trace, and of the next so many bytes, as a kill leaves it; return what is kept."""
    kept = folder.steps.read_bytes()[: ends_of(folder)[steps - 1] + torn]
    folder.steps.write_bytes(kept)
    return kept


def effect_of(step: int, index: int = 1, *, low: float, high: float, **changed: Any) -> Effect:
    """The effect of leaving out a write, its mean in the middle of the interval."""
    made = Effect(
        step=step,
        index=index,
        routine="LOG",
        operation="append",
        file="codes.md",
        arguments={"text": "blue 1 2 3"},
        change="drop",
        text=None,
        samples=16,
        horizon=200,
        progression=Estimate((low + high) / 2, low, high),
        episode_return=Estimate(0.0, 0.0, 0.0),
        unchanged=1.0,
        changed=1.0 + (low + high) / 2,
        calls=64,
        tokens=None,
        replayed=False,
        versions={"automem": "1"},
    )
    return replace(made, **changed)
