"""How large a replay page is and how soon it opens, in a headless browser.

    python benchmarks/replay_page.py

Promises: a page of 2,000 steps with a picture at each is under 15 MB and opens in under 2 s; one of 20,000 steps opens
at all, and a step far away is shown in under 2 s. The episodes are synthetic, as large as a 32B model's (four calls of
20 words a step, recalls of 20 lines); the pictures are as large as the room for them, and made of noise.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import paths  # noqa: F401
from replay_pages import CHROMIUM, NO_BROWSER, browsing, opened, stands_at, synthetic

from traces import TraceReader
from traces.replay import Shown, write_replay
from traces.replay_timeline import Timeline
from view.frames import PIECE, ROOM

SIZE_MB, OPEN_S = 15.0, 2.0


class Noise:
    """As many bytes of pictures as a page may have, spread over all steps."""

    def __init__(self, reader: TraceReader, _: Timeline) -> None:
        self._steps = len(reader) + 1
        self._firsts = list(range(1, self._steps + 1, PIECE))

    def blocks(self) -> Iterator[bytes]:
        """Pictures that are none: the page does not look into them."""
        random = Random(0)
        each = ROOM // self._steps
        for first in self._firsts:
            count = min(PIECE, self._steps + 1 - first)
            numbers = [count, *[each] * count]
            yield b"".join(number.to_bytes(4, "little") for number in numbers) + random.randbytes(each * count)

    def head(self) -> dict[str, Any]:
        """What the page knows of them."""
        steps = list(range(1, self._steps + 1))
        return {"kind": "picture", "note": "", "firsts": self._firsts, "steps": steps}


def measure(folder: Path, steps: int) -> tuple[float, float, float]:
    """(size in MB, seconds until a page of so many steps is open, seconds until its middle is shown), best of three."""
    page = folder / f"{steps}.html"
    write_replay(page, "a world", [Shown(synthetic(folder / str(steps), steps), "run", {}, Noise)], lambda _: None)
    opening, moving = [], []
    with browsing() as browser:
        for _ in range(3):
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            opened(tab, page)
            opening.append(time.perf_counter() - began)
            began = time.perf_counter()
            tab.evaluate(f"location.hash = '#step={steps // 2}'")
            stands_at(tab, steps // 2)
            moving.append(time.perf_counter() - began)
            tab.close()
    return page.stat().st_size / 1e6, min(opening), min(moving)


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    if CHROMIUM is None:
        print(f"not measured: {NO_BROWSER}")
        return True
    kept = True
    with tempfile.TemporaryDirectory(prefix="automem-replay-") as folder:
        for steps in (2_000, 20_000):
            size, opening, moving = measure(Path(folder), steps)
            print(f"{steps:,} steps: {size:.1f} MB, open in {opening:.2f} s, a step far away in {moving:.2f} s")
            kept = kept and moving < OPEN_S and (steps > 2_000 or (size < SIZE_MB and opening < OPEN_S))
    print(f"promise: 2,000 steps < {SIZE_MB:.0f} MB and open in < {OPEN_S:.0f} s; any step of both in < {OPEN_S:.0f} s")
    return kept


if __name__ == "__main__":
    raise SystemExit(not main())
