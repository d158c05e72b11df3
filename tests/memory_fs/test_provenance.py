"""Every line of a recall says which step and which revision wrote it, whatever happened to the lines around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_fs import MemoryFS, Source


@pytest.fixture(name="fs")
def _fs(tmp_path: Path) -> MemoryFS:
    fs = MemoryFS(tmp_path / "memory")
    for step, line in enumerate(["alpha", "beta", "gamma", "delta"], 1):
        fs.mark(step * 10, "LOG")
        fs.append("log.md", line)
    fs.mark(99, "LOG")
    return fs


A, B, C, D = Source(10, 1), Source(20, 2), Source(30, 3), Source(40, 4)
NEW = Source(99, 5)


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("alpha\nbeta\ngamma\ndelta\nepsilon\n", (A, B, C, D, NEW)),
        ("zero\nalpha\nbeta\ngamma\ndelta\n", (NEW, A, B, C, D)),
        ("alpha\nBETA\ngamma\ndelta\n", (A, NEW, C, D)),
        ("alpha\ndelta\n", (A, D)),
        ("delta\ngamma\nbeta\nalpha\n", (D, C, B, A)),
        ("alpha\nx\ngamma\ny\nbeta\ndelta\n", (A, NEW, C, NEW, B, D)),
        ("alpha\nalpha\nbeta\ngamma\ndelta\n", (A, NEW, B, C, D)),
        ("alpha\nbeta\ngamma\ndelta", (A, B, C, D)),
    ],
)
def test_lines_that_stay_or_move_in_a_write_keep_who_wrote_them(
    fs: MemoryFS, text: str, sources: tuple[Source, ...]
) -> None:
    fs.write("log.md", text)
    assert fs.read("log.md").provenance == sources
    assert MemoryFS(fs.root).read("log.md").provenance == sources


def test_upsert_marks_its_line_only(fs: MemoryFS) -> None:
    fs.upsert("log.md", "key", "one")
    fs.append("log.md", "last")
    fs.mark(120, "PLAN")
    fs.upsert("log.md", "key", "two")
    assert fs.read("log.md").provenance == (A, B, C, D, Source(120, 7), Source(99, 6))


def test_search_and_tail_give_the_sources_of_the_lines_they_show(fs: MemoryFS) -> None:
    assert fs.search("log.md", "ta").provenance == (B, D)
    assert fs.tail("log.md", 2).provenance == (C, D)
    assert fs.count("log.md", "ta").provenance == ()
