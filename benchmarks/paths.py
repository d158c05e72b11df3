"""Puts the repository and the tests' kit on the path: a benchmark is run as a script, from anywhere."""

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "kit")]


def scratch() -> Path:
    """A new folder, removed when this process ends: for results that are read after the function that made them."""
    folder = Path(tempfile.mkdtemp(prefix="automem-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
