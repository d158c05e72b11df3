"""How long the candidates of a training collection take: features and credit of every LOG and PLAN.

    python benchmarks/candidates.py

Promise: 100 episodes of 2,000 steps in less than 3 minutes on 2 cores. Measured on real episodes of the scripted
Crafter player, whose every step recalls whole files (the heaviest provenance there is), in CPU seconds of one process,
and told also as a multiple of reading the same traces: the machine's speed cancels out there.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from graphs.evaluation import graph
from graphs.inner_agent import Context
from traces import RunFolder, TraceReader
from training.candidates import candidates

SEEDS, STEPS = (0, 1, 2), 1_000
PROMISED_STEPS, PROMISED_S, CORES = 100 * 2_000, 180.0, 2


def main() -> int:
    """Play, read, featurise; 1 if the promise is broken."""
    with tempfile.TemporaryDirectory(prefix="automem-bench-") as folder:
        run = RunFolder(Path(folder) / "run")
        request = {"world": "crafter", "seeds": list(SEEDS), "model": "scripted", "out": str(run.path)}
        graph.invoke(request, context=Context(max_steps=STEPS))
        began = time.process_time()
        steps = 0
        for episode in run.episodes():
            with TraceReader(episode) as reader:
                steps += sum(1 for _ in reader)
        reading = time.process_time() - began
        began = time.process_time()
        found = sum(1 for _ in candidates(run))
        took = time.process_time() - began
    projected = took / steps * PROMISED_STEPS / CORES
    print(f"{steps} steps, {found} candidates: {1000 * took / steps:.2f} ms of CPU a step")
    print(f"{took / reading:.1f} x reading the traces once")
    print(f"{PROMISED_STEPS:,} steps on {CORES} cores: {projected:.0f} s (promise {PROMISED_S:.0f} s)")
    return 0 if projected < PROMISED_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
