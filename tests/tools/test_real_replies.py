"""Replies of real models are read as they were: each one's operations and mistakes are a committed snapshot.

Recordings are in tests/fixtures/real_replies/ and, of other models, in ../shared/real-replies/ where that is. To accept
a change: .venv/bin/python tests/tools/test_real_replies.py --update
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "tests" / "fixtures" / "real_replies", ROOT.parent / "shared" / "real-replies")
RECORDINGS = {path.stem: path for folder in FOLDERS for path in sorted(folder.glob("*.jsonl"))}
SNAPSHOTS = Path(__file__).parent / "snapshots" / "real_replies"


def reading_of(recording: Path) -> str:
    """One line per reply: its number, routine, why it ended, its operations and the codes of its mistakes in order."""
    from tool_vocabularies import LOG, PLAN

    from tools import Mistake, dialect
    from tools.thoughts import ThoughtReader

    readers: dict[tuple[bool, int], ThoughtReader] = defaultdict(ThoughtReader)
    lines, before = [], None
    for number, line in enumerate(recording.read_text(encoding="utf-8").splitlines(), 1):
        one = json.loads(line)
        cut = one["finish_reason"] == "length"
        text = readers[one["constrained"], one["seed"]].separate(one["reply"], cut=cut).answer
        message = {"role": "assistant", "content": text}
        vocabulary = LOG if one["routine"] == "LOG" else PLAN
        items = dialect(one["dialect"]).read(message, vocabulary, truncated=cut).items
        read = "; ".join(f"!{item.code}" if isinstance(item, Mistake) else item.title for item in items)
        place = (one["constrained"], one["seed"], one["step"], one["routine"])
        repeated = " (repeated)" if (place, one["reply"]) == before and one["turn"] > 1 else ""
        before = place, one["reply"]
        lines.append(f"{number} {one['routine']} {one['finish_reason']}{repeated}: {read}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", sorted(path.stem for path in SNAPSHOTS.glob("*.txt")))
def test_real_replies_are_read_as_they_were(name: str) -> None:
    if name not in RECORDINGS:
        pytest.skip(f"no recording {name}.jsonl in {FOLDERS[1]}")
    assert reading_of(RECORDINGS[name]) == (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")


def test_every_recording_has_a_snapshot() -> None:
    assert {name for name in RECORDINGS if not (SNAPSHOTS / f"{name}.txt").exists()} == set()


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(f"usage: {sys.argv[0]} --update")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "kit")]
    SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    for recorded, path in RECORDINGS.items():
        (SNAPSHOTS / f"{recorded}.txt").write_text(reading_of(path), encoding="utf-8")
