"""Cuts of a text know the bytes they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.spans import Cut, cut_bytes

TEXT = st.text(max_size=40)


@given(TEXT, st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45)), max_size=6))
def test_a_cut_reads_as_the_plain_text_with_the_same_parts_left_out(text: str, gone: list[tuple[int, int]]) -> None:
    cut, plain = Cut.whole(text), text
    for a, b in gone:
        start, end = min(a, b), max(a, b)
        cut, plain = cut.without(start, end), plain[:start] + plain[end:]
    assert cut.text == plain
    assert (cut_bytes(text, cut.byte_spans()) or "") == plain


def test_spans_count_bytes_not_characters() -> None:
    cut = Cut.whole("äöü|€").without(0, 2)
    assert cut.byte_spans() == [[4, 10]]
    assert cut_bytes("äöü|€", [[4, 10]]) == "ü|€"


@pytest.mark.parametrize("spans", [[[3, 2]], [[0, 99]], [[2, 4], [1, 3]], [[0]], [[0, 1]], [[1, 1]]])
def test_what_are_no_spans_of_a_text_cut_nothing(spans: list[list[int]]) -> None:
    assert cut_bytes("äöü", spans) is None
