"""Earlier revisions: shown, compared, restored, forgotten, forked; and the files an episode starts with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from effort import effort
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_fs import Limits, MemoryFS, NotebookMisuse, Outcome, Source


@pytest.fixture(name="fs")
def _fs(tmp_path: Path) -> MemoryFS:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("log.md", "one\ntwo\nthree")
    fs.append("map.md", "3,4: tree")
    fs.write("log.md", "one\n2\nthree")
    fs.append("levels/mines.md", "dark")
    return fs


def on_disk(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_every_revision_can_be_rebuilt(fs: MemoryFS) -> None:
    assert fs.at(0) == {}
    assert fs.at(1) == {"log.md": "one\ntwo\nthree\n"}
    assert fs.at(3) == {"log.md": "one\n2\nthree", "map.md": "3,4: tree\n"}
    for revision in (-1, 5):
        with pytest.raises(NotebookMisuse, match="the notebook has revisions 0 to 4"):
            fs.at(revision)


def test_the_difference_is_a_unified_diff(fs: MemoryFS) -> None:
    assert fs.diff(2, 4) == (
        "--- /dev/null\n+++ b/levels/mines.md\n@@ -0,0 +1 @@\n+dark\n"
        "--- a/log.md\n+++ b/log.md\n@@ -1,3 +1,3 @@\n one\n-two\n-three\n+2\n+three\n\\ No newline at end of file\n"
    )
    assert fs.diff(4, 4) == ""
    assert fs.diff(1, 0).startswith("--- a/log.md\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one\n")


def test_the_difference_of_a_line_deep_in_a_long_file_shows_its_surroundings(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("log.md", "\n".join(f"step {i}" for i in range(1, 10_001)))
    fs.upsert("log.md", "x", "y")
    fs.write("log.md", (fs.root / "log.md").read_text().replace("step 5000\n", "five thousand\nand more\n"))
    assert fs.diff(2, 3).splitlines()[2:] == [
        "@@ -4997,7 +4997,8 @@",
        *(f" step {i}" for i in (4997, 4998, 4999)),
        "-step 5000",
        "+five thousand",
        "+and more",
        *(f" step {i}" for i in (5001, 5002, 5003)),
    ]


LINES = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=14).map("\n".join)


@settings(derandomize=True, deadline=None, max_examples=effort(60, 150), database=None)
@given(LINES, LINES)
def test_a_difference_leads_from_one_text_to_the_other(old: str, new: str) -> None:
    with tempfile.TemporaryDirectory() as folder, MemoryFS(Path(folder) / "memory") as fs:
        fs.write("log.md", old)
        fs.write("log.md", new)
        assert applied(old, fs.diff(1, fs.revision)) == new


def applied(text: str, diff: str) -> str:
    """Apply a diff of one file as patch(1) would, refusing lines that do not match."""
    old = text.removesuffix("\n").split("\n") if text else []
    new, at, mark, ended = list[str](), 0, "", text.endswith("\n") or not text
    for line in diff.splitlines()[2:]:
        if line.startswith("@@"):
            start, _, length = line.split()[1][1:].partition(",")
            start_index = int(start) - (length != "0")
            new += old[at:start_index]
            at = start_index
        elif line.startswith("\\"):
            ended = mark == "-"
        else:
            mark, rest = line[0], line[1:]
            if mark in " -":
                assert old[at] == rest
                at += 1
            if mark in " +":
                new.append(rest)
            if mark == "+":
                ended = True
    if at < len(old):
        new, ended = new + old[at:], text.endswith("\n")
    return "".join(line + "\n" for line in new)[: None if ended or not new else -1]


def test_restore_is_a_new_revision_and_lines_that_stay_keep_who_wrote_them(fs: MemoryFS) -> None:
    fs.mark(50, "LOG")
    result = fs.restore(2)
    assert (result.outcome, result.revision, result.total) == (Outcome.WRITTEN, 5, 2)
    assert result.text == "The notebook is as at revision 2 again (2 files changed)."
    assert on_disk(fs.root) == fs.at(5) == fs.at(2)
    assert fs.read("log.md").provenance == (Source(0, 1), Source(50, 5), Source(0, 1))
    assert fs.restore(2).outcome is Outcome.DUPLICATE
    assert fs.restore(4).revision == 6
    assert on_disk(fs.root) == fs.at(4)
    assert fs.restore(0).revision == 7
    assert list(fs.root.iterdir()) == []


def test_rewind_forgets_and_the_next_record_follows_the_kept_one(fs: MemoryFS) -> None:
    later = fs.at(4)
    fs.rewind(2)
    assert fs.revision == 2
    assert on_disk(fs.root) == fs.at(2) != later
    assert fs.append("log.md", "other").revision == 3
    again = MemoryFS(fs.root)
    assert again.revision == 3
    assert again.at(3)["log.md"] == "one\ntwo\nthree\nother\n"
    again.rewind(0)
    assert (again.index(), again.revision, list(fs.root.iterdir())) == ({}, 0, [])
    assert not (fs.root.with_name("memory.found")).exists()


def test_a_fork_has_the_history_and_goes_its_own_way(fs: MemoryFS, tmp_path: Path) -> None:
    fork = fs.fork(2, tmp_path / "runs" / "fork" / "memory", journal=tmp_path / "runs" / "fork" / "journal.jsonl")
    assert fork.revision == 2
    assert on_disk(fork.root) == fs.at(2)
    fork.append("log.md", "elsewhere")
    assert fork.at(1) == fs.at(1)
    assert fs.revision == 4
    assert "elsewhere" not in fs.at(4)["log.md"]
    assert fs.append("log.md", "still here").revision == 5
    with pytest.raises(NotebookMisuse, match="holds something already"):
        fs.fork(1, fork.root, journal=fork.root.parent / "other.jsonl")
    with pytest.raises(NotebookMisuse, match="no revision 9"):
        fs.fork(9, tmp_path / "other")


def test_starting_files_are_revision_one_at_step_zero(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.mark(3, "LOG")
    fs.seed({"rules.md": "press a letter\nthen wait\n", "goals.md": "", "levels/one.md": "no newline"})
    assert fs.revision == 1
    assert fs.index() == {"goals.md": 0, "levels/one.md": 1, "rules.md": 2}
    assert on_disk(fs.root)["levels/one.md"] == "no newline"
    assert fs.read("rules.md").provenance == (Source(0, 1), Source(0, 1))
    fs.append("goals.md", "find water")
    assert fs.read("goals.md").provenance == (Source(3, 2),)
    assert b'"routine":"SEED","operation":"seed"' in (tmp_path / "memory.journal.jsonl").read_bytes()
    with pytest.raises(NotebookMisuse, match="this one has a history"):
        fs.seed({"more.md": "x"})


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"ok.md": "", "../x": ""}, "leaves the notebook"),
        ({"ok.md": "a\x00"}, "U\\+0000"),
        ({"a.md": "", "A.md": ""}, "only by case"),
        ({"a.md": "x", "./a.md": "y"}, "a.md is there twice"),
        ({"a.md": "x" * 99}, "a file holds"),
        ({f"{i}.md": "" for i in range(9)}, "There may be 5 files"),
        ({f"{i}.md": "x" * 40 for i in range(4)}, "together they hold 100"),
    ],
)
def test_starting_files_that_are_refused_are_the_callers_error(tmp_path: Path, files: dict[str, str], why: str) -> None:
    fs = MemoryFS(tmp_path / "memory", Limits(max_file_bytes=50, max_total_bytes=100, max_files=5))
    with pytest.raises(NotebookMisuse, match=why):
        fs.seed(files)
    assert fs.revision == 0
    assert list(fs.root.iterdir()) == []
