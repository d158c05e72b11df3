"""What it costs to compare an episode's files with its result: beside reading the trace, and beside reading results.

python benchmarks/verifying.py
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import paths  # noqa: F401 - finds our packages

from graphs.evaluation import graph
from graphs.inner_agent import Context
from traces import RunFolder, TraceReader, read_result
from traces.integrity import changed_content, forget

STEPS = 2_000
ROUNDS = 7
MOST = 0.05


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of several rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def main() -> int:
    """Play a long episode, read it, verify it; 1 if verifying takes more than MOST of reading."""
    out = Path(tempfile.mkdtemp())
    try:
        request = {"world": "crafter", "seeds": [42], "out": str(out / "run")}
        graph.invoke(request, context=Context(max_steps=STEPS))
        folder = next(RunFolder(out / "run").episodes())
        result = read_result(folder)
        assert result is not None
        assert result.scored

        def read() -> None:
            with TraceReader(folder) as reader:
                for _ in reader:
                    pass

        def verify() -> None:
            forget()
            assert changed_content(folder, result) is None

        reading, verifying = seconds(read), seconds(verify)
        size = folder.steps.stat().st_size + folder.journal.stat().st_size
        print(f"{result.steps} steps, {size / 1e6:.1f} MB: reading {1000 * reading:.1f} ms of CPU", end=", ")
        print(f"verifying {1000 * verifying:.1f} ms: {verifying / reading:.3f} x (at most {MOST})")
        print(f"a result, with its own digest and two sizes: {1e6 * seconds(lambda: read_result(folder)):.0f} µs")
        return int(verifying > MOST * reading)
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    sys.exit(main())
