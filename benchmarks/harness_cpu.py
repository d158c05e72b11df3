"""CPU of the whole harness per step, against the same four calls through a bare `openai` client in the same run.

    python benchmarks/harness_cpu.py

Promise: at most 2.2 times the bare client's CPU, at concurrency 1 and 10.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from served_episodes import play_side_by_side, stub_server

PROMISE = 2.2
STEPS = 200


async def bare_cpu_ms(url: str, prompts: list[list[dict[str, Any]]], steps: int, concurrency: int) -> float:
    """Milliseconds of CPU per four calls of the bare async client, with prompts that the harness really sent."""
    import openai

    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)

    async def calls(count: int) -> None:
        for index in range(count):
            await client.chat.completions.create(
                model="stub",
                messages=prompts[index % len(prompts)],  # type: ignore[arg-type]
                temperature=1.0,
                max_completion_tokens=4096,
                seed=index,
            )

    await calls(20)
    began = time.process_time()
    await asyncio.gather(*(calls(4 * steps // concurrency) for _ in range(concurrency)))
    spent = time.process_time() - began
    await client.close()
    return 1e3 * spent / steps


async def measure(url: str, concurrency: int) -> tuple[float, float]:
    """(harness, bare client), in milliseconds of CPU per step."""
    from traces import TraceReader

    played = await play_side_by_side(url, concurrency, STEPS // concurrency)
    with TraceReader(played.folders[0]) as reader:
        last = list(reader.steps(max(1, len(reader) - 20)))
        prompts = [
            talk.prompt(call) for record in last for talk in record.conversations for call in range(len(talk.calls))
        ]
    calls_per_step = len(prompts) / len(last)
    if calls_per_step != 4:
        raise RuntimeError(f"The stub was to make four calls per step, it made {calls_per_step}.")
    return played.cpu_ms_per_step, await bare_cpu_ms(url, prompts, STEPS, concurrency)


def main() -> bool:
    """Print the ratios; whether the promise is kept."""
    kept = True
    with stub_server() as url:
        for concurrency in (1, 10):
            pairs = [asyncio.run(measure(url, concurrency)) for _ in range(3)]
            ratio = sorted(ours / bare for ours, bare in pairs)[1]
            kept &= ratio <= PROMISE
            what = f"harness CPU per step, concurrency {concurrency}"
            print(f"{what}: {ratio:.2f} x the bare client's (promise <= {PROMISE})")
    return kept


if __name__ == "__main__":
    raise SystemExit(not main())
