"""Each definition of memory health, on a hand-made trace."""

from __future__ import annotations

from typing import Any

import pytest

from traces import Conversation, ModelCall, OperationRecord, StepRecord
from traces.health import WAIT, HealthAccumulator

FILE = "a.md"


def wrote(revision: int, text: str, *, lines: tuple[int, ...] = (1,)) -> OperationRecord:
    return OperationRecord(
        0, "append", {"file": FILE, "text": text}, "written", file=FILE, lines=lines, revision=revision
    )


def recalled(*revisions: int, keyword: str = "key", outcome: str = "hit") -> OperationRecord:
    sources = tuple((1, revision) for revision in revisions)
    return OperationRecord(0, "search", {"file": FILE, "keyword": keyword}, outcome, file=FILE, provenance=sources)


def health(*steps: list[OperationRecord], until: int = 0) -> dict[str, Any]:
    """The health after these steps, then steps without operations up to number `until`."""
    found = HealthAccumulator()
    for number in range(1, max(len(steps), until) + 1):
        operations = steps[number - 1] if number <= len(steps) else []
        conversation = Conversation("LOG", "memory", "m", [], [], operations)
        found.update(StepRecord(number, {"long": "", "short": ""}, "Wait", conversations=[conversation]))
    return found.result()


def test_hits_and_repeated_questions() -> None:
    found = health([recalled(), recalled(), recalled(keyword="other", outcome="empty")], [recalled(outcome="missing")])
    assert (found["recall_hit_rate"], found["repeated_recall_rate"]) == (0.5, 0.25)
    assert health([])["recall_hit_rate"] is None


def test_a_write_is_never_recalled_when_nobody_asks_for_it_in_time() -> None:
    steps = [[wrote(1, "a: 1"), wrote(2, "b: 1")], [recalled(1)]]
    assert health(*steps, until=WAIT)["never_recalled_rate"] is None
    assert health(*steps, until=WAIT + 1)["never_recalled_rate"] == 0.5
    late = [*steps, *([] for _ in range(WAIT - 1)), [recalled(2)]]
    assert health(*late)["never_recalled_rate"] == 0.5


@pytest.mark.parametrize(
    ("texts", "asked", "rate"),
    [
        (["door: red", "door: blue"], [1], 1.0),
        (["door: red", "door: blue"], [2], 0.0),
        (["Door: red", "lake: blue"], [1, 2], 0.0),
        (["blue 1 2", "Blue 3 4"], [1, 2], 0.5),
    ],
)
def test_a_recalled_line_is_stale_when_a_later_line_has_its_key(
    texts: list[str], asked: list[int], rate: float
) -> None:
    found = health([wrote(number, text) for number, text in enumerate(texts, 1)], [recalled(*asked)])
    assert found["stale_recall_rate"] == rate


def test_growth_is_that_of_the_largest_file() -> None:
    found = health([], [wrote(1, "a", lines=(5,))], [wrote(2, "b", lines=(6,))], until=11)
    assert found["lines_per_100_steps"] == 60.0


def test_answers_to_operations_take_their_share_of_the_prompts() -> None:
    messages = [
        {"role": "system", "content": "s" * 10},
        {"role": "user", "content": "u" * 10},
        {"role": "assistant", "content": "a" * 10},
        {"role": "user", "content": "r" * 20},
        {"role": "assistant", "content": "end"},
    ]
    conversation = Conversation("PLAN", "memory", "m", messages, [ModelCall(2), ModelCall(4)])
    found = HealthAccumulator()
    found.update(StepRecord(1, {"long": "", "short": ""}, "Wait", conversations=[conversation]))
    assert found.result()["results_prompt_share"] == 20 / (20 + 50)


def test_memory_stays_bounded() -> None:
    found = HealthAccumulator()
    for number in range(1, 3_001):
        conversation = Conversation("LOG", "memory", "m", [], [], [wrote(number, f"k{number}: x"), recalled(number)])
        found.update(StepRecord(number, {"long": "", "short": ""}, "Wait", conversations=[conversation]))
    sizes = [len(one) for one in vars(found).values() if hasattr(one, "__len__")]
    assert max(sizes) <= 1_000
