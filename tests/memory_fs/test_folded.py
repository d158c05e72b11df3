"""The block-wise search finds exactly what looking at every line finds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_fs import folded, signatures
from memory_fs.folded import FoldedText

ALPHABET = "abAB ß\u0130é😀1,"
LINES = st.lists(st.text(ALPHABET, max_size=12), max_size=30)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), LINES),
        st.tuples(st.just("replace"), st.integers(0, 999), st.text(ALPHABET, max_size=12)),
        st.tuples(st.just("cut"), st.integers(0, 999)),
        st.tuples(st.just("search"), st.text(ALPHABET, max_size=5)),
    ),
    max_size=30,
)


@pytest.fixture(autouse=True)
def _tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and groups so small that a few lines fill many."""
    monkeypatch.setattr(folded, "BLOCK_LINES", 3)
    monkeypatch.setattr(folded, "BLOCK_CHARS", 25)
    monkeypatch.setattr(folded, "REMEMBERED", 3)
    monkeypatch.setattr(folded, "FEW", 1)
    monkeypatch.setattr(folded, "WORTH_REMEMBERING", 2)
    monkeypatch.setattr(signatures, "GROUP", 4)
    monkeypatch.setattr(signatures, "LONGEST_BLOCK", 30)


def by_line(lines: list[str], keyword: str) -> list[int]:
    return [i for i, line in enumerate(lines) if keyword.casefold() in line.casefold()]


def check(text: FoldedText, lines: list[str], keyword: str, keep: int) -> None:
    total, last = text.search(keyword)
    expected = by_line(lines, keyword)
    assert (total, last) == (len(expected), expected[-keep:])


@settings(derandomize=True, deadline=None, max_examples=300, database=None)
@given(EDITS)
def test_any_edits_leave_search_exact(edits: list[tuple[str, ...]]) -> None:
    keep = 7
    text, lines = FoldedText(keep), list[str]()
    for name, *arguments in edits:
        if name == "extend":
            lines.extend(arguments[0])
            text.extend(arguments[0])
        elif name == "replace" and lines:
            index = int(arguments[0]) % len(lines)
            lines[index] = arguments[1]
            text.replace(index, arguments[1])
        elif name == "cut":
            length = int(arguments[0]) % (len(lines) + 1)
            del lines[length:]
            text.cut(length)
        elif name == "search":
            check(text, lines, arguments[0], keep)
    for keyword in ("", "a", "AB", "ss", "b a", "1,", "😀", "é1", "ab\na"):
        check(text, lines, keyword, keep)


@pytest.mark.parametrize("seed", range(8))
def test_a_long_run_of_edits_leaves_every_search_exact(seed: int) -> None:
    rng = random.Random(seed)
    text, lines = FoldedText(9), list[str]()
    words = ["tree", "Tree at 3", "water", "WATERY", "", "ß", "zombie near", "x" * 40]
    for _ in range(400):
        match rng.randrange(5):
            case 0 | 1 if len(lines) < 60:
                more = rng.choices(words, k=rng.randrange(9))
                lines += more
                text.extend(more)
            case 2 if lines:
                length = rng.randrange(len(lines) + 1)
                del lines[length:]
                text.cut(length)
            case _ if lines:
                index = rng.randrange(len(lines))
                lines[index] = rng.choice([*words, f"unique {rng.random()}"])
                text.replace(index, lines[index])
                check(text, lines, lines[index][-9:], 9)
        for keyword in rng.sample(["tree", "e", "water", "zombie", "near", "xxxxx", "", "SS", "walrus"], k=2):
            check(text, lines, keyword, 9)


def test_pieces_of_a_thousand_lines_are_all_found() -> None:
    random.seed(7)
    lines = [f"step {i}: {random.choice(['cow', 'Zombie', 'ÉTANG'])} at {i % 64},{i // 64}" for i in range(1_000)]
    text = FoldedText(1_000)
    text.extend(lines)
    for _ in range(500):
        line = random.choice(lines)
        start = random.randrange(len(line))
        check(text, lines, line[start : start + random.randrange(1, 9)], 1_000)


def test_half_a_character_is_found_nowhere() -> None:
    text = FoldedText(5)
    text.extend(["😀 here"] * 9)
    assert text.search("\ud83d") == (0, [])
