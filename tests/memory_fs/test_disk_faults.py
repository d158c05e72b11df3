"""A full or unwritable disk is a NotebookFailure with the cause, and after reopening nothing done is missing."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memory_fs import MemoryFS, NotebookFailure, Outcome


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let this process write no file beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def on_disk(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def fill(fs: MemoryFS, steps: int) -> None:
    for step in range(steps):
        fs.append("log.md", f"step {step}: a line of some length")


@pytest.mark.parametrize("size", range(2_000, 2_200, 23))
def test_a_full_disk_stops_the_notebook_and_reopening_finds_all_that_was_done(tmp_path: Path, size: int) -> None:
    fs = MemoryFS(tmp_path / "memory")
    with files_limited_to(size), pytest.raises(NotebookFailure, match=r"cannot be written: File too large"):
        fill(fs, 1_000)
    done, text = fs.revision, fs.at(fs.revision)
    assert done > 10
    assert (tmp_path / "memory.journal.jsonl").read_bytes().endswith(b"\n")
    with pytest.raises(NotebookFailure, match="opened again"):
        fs.append("log.md", "more")
    assert fs.search("log.md", f"step {done - 1}:").outcome is Outcome.HIT
    again = MemoryFS(tmp_path / "memory")
    assert again.revision == done
    assert on_disk(again.root) == again.at(done) == text
    assert again.append("log.md", "more").revision == done + 1


def test_a_disk_that_fills_between_journal_and_file_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("log.md", "one")
    pwrite = os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        if len(data) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(fd, data[:-1], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(NotebookFailure, match=r"log\.md in .*memory cannot be written: No space left on device"):
            fs.append("log.md", "two")
    assert on_disk(fs.root) == {"log.md": "one\ntwo"}
    assert on_disk(MemoryFS(fs.root).root) == {"log.md": "one\ntwo\n"}
    assert not (tmp_path / "memory.found").exists()


def test_too_many_open_files_stop_one_record_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = MemoryFS(tmp_path / "memory")

    def none_left(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", none_left)
        with pytest.raises(NotebookFailure, match="Too many open files"):
            fs.append("log.md", "one")
    assert fs.append("log.md", "one").revision == 1


def test_a_place_that_cannot_be_written_fails_at_opening(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NotebookFailure, match="Not a directory"):
        MemoryFS(tmp_path / "file" / "memory", journal=tmp_path / "journal.jsonl")
    with pytest.raises(NotebookFailure, match=r"cannot be opened: .*File exists: .*/file'"):
        MemoryFS(tmp_path / "memory", journal=tmp_path / "file" / "journal.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotebookFailure, match="Is a directory"):
        MemoryFS(tmp_path / "memory", journal=tmp_path / "folder")
    with pytest.raises(NotebookFailure, match="is not a plain file"):
        MemoryFS(tmp_path / "memory", journal="/dev/full")


def test_a_closed_notebook_answers_recalls_and_refuses_records(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("log.md", "one")
    fs.close()
    fs.close()
    assert fs.read("log.md").total == 1
    with pytest.raises(NotebookFailure, match="it was closed"):
        fs.append("log.md", "two")
