"""The journal on disk: torn ends are cut, damage is named, and there is one writer."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import orjson
import pytest
from effort import effort

from memory_fs import MemoryFS, NotebookFailure, NotebookMisuse, files_at


def notebook(folder: Path) -> tuple[Path, Path, list[dict[str, str]]]:
    """Make a closed notebook; return its folder, its journal and the texts of every revision."""
    with MemoryFS(folder / "memory") as fs:
        fs.mark(3, "LOG")
        fs.append("log.md", "tree at 3,4\nwater — far")
        fs.upsert("levels/mines.md", "3,4", "dark")
        fs.write("log.md", "tree at 3,4\nlava")
        fs.upsert("levels/mines.md", "3,4", "lit")
        fs.restore(2)
        return fs.root, folder / "memory.journal.jsonl", [fs.at(revision) for revision in range(fs.revision + 1)]


def on_disk(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_line_n_is_revision_n_and_says_who_did_what(tmp_path: Path) -> None:
    _, journal, _ = notebook(tmp_path)
    records = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    assert [record["revision"] for record in records] == [1, 2, 3, 4, 5]
    assert {key: records[1][key] for key in ("step", "routine", "operation", "file", "change")} == {
        "step": 3,
        "routine": "LOG",
        "operation": "upsert",
        "file": "levels/mines.md",
        "change": {"at": 0, "put": ["3,4: dark"]},
    }
    assert records[2]["change"] == {"at": 1, "drop": 1, "put": ["lava"], "unended": True}
    assert set(records[4]["files"]) == {"log.md", "levels/mines.md"}


def test_a_journal_cut_anywhere_opens_at_its_last_whole_record(tmp_path: Path) -> None:
    root, journal, texts = notebook(tmp_path)
    whole = journal.read_bytes()
    third = len(b"".join(whole.splitlines(keepends=True)[:2]))
    for length in [*range(0, third, 9), *range(third, len(whole) + 1, effort(3, 1))]:
        journal.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        assert files_at(journal) == texts[complete]
        assert journal.read_bytes() == whole[:length]
        with MemoryFS(root) as fs:
            assert fs.revision == complete
            assert on_disk(root) == texts[complete]
            assert fs.append("log.md", "going on").revision == complete + 1
        assert files_at(journal, complete) == texts[complete]
        assert len(files_at(journal)["log.md"]) > len(texts[complete].get("log.md", ""))


@pytest.mark.parametrize("line", [1, 3, 4])
def test_damage_before_the_end_is_refused_by_line_and_nothing_is_changed(tmp_path: Path, line: int) -> None:
    root, journal, _ = notebook(tmp_path)
    whole = journal.read_bytes()
    before = on_disk(root)
    lines = whole.splitlines(keepends=True)
    start = sum(map(len, lines[: line - 1]))
    for place in range(start, start + len(lines[line - 1])):
        journal.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(NotebookFailure, match=f"line {line}: the record is damaged"):
            MemoryFS(root)
    for changed in (whole.replace(lines[line - 1], b""), whole.replace(lines[line - 1], 2 * lines[line - 1])):
        journal.write_bytes(changed)
        with pytest.raises(NotebookFailure, match="the record is damaged"):
            MemoryFS(root)
    assert on_disk(root) == before
    journal.write_bytes(whole)
    assert MemoryFS(root).revision == 5


@pytest.mark.parametrize(
    "record",
    [
        {
            "revision": 1,
            "step": 0,
            "routine": "",
            "operation": "append",
            "file": "../x",
            "change": {"at": 0, "put": []},
        },
        {"revision": 1, "step": 0, "routine": "", "operation": "append", "file": "x", "change": {"at": 5, "put": []}},
        {
            "revision": 1,
            "step": 0,
            "routine": "",
            "operation": "append",
            "file": "x",
            "change": {"at": 0, "put": ["\n"]},
        },
        {"revision": 1, "step": 0, "routine": "", "operation": "append", "file": "x", "change": {"at": 0, "put": [1]}},
        {"revision": 1, "step": 0, "routine": "", "operation": "append", "file": "x", "change": {"put": ["a"]}},
        {"revision": 1, "step": 0, "routine": "", "operation": "append", "file": "x", "change": None},
        {"revision": 1, "step": "3", "routine": "", "operation": "a", "file": "x", "change": {"at": 0, "put": ["a"]}},
        {"revision": 1, "step": 9**30, "routine": "", "operation": "a", "file": "x", "change": {"at": 0, "put": ["a"]}},
        {"revision": 2, "step": 0, "routine": "", "operation": "append", "file": "x", "change": {"at": 0, "put": []}},
        {"revision": 1},
        [],
    ],
)
def test_a_record_that_makes_no_sense_is_damage_even_with_its_checksum(tmp_path: Path, record: object) -> None:
    import json

    body = json.dumps(record).encode()
    (tmp_path / "memory.journal.jsonl").write_bytes(b'{"crc":"%08x",%b\n' % (zlib.crc32(body), body[1:]))
    with pytest.raises(NotebookFailure, match="line 1"):
        MemoryFS(tmp_path / "memory")
    assert {path.name for path in tmp_path.iterdir()} == {"memory", "memory.journal.jsonl"}


def test_opening_again_in_this_process_takes_the_notebook_over(tmp_path: Path) -> None:
    first = MemoryFS(tmp_path / "memory")
    first.append("log.md", "one")
    second = MemoryFS(tmp_path / "memory")
    with pytest.raises(NotebookFailure, match="opened a second time"):
        first.append("log.md", "two")
    assert first.read("log.md").total == 1
    assert second.append("log.md", "two").revision == 2


def test_another_process_cannot_write_meanwhile(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("log.md", "one")
    code = "import sys; from memory_fs import MemoryFS; MemoryFS(sys.argv[1])"
    ended = subprocess.run([sys.executable, "-c", code, str(fs.root)], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "is in use by another run: wait for its end." in ended.stderr
    assert fs.append("log.md", "two").revision == 2


def test_a_journal_written_by_someone_else_stops_the_writer(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("log.md", "one")
    with (tmp_path / "memory.journal.jsonl").open("ab") as journal:
        journal.write(b"noise")
    with pytest.raises(NotebookFailure, match="changed by another process"):
        fs.append("log.md", "two")
    assert MemoryFS(fs.root).read("log.md").total == 1


def test_places_that_cannot_be_used_are_the_callers_error(tmp_path: Path) -> None:
    for root, journal in (("m", "m"), ("m", "m/journal"), ("m/n", "m"), ("/", "journal")):
        with pytest.raises(NotebookMisuse):
            MemoryFS(tmp_path / root, journal=tmp_path / journal)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "diary.md").write_text("mine")
    with pytest.raises(NotebookMisuse, match="holds files but"):
        MemoryFS(tmp_path / "own")
    assert (tmp_path / "own" / "diary.md").read_text() == "mine"
