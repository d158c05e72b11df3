"""How long the reviewer's trace tools take on a long episode: each on a synthetic one of 20,000 steps, cold and again.

    python benchmarks/trace_tools.py [steps]

Promise: asked for the first time, every tool takes at most 1.25 x the CPU time of decompressing the same trace and
parsing every line with the standard library's json, the least that a script of one's own does. Beside it: reading all
whole records, which the tools avoid.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from pathlib import Path

import paths  # noqa: F401
from synthetic_episode import SyntheticEpisode
from zstandard import ZstdDecompressor

STEPS = 20_000
PROMISE = 1.25


def play(run: Path, steps: int) -> None:
    """Write the trace of an episode."""
    from traces import RunFolder, TraceWriter

    with TraceWriter(RunFolder(run).episode("synthetic", "default", 1)) as writer:
        for record in SyntheticEpisode().records(steps):
            writer.write(record)


def whole_s(run: Path) -> float:
    """CPU seconds that reading every whole record takes."""
    from traces import RunFolder, TraceReader

    began = time.process_time()
    with TraceReader(next(RunFolder(run).episodes())) as reader:
        for _ in reader.steps():
            pass
    return time.process_time() - began


def plain_s(run: Path) -> float:
    """CPU seconds that decompressing the trace and parsing its lines with `json` takes."""
    from traces import RunFolder

    began = time.process_time()
    with (
        next(RunFolder(run).episodes()).steps.open("rb") as file,
        ZstdDecompressor().stream_reader(file, read_across_frames=True) as lines,
    ):
        for line in io.TextIOWrapper(lines):
            json.loads(line)
    return time.process_time() - began


def main() -> bool:
    """Print the figures; whether the promise is kept."""
    from graphs.reviewer.trace_tools.tools import trace_tools

    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    with tempfile.TemporaryDirectory(prefix="automem-benchmark-") as folder:
        play(Path(folder), steps)
        tools = {tool.name: tool for tool in trace_tools({"long": Path(folder)})}
        one = {"run": "long", "task": "default", "seed": 1}
        asked = [
            ("list_episodes", {"run": "long"}),
            ("show_step", {**one, "step": steps - 1}),
            ("episode_overview", one),
            ("search_trace", {**one, "text": "iron"}),
            ("search_trace", {**one, "text": '"no text of the episode"'}),
            ("search_trace", {**one, "text": "no text of the episode"}),
            ("search_trace", {**one, "text": "3 steps to your south-west", "where": "observation"}),
            ("search_trace", {**one, "operation": "search", "outcome": "empty"}),
            ("search_trace", {**one, "outcome": "redundant"}),
            ("search_trace", {**one, "text": "stuck", "where": "action", "first_step": steps // 2}),
            ("compare_runs", {"before": "long", "after": "long"}),
        ]
        slowest = 0.0
        for name, arguments in asked:
            taken = []
            for _ in range(2):
                began = time.process_time()
                tools[name].invoke(arguments)
                taken.append(time.process_time() - began)
            slowest = max(slowest, *taken)
            shown = {
                key: value for key, value in arguments.items() if key not in ("run", "task", "seed", "before", "after")
            }
            print(f"{name} {shown or ''}: {taken[0]:.2f} s, again {taken[1]:.2f} s")
        whole, plain = whole_s(Path(folder)), plain_s(Path(folder))
    beside = f"plain json {plain:.2f} s, all whole steps {whole:.2f} s"
    print(f"slowest: {slowest / plain:.2f} x plain json (promise <= {PROMISE}): {slowest:.2f} s of CPU; {beside}")
    return slowest <= PROMISE * plain or steps != STEPS


if __name__ == "__main__":
    raise SystemExit(not main())
