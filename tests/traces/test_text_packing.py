"""Packed texts: every text comes back character for character, and a text met before costs a reference."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from traces.text_packer import TextPacker
from traces.text_unpacker import TextUnpacker

LINES = st.one_of(
    st.sampled_from(
        [
            "",
            "#",
            "# A heading of a prompt",
            "- tree 3 steps to your north-west",
            "a line that is just long enough",
            "x",
        ]
    ),
    st.text(max_size=40),
    st.integers(0, 30).map(lambda number: f"line {number} of a notebook, as it was written"),
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(LINES, max_size=40).map("\n".join),
    st.lists(st.lists(LINES, max_size=20).map("\n".join), max_size=6).map("\n\n".join),
)


class Trace:
    """Texts packed step after step, kept as JSON would keep them."""

    def __init__(self) -> None:
        self.packer = TextPacker()
        self.packed: dict[int, list[Any]] = {}
        self.texts: dict[int, list[Any]] = {}

    def add(self, *texts: str) -> int:
        """Pack the texts of the next step; return how many bytes they take."""
        step = len(self.packed) + 1
        self.packer.begin(step)
        packed = json.dumps([self.packer.pack(text) for text in texts], separators=(",", ":"))
        kept = json.dumps(self.packer.texts, separators=(",", ":"))
        self.packed[step], self.texts[step] = json.loads(packed), json.loads(kept)
        return len(packed) + len(kept)

    def read(self, step: int) -> list[str]:
        """Rebuild the texts of a step with nothing but what is kept."""
        unpacker = TextUnpacker(self.texts.__getitem__)
        return [unpacker.unpack(one, step) for one in self.packed[step]]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(TEXTS, max_size=5), max_size=8))
def test_every_text_comes_back_character_for_character(steps):
    trace = Trace()
    for texts in steps:
        trace.add(*texts)
    for step in range(len(steps), 0, -1):
        assert trace.read(step) == steps[step - 1]


def test_the_format_is_what_its_description_says():
    trace = Trace()
    tree, water = "- tree 3 steps to your north-west", "- water 2 steps to your south-east"
    trace.add("short", f"You see:\n{tree}\n{water}\n\nYou face grass at your front.")
    trace.add(f"PLAN step 2\n\n## Now\nYou see:\n{tree}\n{water}\n\nYou face grass at your front.\n\nBye")
    assert trace.packed[1] == ["short", [1, 4]]
    assert trace.texts[1] == [tree, water, [["You see:", [1, 0, 2]]], "You face grass at your front.", [[1, 2, 2]]]
    assert trace.packed[2] == [[2, 0]]
    assert trace.texts[2] == [["PLAN step 2", ["## Now", [1, 2]], [1, 3], "Bye"]]


def test_a_text_met_before_costs_a_reference():
    trace = Trace()
    prompt = "\n\n".join(f"Rule {number} says a good deal about what to do." for number in range(100))
    assert trace.add(prompt) > len(prompt)
    assert trace.add(prompt, prompt) == len("[[1,100],[1,100]][]")


def test_texts_of_one_step_refer_to_each_other():
    trace = Trace()
    trace.add("You face grass at your front.", "LOG\n\nYou face grass at your front.")
    assert trace.texts[1] == ["You face grass at your front.", ["LOG", [1, 0]]]


def test_a_file_that_grows_by_a_line_costs_the_new_line_and_little_more():
    trace = Trace()
    lines = [f"step {number}: something happened that is worth {number} words" for number in range(100)]
    trace.add("\n".join(lines))
    costs = []
    for number in range(100, 300):
        lines = [*lines[1:], f"step {number}: something happened that is worth {number} words"]
        costs.append(trace.add("\n".join(lines)))
    assert sum(costs) / len(costs) < 300  # 5,200 characters each
    assert trace.read(201) == ["\n".join(lines)]


def test_a_listing_changed_in_the_middle_costs_two_slices():
    trace = Trace()
    lines = [f"{number},{number}: what is to be found at this place" for number in range(50)]
    trace.add("\n".join(lines))
    lines[20] = "20,20: something else is to be found now"
    assert trace.add("\n".join(lines)) < 120
    assert trace.texts[2][1] == [[[1, 50, 0, 20], [2, 0], [1, 50, 21, 29]]]
    assert trace.read(2) == ["\n".join(lines)]


def test_slices_never_lead_to_slices():
    trace = Trace()
    lines = [f"step {number}: something happened that is worth {number} words" for number in range(40)]
    for number in range(40, 400):
        trace.add("\n".join(lines))
        lines = [*lines[1:], f"step {number}: something happened that is worth {number} words"]

    def slices(entry: Any) -> list[list[int]]:
        if isinstance(entry, str):
            return []
        if isinstance(entry[0], int):
            return [entry] if len(entry) == 4 else []
        return [found for part in entry for found in slices(part)]

    found = [one for texts in trace.texts.values() for entry in texts for one in slices(entry)]
    assert found
    assert not [one for one in found if slices(trace.texts[one[0]][one[1]])]


def test_many_headings_do_not_nest():
    trace = Trace()
    text = "\n".join(f"# heading number {number} of very many" for number in range(5000))
    trace.add(text)
    assert trace.read(1) == [text]


def test_the_same_texts_give_the_same_bytes():
    first, second = Trace(), Trace()
    for trace in (first, second):
        for number in range(50):
            trace.add(f"Some text that is long enough, number {number % 7}.", "You face grass at your front.\n\nBye")
    assert first.texts == second.texts
    assert first.packed == second.packed


def test_a_text_forgotten_is_stored_again_and_both_can_be_read():
    trace = Trace()
    text = "A text that is met once and then not for very long."
    trace.add(text)
    for number in range(100):
        trace.add(*(f"Text {number}.{one} pushes the others out of the table." for one in range(60)))
    trace.add(text)
    assert trace.texts[102] == [text]
    assert trace.read(102) == trace.read(1) == [text]


@pytest.mark.parametrize(
    ("packed", "texts"),
    [
        ([1, 0], [[1, 0]]),  # an entry that refers to itself
        ([1, 0], [[1, 1], [1, 0]]),  # a circle
        ([2, 0], ["a text"]),  # a line that comes later
        ([0, 0], ["a text"]),
        ([1, -1], ["a text"]),
        ([1, 1, 3, 1], ["a", "a\nb\nc"]),  # a slice beyond the end
        ([1, 1, -1, 1], ["a", "a\nb\nc"]),
    ],
)
def test_a_reference_that_does_not_point_back_is_refused(packed, texts):
    unpacker = TextUnpacker(lambda _: texts)
    with pytest.raises(ValueError, match=r"does not point back|lines that are not there"):
        unpacker.unpack([[packed]], 1)
