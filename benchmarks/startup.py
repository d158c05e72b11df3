"""How soon the command line answers, and that it loads nothing heavy to do so.

    python benchmarks/startup.py

Promise: `automem --help` in under 0.5 s (best of five: the machine's noise only adds). The ratio to an empty Python
process is printed beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PROMISE_S = 0.5


def best_of_five(command: list[str]) -> float:
    """Seconds of the fastest run."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> bool:
    """Print the figures; whether the promise is kept."""
    automem = str(Path(sys.executable).with_name("automem"))
    seconds, empty = best_of_five([automem, "--help"]), best_of_five([sys.executable, "-c", ""])
    print(f"automem --help: {seconds:.2f} s, {seconds / empty:.0f} x an empty Python (promise < {PROMISE_S} s)")
    return seconds < PROMISE_S


if __name__ == "__main__":
    raise SystemExit(not main())
