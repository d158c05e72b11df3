"""Which texts a file may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_fs import Limits, MemoryFS, Outcome, RejectionCode


@pytest.mark.parametrize("text", ["tab\there", "ünïcode 😀", "bidi \u202e mark", "sep\u2028arator", "\u00a0", "\ufeff"])
def test_any_printable_text_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    fs = MemoryFS(tmp_path / "memory")
    assert fs.append("notes.md", text).outcome is Outcome.WRITTEN
    assert fs.index() == {"notes.md": 1}
    assert (fs.root / "notes.md").read_bytes() == (text + "\n").encode()
    assert fs.search("notes.md", text.upper()).lines == (1,)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a\x00", RejectionCode.CONTROL_CHARACTER, "U+0000 at character 2"),
        ("ab\r\n", RejectionCode.CONTROL_CHARACTER, "U+000D at character 3"),
        ("\x1b[31m", RejectionCode.CONTROL_CHARACTER, "U+001B at character 1"),
        ("\x7f", RejectionCode.CONTROL_CHARACTER, "U+007F at character 1"),
        ("\x85", RejectionCode.CONTROL_CHARACTER, "U+0085 at character 1"),
        ("\ud83d", RejectionCode.NOT_UNICODE, "U+D83D at character 1"),
    ],
)
def test_control_characters_and_halves_of_characters_are_refused(
    tmp_path: Path, text: str, code: RejectionCode, where: str
) -> None:
    fs = MemoryFS(tmp_path / "memory")
    fs.append("notes.md", "here")
    for result in (fs.append("notes.md", text), fs.write("notes.md", text), fs.upsert("notes.md", "key", "x" + text)):
        assert result.code is code
        assert result.file == "notes.md"
    assert where in fs.append("notes.md", text).text
    assert fs.upsert("notes.md", "k" + text + "k", "x").code is code
    assert fs.revision == 1


def test_quotas_are_refused_with_what_to_do(tmp_path: Path) -> None:
    fs = MemoryFS(tmp_path / "memory", Limits(max_file_bytes=20, max_total_bytes=30, max_file_lines=3))
    assert fs.append("a.md", "0123456789").outcome is Outcome.WRITTEN
    result = fs.append("a.md", "9876543210")
    assert result.code is RejectionCode.FILE_FULL
    assert result.text == (
        "Refused: a.md would have 2 lines and 22 bytes; a file holds 3 lines and 20 bytes. "
        "Rewrite it, shorter, or go on in another file."
    )
    assert fs.append("a.md", "x" * 21).code is RejectionCode.FILE_FULL
    assert fs.append("b.md", "\n\n\n\n").code is RejectionCode.FILE_FULL
    assert fs.append("b.md", "01234567890123456789").code is RejectionCode.FILE_FULL
    assert fs.append("b.md", "0123456789").outcome is Outcome.WRITTEN
    assert fs.append("c.md", "0123456789").code is RejectionCode.NOTEBOOK_FULL
    assert fs.write("a.md", "0").outcome is Outcome.WRITTEN
    assert fs.append("c.md", "0123456789").outcome is Outcome.WRITTEN
