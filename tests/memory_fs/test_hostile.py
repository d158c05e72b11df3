"""Hostile names and contents: none raises, none leaves the folder, every refusal has a code and a sentence."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory_fs import Limits, MemoryFS, MemoryResult, Outcome, RejectionCode

PIECES = [
    *("..", "...", ".", "/", "//", "\\", "~", "", " ", "\t", "\n", "\r\n", "\x00", "\x1b[2J", "\x7f", "\x85", "\u2028"),
    *("\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\udfff\ud800", "\U0010ffff", "e\u0301", "ﬁ", "😀", "İ", "𝔞"),
    *("CON", "nul.txt", "com¹", "aux .md", "C:", "file:///etc/passwd", "\\\\?\\C:\\", "%2e%2e%2f", "..%c0%af", "$HOME"),
    *(
        "<|SEARCH|>",
        "<|END|>",
        "{{ step }}",
        "{% raw %}",
        "<script>alert(1)</script>",
        "'; DROP TABLE",
        "`id`",
        "$(id)",
    ),
    *("link.md", "outside", "outside/secret.md", "hard.md", "pipe", "gone.md", "folder.md", "notes.md", "NOTES.md"),
    *("journal.jsonl", "memory.found", "a" * 300, "b/" * 40, "-rf", "*", "?", "|", "key: value", ": ", "\n\n\n"),
    *('{"revision":1}', "null", "0", "\\n", "\\u0000", "e" * 5_000),
]


def hostile(rng: random.Random) -> str:
    text = "".join(rng.choice(PIECES) for _ in range(rng.choice([1, 1, 2, 3, 4])))
    if rng.random() < 0.2:
        text = "".join(chr(rng.randrange(0x11_0000)) for _ in range(rng.randrange(40)))
    return text


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Path]:
    """A folder with something to protect beside the notebook; the test fails when it is touched."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.md").write_text("secret")
    (tmp_path / "twin.md").write_text("twin")
    yield tmp_path
    ours = {"outside", "twin.md", "memory", "journal.jsonl", "memory.found"}
    assert {path.name for path in tmp_path.iterdir()} <= ours
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret.md"]
    assert (tmp_path / "outside" / "secret.md").read_text() == "secret"
    assert (tmp_path / "twin.md").read_text() == "twin"


def plant(root: Path) -> None:
    """Put into the folder what could lead out of it."""
    (root / "link.md").symlink_to(root.parent / "outside" / "secret.md")
    (root / "gone.md").symlink_to(root.parent / "outside" / "new.md")
    (root / "outside").symlink_to(root.parent / "outside")
    (root / "hard.md").hardlink_to(root.parent / "twin.md")
    (root / "folder.md").mkdir()
    os.mkfifo(root / "pipe")


def ask(fs: MemoryFS, operation: str, name: str, first: str, second: str) -> MemoryResult:
    match operation:
        case "read" | "create":
            return getattr(fs, operation)(name)  # type: ignore[no-any-return]
        case "tail":
            return fs.tail(name, len(first) - 1)
        case "upsert":
            return fs.upsert(name, first, second)
        case _:
            return getattr(fs, operation)(name, first)  # type: ignore[no-any-return]


def check(result: MemoryResult, limits: Limits) -> None:
    result.text.encode()
    assert len(result.text) <= limits.result_chars
    assert "\x1b" not in result.text
    assert "\x00" not in result.text
    assert (result.code is not None) == (result.outcome is Outcome.REJECTED)
    if result.outcome is Outcome.REJECTED:
        assert result.text.startswith("Refused: ")
        assert len(result.text) < 500


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_hostile_calls_neither_raise_nor_escape(place: Path, seed: int) -> None:
    rng = random.Random(seed)
    limits = Limits(max_files=60)
    fs = MemoryFS(place / "memory", limits, journal=place / "journal.jsonl")
    fs.append("notes.md", "a plain line")
    plant(fs.root)
    operations = ["search", "read", "tail", "count", "append", "write", "create", "upsert"]
    outcomes = set()
    for _ in range(4_000):
        call = rng.choice(operations), rng.choice(["notes.md", hostile(rng), hostile(rng)]), hostile(rng), hostile(rng)
        result = ask(fs, *call)
        check(result, limits)
        outcomes.add(result.outcome)
        if result.outcome is Outcome.WRITTEN:
            result = ask(fs, *call)
            assert result.outcome in (Outcome.DUPLICATE, Outcome.EXISTS)
            outcomes.add(result.outcome)
    assert outcomes == set(Outcome)
    assert fs.at(fs.revision).keys() == fs.index().keys()
    again = MemoryFS(place / "memory", limits, journal=place / "journal.jsonl")
    on_disk = {str(path.relative_to(again.root)) for path in again.root.rglob("*") if not path.is_dir()}
    assert on_disk == set(again.index())
    assert all(not path.is_symlink() for path in again.root.rglob("*"))
    assert again.at(again.revision) == {name: (again.root / name).read_bytes().decode() for name in again.index()}


@pytest.mark.parametrize("name", ["link.md", "gone.md", "outside/secret.md", "outside/new.md", "hard.md", "pipe"])
def test_what_is_no_plain_file_on_disk_is_never_written_through(place: Path, name: str) -> None:
    fs = MemoryFS(place / "memory", journal=place / "journal.jsonl")
    plant(fs.root)
    for result in (fs.append(name, "x"), fs.write(name, "x"), fs.create(name), fs.upsert(name, "k", "v")):
        assert (result.outcome, result.code) == (Outcome.REJECTED, RejectionCode.NOT_A_FILE)
    assert fs.read(name).outcome is Outcome.MISSING
    assert fs.revision == 0


def test_a_file_swapped_for_a_link_is_not_written_through_and_comes_back_at_reopening(place: Path) -> None:
    fs = MemoryFS(place / "memory", journal=place / "journal.jsonl")
    fs.append("notes.md", "one")
    fs.append("levels/mines.md", "two")
    for path, target in (("notes.md", place / "outside" / "secret.md"), ("levels", place / "outside")):
        (fs.root / path).rename(place / "memory" / f".{path}")
        (fs.root / path).symlink_to(target)
    assert fs.append("notes.md", "x").code is RejectionCode.NOT_A_FILE
    assert fs.append("levels/mines.md", "x").code is RejectionCode.NOT_A_FILE
    again = MemoryFS(place / "memory", journal=place / "journal.jsonl")
    assert (again.root / "notes.md").read_text() == "one\n"
    assert (again.root / "levels" / "mines.md").read_text() == "two\n"


@pytest.mark.parametrize("noise", ["letters", "lines", "unicode", "bytes", "one long line"])
def test_a_megabyte_of_noise_is_stored_or_refused_and_shown_in_bounds(place: Path, noise: str) -> None:
    rng = random.Random(3)
    characters = {"letters": range(32, 127), "lines": [10, 97], "unicode": range(0xA1, 0xD7FF), "bytes": range(256)}
    letters = [chr(code) for code in characters.get(noise, [97, 98])]
    text = "".join(rng.choices(letters, k=1_000_000))
    fs = MemoryFS(place / "memory", Limits(max_file_lines=2_000_000), journal=place / "journal.jsonl")
    result = fs.append("noise.md", text)
    assert result.outcome is (Outcome.REJECTED if noise == "bytes" else Outcome.WRITTEN)
    for found in (fs.read("noise.md"), fs.tail("noise.md", 5), fs.search("noise.md", "ab"), fs.count("noise.md", "a")):
        assert len(found.text) <= Limits().result_chars
    assert fs.append("noise.md", text * 9).code is RejectionCode.FILE_FULL
