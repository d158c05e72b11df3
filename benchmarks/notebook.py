"""What one append and one search cost in CPU time, in a notebook with a history of 1,000 and of 100,000 operations.

    python benchmarks/notebook.py

Two comparisons, each with the same operations on both notebooks, measured in turns:

- the same text, another history: files are rewritten and their lines replaced, so that both hold about as much.
  Promise: appends and searches cost less than 1.5 times as much in the older one.
- a log grown by 100,000 appends to the limit of a file (8 MiB), against one of 1,000 lines.
  Promise: an append costs less than 1.5 times as much, and a search takes 30 ms at most for any kind of keyword.

The median of ten rounds is shown.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from memory_fs import MemoryFS, Outcome

SHORT, LONG = 1_000, 100_000
ROUNDS, CALLS, SEARCHES = 10, 200, 20
PROMISE = 1.5
LONGEST_SEARCH = 30_000
"""Microseconds of a search over 100,000 lines."""

THINGS = ("cow", "tree", "zombie", "skeleton", "arrow", "table")

Kind = Callable[[int], str]


def line(step: int) -> str:
    """A line of a log, 80 characters."""
    rng = random.Random(step)
    text = f"step {step}: saw a {rng.choice(THINGS)} at {rng.randrange(64)},{rng.randrange(64)}, health {step % 10}"
    return f"{text} and went on to {rng.choice(['north', 'south', 'east', 'west'])} ".ljust(80, ".")


KEYWORDS: dict[str, Kind] = {
    "in every line": lambda i: "saw a",
    "in a sixth of the lines": lambda i: THINGS[i % len(THINGS)],
    "in one line": lambda i: f"step {i % SHORT}:",
    "in no line": lambda i: f"dragon {i}",
}


def lived(root: Path, operations: int) -> MemoryFS:
    """A notebook after so many operations of a usual mix, that holds about the same text after any 1,000 of them."""
    fs = MemoryFS(root)
    for step in range(operations):
        fs.mark(step, "LOG")
        match step % 5:
            case 0:
                fs.write("goals.md", f"goal of step {step}\nfind water\nplace a table")
            case 1 | 2:
                fs.upsert("map.md", f"{step % 64},{step % 7}", f"seen at step {step}")
            case _ if step % SHORT < 5:
                fs.write("log.md", f"a new log at step {step}")
            case _:
                fs.append("log.md", line(step))
    return fs


def grown(root: Path, operations: int) -> MemoryFS:
    """A notebook whose only file was grown by so many appends."""
    fs = MemoryFS(root)
    for step in range(operations):
        fs.append("log.md", line(step))
    return fs


def appends(fs: MemoryFS, turn: int) -> float:
    """Microseconds of one append."""
    lines = [line(10_000_000 + turn * CALLS + i) for i in range(CALLS)]
    began = time.process_time()
    for text in lines:
        assert fs.append("log.md", text).outcome is Outcome.WRITTEN
    return (time.process_time() - began) / CALLS * 1e6


def searches(fs: MemoryFS, kind: Kind, turn: int) -> float:
    """Microseconds of one search."""
    keywords = [kind(turn * SEARCHES + i) for i in range(SEARCHES)]
    began = time.process_time()
    for keyword in keywords:
        fs.search("log.md", keyword)
    return (time.process_time() - began) / SEARCHES * 1e6


def compare(title: str, make: Callable[[Path, int], MemoryFS], folder: Path) -> dict[str, tuple[float, float]]:
    """Print the figures of one comparison; per operation the longer notebook's microseconds, and their ratio."""
    pair = [make(folder / f"{title} {operations}", operations) for operations in (SHORT, LONG)]
    sizes = [f"{fs.revision:,} operations, {fs.index()['log.md']:,} lines" for fs in pair]
    print(f"{title}: {' against '.join(sizes)}")
    taken: dict[str, list[list[float]]] = {name: [[], []] for name in ("append", *KEYWORDS)}
    for turn in range(ROUNDS):
        for side, fs in enumerate(pair):
            for name, kind in KEYWORDS.items():
                taken[name][side].append(searches(fs, kind, turn))
            taken["append"][side].append(appends(fs, turn))
    for fs in pair:
        fs.close()
    began = time.process_time()
    MemoryFS(pair[1].root).close()
    print(f"  the longer one is opened again in {time.process_time() - began:.2f} s")
    return {
        name: _print(name if name == "append" else f"search for a keyword {name}", median(short), median(long))
        for name, (short, long) in taken.items()
    }


def _print(what: str, short: float, long: float) -> tuple[float, float]:
    """Print one line; return the longer notebook's figure and the ratio."""
    print(f"  {what:45} {short:8.1f} µs {long:8.1f} µs   ratio {long / short:.2f}")
    return long, long / short


def main() -> bool:
    """Print both comparisons; whether the promises are kept."""
    with tempfile.TemporaryDirectory() as folder:
        same = compare("same text", lived, Path(folder))
        full = compare("log at its limit", grown, Path(folder))
    _, append = full.pop("append")
    steady = max(append, *(ratio for _, ratio in same.values())) < PROMISE
    return steady and max(taken for taken, _ in full.values()) <= LONGEST_SEARCH


if __name__ == "__main__":
    raise SystemExit(not main())
