"""Every benchmark, one process each: `python -m benchmarks` or `make bench`. Exits with 1 if a promise is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "startup",
    "notebook",
    "crafter_steps",
    "nethack_text",
    "served_calls",
    "harness_cpu",
    "trace_growth",
    "containment",
    "side_by_side",
    "trace_tools",
    "gate",
    "counterfactuals",
    "candidates",
    "verifying",
    "embedded",
    "constrained",
    "replay_page",
    "view",
    "langsmith_cost",
    "nethack_episode",
    "soak",
)


def main() -> int:
    """Run them all; how many broke a promise or failed."""
    broken = 0
    for name in SCRIPTS:
        print(f"== {name}", flush=True)
        ended = subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py"))], check=False)
        broken += ended.returncode != 0
    print("every promise kept" if not broken else f"{broken} of {len(SCRIPTS)} benchmarks broke a promise")
    return broken


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
