"""What a person changes in the folder is never lost, and never becomes the agent's memory unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_fs import MemoryFS, Outcome


@pytest.fixture(name="fs")
def _fs(tmp_path: Path) -> MemoryFS:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("notes.md", "tree at 3,4")
    fs.append("levels/mines.md", "dark")
    fs.close()
    return fs


def found(fs: MemoryFS) -> list[tuple[str, str]]:
    folder = fs.root.with_name("memory.found")
    return sorted((path.name, path.read_text()) for path in folder.rglob("*") if path.is_file())


def on_disk(fs: MemoryFS) -> dict[str, str]:
    return {str(path.relative_to(fs.root)): path.read_text() for path in fs.root.rglob("*") if path.is_file()}


INTACT = {"notes.md": "tree at 3,4\n", "levels/mines.md": "dark\n"}


@pytest.mark.parametrize("text", ["tree at 3,5\n", "tree", "tree at 3,4\nand more\n", "dark\n"])
def test_an_edited_file_is_kept_aside_and_the_journalled_one_comes_back(fs: MemoryFS, text: str) -> None:
    for _ in range(2):
        (fs.root / "notes.md").write_text(text)
        assert on_disk(MemoryFS(fs.root)) == INTACT
    assert found(fs) == [("notes.md", text)] * 2
    assert on_disk(MemoryFS(fs.root)) == INTACT
    assert len(found(fs)) == 2


def test_a_deleted_file_or_folder_comes_back(fs: MemoryFS) -> None:
    (fs.root / "notes.md").unlink()
    (fs.root / "levels" / "mines.md").unlink()
    (fs.root / "levels").rmdir()
    assert on_disk(MemoryFS(fs.root)) == INTACT
    assert found(fs) == []


def test_files_of_a_person_are_kept_aside_and_hidden_ones_left_alone(fs: MemoryFS) -> None:
    (fs.root / "diary.md").write_text("mine")
    (fs.root / "levels" / "diary.md").write_text("mine too")
    (fs.root / "own").mkdir()
    (fs.root / "own" / "deep.md").write_text("deep")
    (fs.root / ".notes.md.swp").write_text("an editor's")
    assert on_disk(MemoryFS(fs.root)) == {**INTACT, ".notes.md.swp": "an editor's"}
    assert found(fs) == [("deep.md", "deep"), ("diary.md", "mine"), ("diary.md", "mine too")]


def test_what_stands_in_place_of_a_file_is_kept_aside(fs: MemoryFS, tmp_path: Path) -> None:
    (fs.root / "notes.md").unlink()
    (fs.root / "notes.md").mkdir()
    (fs.root / "notes.md" / "inner.md").write_text("inner")
    (fs.root / "levels" / "mines.md").unlink()
    (fs.root / "levels").rmdir()
    (fs.root / "levels").write_text("a file now")
    assert on_disk(MemoryFS(fs.root)) == INTACT
    assert found(fs) == [("inner.md", "inner"), ("levels", "a file now")]


def test_a_file_changed_during_the_episode_is_kept_aside_by_the_next_record(fs: MemoryFS) -> None:
    fs = MemoryFS(fs.root)
    (fs.root / "notes.md").write_text("edited while running\n")
    assert fs.search("notes.md", "tree").outcome is Outcome.HIT
    assert fs.append("notes.md", "water").outcome is Outcome.WRITTEN
    assert on_disk(fs) == {**INTACT, "notes.md": "tree at 3,4\nwater\n"}
    (fs.root / "notes.md").unlink()
    fs.append("notes.md", "lava")
    (fs.root / "new.md").write_text("a person's\n")
    fs.append("new.md", "the agent's")
    assert on_disk(fs) == {**INTACT, "notes.md": "tree at 3,4\nwater\nlava\n", "new.md": "the agent's\n"}
    assert found(fs) == [("new.md", "a person's\n"), ("notes.md", "edited while running\n")]
