"""How a long episode's trace and prompts grow, counted in bytes and characters: the same in every run.

    python benchmarks/trace_growth.py

Promises: at most 4 KB of trace per step on average; the mean over steps 1,900-2,000 at most 1.2 x that over 100-200; at
most 35 % of the prompts' characters not covered by an earlier prompt's prefix (256-character blocks, as automatic
prefix caching of a serving engine works). The stub server answers with the scripted player, which lives long enough.
"""

from __future__ import annotations

import asyncio
import json

from served_episodes import play_side_by_side, scripted_server

STEPS = 2_000
MEAN_BYTES, GROWTH, UNCOVERED = 4_096, 1.2, 0.35
BLOCK = 256
SEEDS = range(42, 62)


def uncovered_share(prompts: list[str]) -> tuple[int, int]:
    """(characters not covered by the prefix of an earlier prompt, all characters), in blocks of BLOCK characters."""
    seen: set[int] = set()
    fresh = total = 0
    for prompt in prompts:
        total += len(prompt)
        chain, covered = 0, 0
        known = True
        for start in range(0, len(prompt) - BLOCK + 1, BLOCK):
            chain = hash((chain, prompt[start : start + BLOCK]))
            known = known and chain in seen
            covered += BLOCK * known
            seen.add(chain)
        fresh += len(prompt) - covered
    return fresh, total


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    from traces import TraceReader

    with scripted_server("crafter") as url:
        for seed in SEEDS:  # the first episode whose player survives all steps
            played = asyncio.run(play_side_by_side(url, 1, STEPS, warm_up=0, first_seed=seed))
            if played.steps == STEPS:
                break
        else:
            raise RuntimeError(f"No episode of seeds {SEEDS} lasted {STEPS} steps.")
    folder = played.folders[0]
    sizes = [len(line) + 1 for line in folder.steps.read_bytes().splitlines()]
    mean = sum(sizes) / len(sizes)
    growth = (sum(sizes[1899:2000]) / 101) / (sum(sizes[99:200]) / 101)
    with TraceReader(folder) as reader:
        records = reader.steps(1)
        prompts = [
            json.dumps(talk.prompt(call), ensure_ascii=False)
            for record in records
            for talk in record.conversations
            for call in range(len(talk.calls))
        ]
    fresh, total = uncovered_share(prompts)
    print(f"trace: {mean:.0f} bytes per step over {len(sizes)} steps of seed {seed} (promise <= {MEAN_BYTES})")
    print(f"trace: steps 1,900-2,000 are {growth:.2f} x steps 100-200 (promise <= {GROWTH})")
    print(
        f"prompts: {total / len(sizes):.0f} characters per step, {fresh / total:.1%} of them not covered by a prefix "
        f"(promise <= {UNCOVERED:.0%})"
    )
    return mean <= MEAN_BYTES and growth <= GROWTH and fresh / total <= UNCOVERED


if __name__ == "__main__":
    raise SystemExit(not main())
