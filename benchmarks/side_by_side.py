"""Fifty episodes in one process: their memory, and what a step costs against ten episodes.

    python benchmarks/side_by_side.py

Promises: peak memory under 1.5 GB; a step at most 1.3 x as slow as with ten.
"""

from __future__ import annotations

import asyncio
import resource

from served_episodes import play_side_by_side, stub_server

MEMORY_GB, SLOWDOWN = 1.5, 1.3
STEPS = 40


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    with stub_server() as url:
        ratios = []
        for _ in range(3):
            ten = asyncio.run(play_side_by_side(url, 10, STEPS, first_seed=100))
            fifty = asyncio.run(play_side_by_side(url, 50, STEPS, first_seed=100))
            ratios.append(fifty.cpu_ms_per_step / ten.cpu_ms_per_step)
    slowdown = sorted(ratios)[1]
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"50 episodes side by side: {peak_gb:.2f} GB peak (promise < {MEMORY_GB})")
    print(f"50 episodes side by side: CPU per step {slowdown:.2f} x that of 10 (promise <= {SLOWDOWN})")
    return peak_gb < MEMORY_GB and slowdown <= SLOWDOWN


if __name__ == "__main__":
    raise SystemExit(not main())
