"""What each operation answers: outcome, the text a model reads, line numbers and revision."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_fs import Limits, MemoryFS, NotebookMisuse, Outcome, RejectionCode, Source


@pytest.fixture(name="fs")
def _fs(tmp_path: Path) -> MemoryFS:
    fs = MemoryFS(tmp_path / "memory")
    fs.mark(1, "LOG")
    fs.append("map_notes.md", "tree at 3,4\nwater at 9,9\nTREES in the north")
    return fs


def test_search_shows_numbered_lines_and_who_wrote_them(fs: MemoryFS) -> None:
    fs.mark(7, "LOG")
    fs.append("map_notes.md", "no tree here")
    result = fs.search("map_notes.md", "TREE")
    assert result.outcome is Outcome.HIT
    assert result.text == (
        "3 lines of map_notes.md contain 'TREE':\n1: tree at 3,4\n3: TREES in the north\n4: no tree here"
    )
    assert result.lines == (1, 3, 4)
    assert result.provenance == (Source(1, 1), Source(1, 1), Source(7, 2))
    assert (result.total, result.revision, result.file) == (3, 2, "map_notes.md")


def test_search_shows_the_last_matches_and_says_how_many_there_are(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory", Limits(search_lines=2))
    fs.append("log.md", "\n".join(f"tree {i}" for i in range(500)))
    result = fs.search("log.md", "tree")
    assert result.text == "500 lines of log.md contain 'tree'; the last 2:\n499: tree 498\n500: tree 499"
    assert (result.total, result.lines) == (500, (499, 500))


def test_a_recall_without_a_match_is_empty(fs: MemoryFS) -> None:
    assert fs.search("map_notes.md", "lava").text == "No line of map_notes.md (3 lines) contains 'lava'."
    fs.create("goals.md")
    for result in (fs.read("goals.md"), fs.tail("goals.md", 3), fs.search("goals.md", "x")):
        assert (result.outcome, result.text) == (Outcome.EMPTY, "goals.md is empty.")
    assert fs.count("map_notes.md", "lava").outcome is Outcome.EMPTY


def test_count_says_how_many_lines_match(fs: MemoryFS) -> None:
    result = fs.count("map_notes.md", "tree")
    assert (result.outcome, result.text) == (Outcome.HIT, "2 of 3 lines of map_notes.md contain 'tree'.")
    assert (result.total, result.lines) == (2, ())


def test_read_and_tail_show_numbered_lines(fs: MemoryFS) -> None:
    assert fs.read("map_notes.md").text == (
        "map_notes.md, 3 lines:\n1: tree at 3,4\n2: water at 9,9\n3: TREES in the north"
    )
    assert fs.tail("map_notes.md", 1).text == "map_notes.md, 3 lines; the last 1:\n3: TREES in the north"
    assert fs.tail("map_notes.md", 10**30).lines == (1, 2, 3)
    assert fs.tail("map_notes.md", 0).code is RejectionCode.BAD_COUNT


def test_a_long_read_shows_both_ends_and_says_what_is_left_out(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory", Limits(read_lines=8))
    fs.append("log.md", "\n".join(f"step {i}" for i in range(1, 101)))
    result = fs.read("log.md")
    assert result.lines == (1, 2, *range(95, 101))
    assert result.total == 100
    assert result.text.splitlines()[:5] == [
        "log.md, 100 lines; the first 2 and the last 6:",
        "1: step 1",
        "2: step 2",
        "… lines 3 to 94 are left out; search log.md for a word to see them …",
        "95: step 95",
    ]


@pytest.mark.parametrize("limits", [Limits(), Limits(result_chars=2_000, read_lines=10, max_name_bytes=255)])
@pytest.mark.parametrize("line", ["word " * 5, "word" * 90_000, "word \u202e😀"])
def test_no_result_is_longer_than_the_limit(tmp_path: Path, limits: Limits, line: str) -> None:
    fs = MemoryFS(tmp_path / "memory", limits)
    name = "n" * (limits.max_name_bytes - 3) + ".md"
    for i in range(3_000 if len(line) < 100 else 20):
        fs.append(name, f"{i} {line}")
    for result in (fs.read(name), fs.tail(name, 1_000), fs.search(name, "WORD"), fs.search(name, "word" * 80)):
        assert len(result.text) <= limits.result_chars
        assert len(result.lines) == len(result.provenance)
    assert fs.read(name).lines[-1] == fs.index()[name]
    assert len(fs.read(name).lines) > 5


def test_an_unknown_file_is_missing_and_the_nearest_name_is_suggested(fs: MemoryFS) -> None:
    result = fs.read("map_note.md")
    assert result.outcome is Outcome.MISSING
    assert result.text == "There is no file map_note.md; the nearest name is map_notes.md."
    assert fs.read("zzz").text == "There is no file zzz; the notebook holds map_notes.md."
    assert fs.search("MAP_NOTES.md", "x").text.endswith("the nearest name is map_notes.md.")


def test_append_of_lines_that_all_stand_there_changes_nothing(fs: MemoryFS) -> None:
    result = fs.append("map_notes.md", "TREES in the north\ntree at 3,4")
    assert (result.outcome, result.lines, result.revision) == (Outcome.DUPLICATE, (3, 1), 1)
    assert result.text == "Nothing changed: map_notes.md says so already (lines 3, 1)."
    result = fs.append("map_notes.md", "tree at 3,4\nlava at 1,1")
    assert (result.outcome, result.lines, result.total, result.revision) == (Outcome.WRITTEN, (4, 5), 2, 2)
    assert result.text == "Wrote lines 4 to 5 of map_notes.md (5 lines)."
    assert fs.append("map_notes.md", "").code is RejectionCode.EMPTY_TEXT


def test_append_goes_on_a_line_of_its_own_after_a_text_without_a_last_newline(fs: MemoryFS) -> None:
    fs.write("goals.md", "find water")
    assert (fs.root / "goals.md").read_text() == "find water"
    fs.append("goals.md", "find iron\n")
    assert (fs.root / "goals.md").read_text() == "find water\nfind iron\n"


def test_write_replaces_the_file_and_knows_when_nothing_changes(fs: MemoryFS) -> None:
    assert fs.write("map_notes.md", "a\nb").outcome is Outcome.WRITTEN
    result = fs.write("map_notes.md", "a\nb")
    assert (result.outcome, result.revision) == (Outcome.DUPLICATE, 2)
    assert fs.write("map_notes.md", "").text == "Wrote map_notes.md (0 lines)."
    assert fs.write("new.md", "").outcome is Outcome.WRITTEN
    assert fs.index() == {"map_notes.md": 0, "new.md": 0}


def test_create_makes_an_empty_file_once(fs: MemoryFS) -> None:
    assert fs.create("goals.md").text == "Created goals.md."
    result = fs.create("map_notes.md")
    assert (result.outcome, result.text) == (Outcome.EXISTS, "map_notes.md is there already (3 lines).")


def test_upsert_keeps_one_line_per_key(fs: MemoryFS) -> None:
    assert fs.upsert("grid.md", "3,4", "tree").outcome is Outcome.WRITTEN
    assert fs.upsert("grid.md", "5,5", "water").lines == (2,)
    assert fs.upsert("grid.md", " 3,4 ", "felled\ntree").lines == (1,)
    assert (fs.root / "grid.md").read_text() == "3,4: felled tree\n5,5: water\n"
    result = fs.upsert("grid.md", "5,5", "water")
    assert (result.outcome, result.lines) == (Outcome.DUPLICATE, (2,))
    for key in ("", "  ", "a: b", "a\nb"):
        assert fs.upsert("grid.md", key, "x").code is RejectionCode.BAD_KEY


def test_limits_must_make_sense() -> None:
    with pytest.raises(NotebookMisuse, match="max_files"):
        Limits(max_files=0)
    with pytest.raises(NotebookMisuse, match="result_chars"):
        Limits(result_chars=100)
    with pytest.raises(NotebookMisuse, match="max_name_bytes"):
        Limits(max_name_bytes=256)
