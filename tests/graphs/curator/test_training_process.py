"""One training in a process of its own, whatever it writes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from graphs.curator.training import LINE, _run


def test_a_line_of_any_length_is_passed_on_cut_and_ends_no_training(tmp_path: Path) -> None:
    said: list[str] = []
    words = f"print('begun'); print('w' * {3 * LINE}); print('é' * 3); print('done', end='')"
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    try:
        ended = asyncio.run(_run([sys.executable, "-X", "utf8", "-c", words], lock, said.append))
    finally:
        os.close(lock)
    assert ended == (0, "done")
    assert said[0] == "begun"
    assert said[-2:] == ["ééé", "done"]
    assert "".join(said[1:-2]) == "w" * 3 * LINE
