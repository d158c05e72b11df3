"""An endless script for notebooks: operation n always makes revision n. `python notebook_script.py ROOT` plays it.

Each revision done is acknowledged with one byte on standard output, so that whoever kills the player knows what must
have survived.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from memory_fs import MemoryFS

Call = tuple[str, ...]


def call(number: int) -> Call:
    """Return the operation that makes revision `number`."""
    rng = random.Random(number)
    match number % 5:
        case 0:
            text = "\n".join(f"{rng.random()}" for _ in range(rng.randrange(300)))
            return "write", "plan.md", f"{number}\n{text}" + "\n" * rng.randrange(2)
        case 1:
            return "upsert", "map.md", f"{rng.randrange(60)},0", f"seen {number}" + "!" * rng.randrange(30)
        case 2:
            return "upsert", "levels/mines.md", f"{rng.randrange(9)}", f"seen {number}," * rng.randrange(1, 400)
        case _:
            return "append", "log.md", "\n".join([f"step {number}", "tree" * rng.randrange(50)])


def main() -> None:
    """Play on from where the notebook stands until killed."""
    fs = MemoryFS(Path(sys.argv[1]))
    while True:
        operation, *arguments = call(fs.revision + 1)
        getattr(fs, operation)(*arguments)
        os.write(1, b".")


if __name__ == "__main__":
    main()
