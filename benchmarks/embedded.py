"""What reusing prompt prefixes and calling side by side save the embedded model, on a first scaffold's real prompts.

    python benchmarks/embedded.py

Promise: a call whose system prompt was seen before takes at most half the time of one without reuse, for replies of 16
tokens (one operation; longer ones dilute it). Both are taken in turn in one run, each prompt once with, once without.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import paths  # noqa: F401 - before anything of the repository

from chat_models import ConfigurationError
from chat_models.embedded_engine import Engine, Request
from chat_models.embedded_weights import get_weights

PROMISE = 2.0
REPLY = 16
STEPS = 4
TOGETHER = 8


def prompts(steps: int) -> list[list[dict[str, str]]]:
    """The opening messages of LOG and PLAN of a scripted player's first steps."""
    from graphs.inner_agent import Context, graph
    from traces import RunFolder, TraceReader

    with tempfile.TemporaryDirectory() as folder:
        given = {"world": "crafter", "seed": 42, "steps": steps, "model": "scripted"}
        graph.invoke(given, {"configurable": {"thread_id": "t"}}, context=Context(runs=folder))
        episode = next(iter(RunFolder(Path(folder) / "t").episodes()))
        with TraceReader(episode) as trace:
            return [talk.prompt(0) for step in trace for talk in step.conversations]


def seconds(engine: Engine, requests: list[Request]) -> float:
    """Until all of the calls, made at once, are answered."""
    began = time.perf_counter()
    for future in [engine.submit(request) for request in requests]:
        future.result()
    return time.perf_counter() - began


def reuse(without: Engine, having: Engine) -> float:
    """How many times as long a call takes without reuse, in the median."""
    ratios, tokens = [], []
    for page in prompts(STEPS)[1:]:
        request = Request(page, limit=REPLY, temperature=0.0)
        seconds_without = seconds(without, [request])
        began = time.perf_counter()
        reply = having.submit(request).result()
        ratios.append(seconds_without / (time.perf_counter() - began))
        tokens.append((reply.prompt_tokens, reply.cached_tokens))
    prompt, cached = (round(statistics.mean(column)) for column in zip(*tokens, strict=True))
    print(f"  prompts of {prompt} tokens, {cached} of them seen before, in the mean of {len(ratios)} calls")
    return statistics.median(ratios)


def side_by_side(engine: Engine) -> float:
    """How many times as long the same calls take one after another."""
    requests = [Request(page, limit=64, seed=seed) for seed, page in enumerate(prompts(STEPS)[-TOGETHER:])]
    seconds(engine, requests)  # their prompts are known from here on
    return sum(seconds(engine, [request]) for request in requests) / seconds(engine, requests)


def main() -> bool:
    """Print the ratios; whether the promise is kept."""
    try:
        weights = get_weights()
    except ConfigurationError as error:
        print(f"embedded: not measured. {error}")
        return True
    without, having = Engine(weights, prefix_bytes=0), Engine(weights)
    first = Request(prompts(1)[0], limit=1)
    seconds(without, [first]), seconds(having, [first])
    ratio = reuse(without, having)
    print(f"embedded, {having.network.dtype}: a call takes {ratio:.1f} x as long without its prefix's cache", end=" ")
    print(f"(promise >= {PROMISE})")
    print(f"embedded: {TOGETHER} calls one after another take {side_by_side(having):.1f} x as long as side by side")
    return ratio >= PROMISE


if __name__ == "__main__":
    raise SystemExit(not main())
