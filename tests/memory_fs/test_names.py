"""Which file names are taken, in which form, and with which code the others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_fs import Limits, MemoryFS, Outcome, RejectionCode
from memory_fs.names import clean_name
from memory_fs.results import Refused


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("notes.md", "notes.md"),
        (" ./notes.md\n", "notes.md"),
        ("levels/./mines/1.md", "levels/mines/1.md"),
        ("cafe\u0301.md", "café.md"),
        ("two words (old).md", "two words (old).md"),
        ("заметки.md", "заметки.md"),
        ("…", "…"),
        ("a..b", "a..b"),
    ],
)
def test_a_good_name_is_brought_into_one_form(raw: str, name: str) -> None:
    assert clean_name(raw, Limits()) == name


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", RejectionCode.EMPTY_NAME),
        (" \t\n", RejectionCode.EMPTY_NAME),
        (".", RejectionCode.EMPTY_NAME),
        ("/etc/passwd", RejectionCode.ABSOLUTE_NAME),
        ("//server/share", RejectionCode.ABSOLUTE_NAME),
        ("~/.ssh/id", RejectionCode.ABSOLUTE_NAME),
        ("C:/boot.ini", RejectionCode.ABSOLUTE_NAME),
        ("C:\\boot.ini", RejectionCode.ABSOLUTE_NAME),
        ("..", RejectionCode.PARENT_FOLDER),
        ("../x.md", RejectionCode.PARENT_FOLDER),
        ("a/../../x.md", RejectionCode.PARENT_FOLDER),
        (".hidden", RejectionCode.HIDDEN_NAME),
        ("a/.git/config", RejectionCode.HIDDEN_NAME),
        ("...", RejectionCode.HIDDEN_NAME),
        ("..\\x.md", RejectionCode.BAD_CHARACTER),
        ("a\x00b", RejectionCode.BAD_CHARACTER),
        ("a\nb", RejectionCode.BAD_CHARACTER),
        ("a\x7f", RejectionCode.BAD_CHARACTER),
        ("a\u202egpj.md", RejectionCode.BAD_CHARACTER),
        ("zero\u200bwidth", RejectionCode.BAD_CHARACTER),
        ("half\ud800", RejectionCode.BAD_CHARACTER),
        ("line\u2028end", RejectionCode.BAD_CHARACTER),
        ("no\u00a0break", RejectionCode.BAD_CHARACTER),
        ("<b>.md", RejectionCode.BAD_CHARACTER),
        ("a|b", RejectionCode.BAD_CHARACTER),
        ("what?.md", RejectionCode.BAD_CHARACTER),
        ("a//b", RejectionCode.BAD_FOLDER),
        ("folder/", RejectionCode.BAD_FOLDER),
        ("a /b", RejectionCode.BAD_FOLDER),
        ("a/b.", RejectionCode.BAD_FOLDER),
        ("NUL", RejectionCode.DEVICE_NAME),
        ("con.md", RejectionCode.DEVICE_NAME),
        ("a/Com1.tar.gz", RejectionCode.DEVICE_NAME),
        ("lpt² .md", RejectionCode.DEVICE_NAME),
        ("n" * 121, RejectionCode.NAME_TOO_LONG),
        ("é" * 61, RejectionCode.NAME_TOO_LONG),
        ("n" * 1_000_000, RejectionCode.NAME_TOO_LONG),
        ("a/b/c/d.md", RejectionCode.NAME_TOO_DEEP),
    ],
)
def test_an_unsafe_name_is_refused_with_its_code(raw: str, code: RejectionCode) -> None:
    with pytest.raises(Refused) as refused:
        clean_name(raw, Limits())
    assert refused.value.code is code
    assert len(refused.value.sentence) < 300
    assert refused.value.sentence.isprintable()


def test_every_operation_refuses_an_unsafe_name_with_a_sentence(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    for result in (
        fs.search("../x", "a"),
        fs.read("../x"),
        fs.tail("../x", 3),
        fs.count("../x", "a"),
        fs.append("../x", "a"),
        fs.write("../x", "a"),
        fs.create("../x"),
        fs.upsert("../x", "k", "v"),
    ):
        assert (result.outcome, result.code) == (Outcome.REJECTED, RejectionCode.PARENT_FOLDER)
        assert result.text == "Refused: '../x' leaves the notebook; '..' is not allowed."
        assert (result.file, result.revision) == (None, 0)


def test_names_that_a_case_blind_file_system_confuses_are_refused(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("Notes.md", "x")
    result = fs.append("notes.MD", "y")
    assert result.code is RejectionCode.NAME_TAKEN
    assert result.text == "Refused: notes.MD differs from Notes.md only by case; use Notes.md."


def test_a_name_is_a_file_or_a_folder(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("levels/one.md", "x")
    fs.append("plain.md", "x")
    assert fs.append("levels", "y").code is RejectionCode.NAME_TAKEN
    assert fs.append("plain.md/two.md", "y").code is RejectionCode.NAME_TAKEN
    assert fs.index() == {"levels/one.md": 1, "plain.md": 1}


def test_files_are_bounded_in_number(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory", Limits(max_files=2))
    assert [fs.create(name).outcome for name in "ab"] == [Outcome.WRITTEN] * 2
    assert fs.create("c").code is RejectionCode.TOO_MANY_FILES
