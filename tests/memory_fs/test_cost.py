"""An operation's cost does not depend on how many went before: no memory, files or blocking calls are left behind."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from memory_fs import Limits, MemoryFS, Outcome


def work(fs: MemoryFS, start: int, stop: int) -> None:
    """Change and recall a notebook whose content stays of one size."""
    for i in range(start, stop):
        fs.mark(i, "LOG")
        fs.upsert("map.md", f"{i % 50},0", f"seen at step {i:06}")
        fs.write("goals.md", f"goal of step {i:06}\nfind water")
        fs.append("goals.md", "find water")
        fs.search("map.md", f"{i:06}")
        fs.read(f"missing{i}.md")
        fs.append(f"../{i}", "x")


def test_nothing_is_remembered_of_operations_but_what_the_files_hold(tmp_path: Path) -> None:
    with MemoryFS(tmp_path / "memory") as fs:
        work(fs, 0, 3_000)
        tracemalloc.start()
        try:
            work(fs, 3_000, 3_100)
            before = tracemalloc.get_traced_memory()[0]
            work(fs, 3_100, 4_100)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert fs.revision == 8_200
        assert grown < 5_000  # a byte of each of its 7,000 operations


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_stays_open_after_an_operation(tmp_path: Path) -> None:
    opened = descriptors()
    fs = MemoryFS(tmp_path / "memory")
    assert descriptors() == opened + 2
    for i in range(20):
        fs.append(f"a/b/{i}.md", "x")
        fs.append("a", "refused")
        (fs.root / "a" / "b" / f"{i}.md").unlink()
        (fs.root / "a" / "b" / f"{i}.md").mkdir()
        assert fs.append(f"a/b/{i}.md", "y").outcome is Outcome.REJECTED
    fs.read("a/b/1.md")
    assert descriptors() == opened + 2
    del fs
    assert descriptors() == opened


def test_what_is_remembered_of_searches_is_bounded(tmp_path: Path) -> None:
    with MemoryFS(tmp_path / "memory", Limits(search_lines=10)) as fs:
        fs.append("log.md", "\n".join(f"step {i}" for i in range(300)))
        for i in range(100):
            fs.search("log.md", f"{i}")
        tracemalloc.start()
        try:
            for i in range(3_000):
                fs.search("log.md", f"ep {i}")
            assert tracemalloc.get_traced_memory()[0] < 40_000
        finally:
            tracemalloc.stop()


def test_operations_pass_the_development_servers_check_for_blocking_calls(tmp_path: Path) -> None:
    blockbuster = pytest.importorskip("blockbuster", reason="comes with langgraph-cli[inmem]")

    async def operate() -> None:
        fs.mark(1, "LOG")
        fs.append("log.md", "one")
        fs.append("levels/mines.md", "two")
        fs.write("log.md", "a longer text")
        fs.write("log.md", "short")
        fs.upsert("map.md", "3,4", "tree")
        fs.create("new.md")
        fs.search("log.md", "short")
        fs.read("missing.md")

    fs = MemoryFS(tmp_path / "memory")
    fs.create("levels/depths.md")
    with blockbuster.blockbuster_ctx():
        asyncio.run(operate())
    assert fs.revision == 7
