"""Puts the repository and the tests' kit on the path: a benchmark is run as a script, from anywhere."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "kit")]
