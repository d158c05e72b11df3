"""What tracing to LangSmith costs an episode: with a server, without one, and switched off.

    python benchmarks/langsmith_cost.py

The stub's agent plays (four calls a step). Promises: with the server refusing or hanging, steps are at most 1.1 x as
slow on the wall as with tracing off (best of six rounds each: the machine's noise only adds); the process ends within
5 s; with a server, CPU per step at most 1.5 x, the sender's thread included. What it takes to hand a step over is
printed beside.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import paths
from served_episodes import Played, play_side_by_side, stub_server

SLOWDOWN, EXIT_S, CPU = 1.1, 5.0, 1.5
ROUNDS, EPISODES, STEPS = 6, 4, 60


@contextmanager
def tracing(endpoint: str | None) -> Iterator[list[float]]:
    """Trace to an endpoint, or not at all (None); afterwards end as a process does, and note how long that took."""
    from traces import langsmith_export

    langsmith_export._EXPORTER.clear()
    os.environ["LANGSMITH_TRACING"] = "true" if endpoint else "false"
    os.environ |= {"LANGSMITH_ENDPOINT": endpoint or "", "LANGSMITH_API_KEY": "none", "LANGSMITH_PROJECT": "bench"}
    took: list[float] = []
    yield took
    began = time.perf_counter()
    for exporter in langsmith_export._EXPORTER:
        exporter.close()
        atexit.unregister(exporter.close)
    took.append(time.perf_counter() - began)


def play(url: str, endpoint: str | None) -> tuple[Played, float]:
    """Some episodes, traced or not, and how long the end took."""
    with tracing(endpoint) as ended:
        played = asyncio.run(play_side_by_side(url, EPISODES, STEPS, warm_up=5))
    return played, ended[0]


def handing_over_us() -> float:
    """Microseconds that saying "one more step is in the trace" takes."""
    from traces import EpisodeFolder, StepRecord
    from traces.langsmith_episode import Choice
    from traces.langsmith_export import Exporter

    live = Exporter().episode(EpisodeFolder(paths.scratch()), Choice(), 0)
    steps = [StepRecord(number, {"long": "", "short": ""}, "Wait") for number in range(1, 10_001)]
    began = time.perf_counter()
    for record in steps:
        live.times.played(record, 0)
        live.exporter.wake()
    return 1e6 * (time.perf_counter() - began) / len(steps)


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    from langsmith_server import spawn_langsmith

    logging.disable(logging.WARNING)  # each end says what was not sent

    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, answers nothing
    with socket.socket() as nobody, stub_server() as url, spawn_langsmith() as answering:
        nobody.bind(("127.0.0.1", 0))
        places = {
            "off": None,
            "refused": f"http://127.0.0.1:{nobody.getsockname()[1]}",
            "hanging": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "answering": answering,
        }
        rounds = [{name: play(url, endpoint) for name, endpoint in places.items()} for _ in range(ROUNDS)]
    kept = True
    for name in ("refused", "hanging"):
        wall = _best(rounds, name).wall_s / _best(rounds, "off").wall_s
        end = max(one[name][1] for one in rounds)
        kept &= wall <= SLOWDOWN and end <= EXIT_S
        print(f"server {name}: steps {wall:.2f} x as slow (promise <= {SLOWDOWN}), end {end:.1f} s (<= {EXIT_S})")
    cpu = min(one["answering"][0].cpu_s for one in rounds) / min(one["off"][0].cpu_s for one in rounds)
    kept &= cpu <= CPU
    print(f"server answering: CPU per step {cpu:.2f} x (promise <= {CPU})")
    print(f"handing over a step: {handing_over_us():.1f} us")
    silent.close()
    return kept


def _best(rounds: list[dict[str, tuple[Played, float]]], name: str) -> Played:
    return min((one[name][0] for one in rounds), key=lambda played: played.wall_s)


if __name__ == "__main__":
    raise SystemExit(not main())
