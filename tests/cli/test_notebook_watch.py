"""A notebook as someone looks on: what changed last in each file, and the lines of one."""

from __future__ import annotations

from pathlib import Path

from cli.notebook_watch import FILE_BYTES, JOURNAL_BYTES, NotebookWatch
from memory_fs import Limits, MemoryFS


def notebook_in(tmp_path: Path) -> tuple[MemoryFS, NotebookWatch]:
    notebook = MemoryFS(tmp_path / "memory", journal=tmp_path / "journal.jsonl")
    return notebook, NotebookWatch(tmp_path / "memory", tmp_path / "journal.jsonl")


def test_the_last_change_of_every_file_is_known(tmp_path: Path) -> None:
    notebook, watch = notebook_in(tmp_path)
    notebook.seed({"empty.md": "", "plan.md": "be bold\n"})
    notebook.mark(3, "LOG")
    notebook.append("map.md", "tree\nwater")
    watch.follow()
    assert set(watch.touches) == {"plan.md", "map.md"}
    assert watch.touches["plan.md"].step == 0
    assert watch.touches["map.md"][1:] == (3, "LOG", 2, 0, "tree")
    notebook.mark(4, "LOG")
    notebook.write("map.md", "tree\n\u202elake\n")
    watch.follow()
    assert watch.touches["map.md"][1:] == (4, "LOG", 1, 1, "<U+202E>lake")
    assert watch.latest == "map.md"
    assert watch.pages("map.md") == (1, ["tree", "<U+202E>lake"])
    assert watch.pages("none.md").lines == []


def test_a_rewound_notebook_is_followed(tmp_path: Path) -> None:
    notebook, watch = notebook_in(tmp_path)
    for step in (1, 2, 3):
        notebook.mark(step, "LOG")
        notebook.append(f"{step}.md", "text")
    watch.follow()
    notebook.rewind(1)
    watch.follow()
    assert set(watch.touches) == {"1.md"}
    notebook.append("4.md", "text")
    watch.follow()
    assert set(watch.touches) == {"1.md", "4.md"}


def test_of_a_long_history_and_a_long_file_only_the_end_is_read(tmp_path: Path) -> None:
    notebook, _ = notebook_in(tmp_path)
    line = "x" * 1000
    count = JOURNAL_BYTES // 1000 + 20
    notebook.append("early.md", "once")
    for number in range(count):
        notebook.append("long.md", f"{number} {line}")
    watch = NotebookWatch(tmp_path / "memory", tmp_path / "journal.jsonl")
    watch.follow()
    assert set(watch.touches) == {"long.md"}
    first, lines = watch.pages("long.md")
    assert first > 1
    assert first + len(lines) - 1 == count
    assert lines[0].startswith(f"{first - 1} x")
    assert sum(map(len, lines)) <= FILE_BYTES
    assert len(lines[0]) < Limits().result_chars
