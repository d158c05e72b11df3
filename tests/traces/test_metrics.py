"""The metrics, on episodes made by hand: each expected value follows from its definition in traces/metrics.py."""

import pytest
from synthetic_episode import SyntheticEpisode

from traces import (
    METRICS_VERSION,
    Conversation,
    EpisodeFolder,
    MetricsAccumulator,
    ModelCall,
    OperationRecord,
    StepRecord,
    TraceReader,
    TraceWriter,
)
from traces.flags import flagged_steps


def seen(text):
    return {"long": text, "short": "health 9"}


def measured(records, final=None):
    accumulator = MetricsAccumulator()
    for record in records:
        accumulator.update(record)
    return accumulator.result(final)


def steps_seeing(texts):
    return [StepRecord(step, seen(text), "Do") for step, text in enumerate(texts, 1)]


def step_with(*operations, routine="LOG", step=1, **fields):
    conversation = Conversation(routine, "memory", "m", [], [], list(operations))
    return StepRecord(step, seen(str(step)), "Do", conversations=[conversation], **fields)


def append(text, outcome="written", file="notes.md"):
    return OperationRecord(0, "append", {"file": file, "text": text}, outcome, file=file)


def search(outcome):
    return OperationRecord(0, "search", {"file": "notes.md", "keyword": "tree"}, outcome, file="notes.md")


def test_an_episode_without_steps_has_no_rates():
    assert measured([]) == {
        "metrics_version": METRICS_VERSION,
        "progression": 0.0,
        "return": 0.0,
        "steps": 0,
        "unproductive_action_rate": None,
        "redundant_write_rate": None,
        "empty_search_rate": None,
        "writes_per_search": None,
        "log_writes_per_search": None,
        "writes": 0,
        "searches": 0,
        "recalls_per_step": None,
        "prompt_tokens_per_step": None,
        "prompt_characters_per_step": None,
        "completion_tokens_per_step": None,
        "model_calls_per_step": None,
        "invalid_action_rate": None,
        "missing_action_rate": None,
        "action_outcomes": {},
        "mistakes_per_step": None,
        "mistakes_by_code": {},
        "rejections_per_step": None,
        "rejections_by_code": {},
        "tokens": {"prompt": 0, "completion": 0, "cached": 0},
        "model_calls": 0,
        "recall_hit_rate": None,
        "repeated_recall_rate": None,
        "never_recalled_rate": None,
        "stale_recall_rate": None,
        "results_prompt_share": None,
        "lines_per_100_steps": None,
    }


@pytest.mark.parametrize(
    ("texts", "final", "rate"),
    [
        ("A", None, None),  # the only action was not followed by an observation
        ("A", "A", 1.0),  # stuck
        ("A", "B", 0.0),
        ("AB", None, 0.0),
        ("AA", None, 1.0),
        ("ABA", None, 0.0),  # a single step back is no oscillation
        ("ABAB", None, 1 / 3),  # the third action completes A, B, A, B
        ("ABA", "B", 1 / 3),
        ("ABABAB", None, 3 / 5),
        ("AAAA", None, 1.0),  # stuck counts once, not also as oscillating
        ("ABCA", None, 0.0),
        ("ABBA", None, 1 / 3),
        ("ABCD", "D", 1 / 4),
    ],
)
def test_unproductive_actions_are_stuck_or_oscillating(texts, final, rate):
    result = measured(steps_seeing(texts), seen(final) if final else None)
    assert result["unproductive_action_rate"] == rate


def test_an_action_that_changed_only_the_short_text_was_productive():
    records = [StepRecord(1, {"long": "A", "short": "wood: 1"}, "Do"), StepRecord(2, {"long": "A", "short": ""}, "Do")]
    assert measured(records)["unproductive_action_rate"] == 0.0


def test_a_clock_that_goes_on_is_no_change():
    def step(number, text, **info):
        return StepRecord(number, seen(text), "Do", info=info)

    ticking = ["wall T:9  ", "wall T:10 ", "floor T:11 ", "wall T:12 ", "floor T:13 "]
    told = [step(number, text, clock=r"T:\d+| +$") for number, text in enumerate(ticking, 1)]
    assert measured(told, seen("floor T:14 "))["unproductive_action_rate"] == 3 / 5  # stuck, and back and forth
    silent = [step(number, text) for number, text in enumerate(ticking, 1)]  # a trace older than clocks
    assert measured(silent, seen("floor T:14 "))["unproductive_action_rate"] == 0.0
    assert measured([told[0], *silent[1:]])["unproductive_action_rate"] == 0.0


def test_flags_know_the_clock_too():
    texts = ["wall T:9", "wall T:10", "floor T:11"]
    steps = [StepRecord(n, seen(text), "Do", info={"clock": r"T:\d+"}) for n, text in enumerate(texts, 1)]
    flags = [flags.unproductive for _, flags in flagged_steps(steps, seen("floor T:12"))]
    assert flags == ["stuck", None, "stuck"]


def test_the_result_may_be_asked_for_at_any_time_without_changing_it():
    accumulator = MetricsAccumulator()
    for record in steps_seeing("AAB"):
        accumulator.update(record)
    assert accumulator.result(seen("B"))["unproductive_action_rate"] == 2 / 3
    assert accumulator.result(seen("C"))["unproductive_action_rate"] == 1 / 3
    assert accumulator.result()["unproductive_action_rate"] == 1 / 2


@pytest.mark.parametrize(
    ("first", "second", "redundant"),
    [
        ("a tree at 3,4", "a tree at 3,4", True),
        ("Step 12: a tree at (3,4).", "- step 13:  A TREE at (3, 4)", True),
        ("turn 5 fine", "T:7 fine!", True),
        ("a tree at 3,4", "a tree at 3,5", False),
        ("a tree at 3,4", "a tree at -3,4", False),
        ("a tree at 3", "a bush at 3", False),
        ("Step 12", "Step 13", False),  # nothing but a stamp says nothing that could be repeated
    ],
)
def test_a_write_is_redundant_where_it_says_again_what_the_file_holds(first, second, redundant):
    rate = measured([step_with(append(first)), step_with(append(second), step=2)])["redundant_write_rate"]
    assert rate == (0.5 if redundant else 0.0)


def test_a_write_refused_as_known_is_redundant_and_one_refused_for_its_form_is_no_write():
    operations = [
        append("a", "duplicate"),
        OperationRecord(0, "create", {"file": "notes.md"}, "exists", file="notes.md"),
        append("b"),
        append("b", file="other.md"),
        OperationRecord(0, "append", {"file": "../x", "text": "a"}, "rejected", code="bad_name"),
    ]
    result = measured([step_with(*operations)])
    assert result["writes"] == 4
    assert result["redundant_write_rate"] == 0.5
    assert result["rejections_by_code"] == {"bad_name": 1.0}


def test_a_state_that_changes_back_is_not_redundant():
    goals = [OperationRecord(0, "write", {"file": "goal.md", "text": one}, "written") for one in ("a", "b", "a")]
    assert measured([step_with(*goals)])["redundant_write_rate"] == 0.0


def test_only_the_last_64_texts_of_a_file_are_remembered():
    others = [append(f"note {number}") for number in range(64)]
    assert measured([step_with(append("x"), *others[:63], append("x"))])["redundant_write_rate"] == 1 / 65
    assert measured([step_with(append("x"), *others, append("x"))])["redundant_write_rate"] == 0.0


def test_searches_and_writes():
    log = [search("hit"), search("empty"), search("missing"), append("a"), append("b")]
    read = OperationRecord(0, "read", {"file": "notes.md"}, "empty")
    result = measured([step_with(*log, read), step_with(search("hit"), routine="PLAN", step=2)])
    assert result["searches"] == 4
    assert result["empty_search_rate"] == 0.5
    assert result["writes_per_search"] == 0.5
    assert result["log_writes_per_search"] == 2 / 3
    assert result["recalls_per_step"] == 2.5


def test_what_hooks_write_is_not_the_models():
    record = StepRecord(1, seen("A"), "Do", hook_operations=[append("a", "duplicate"), search("empty")])
    result = measured([record])
    assert (result["writes"], result["searches"]) == (0, 0)


def test_mistakes_are_counted_by_code():
    unreadable = OperationRecord(0, outcome="mistake", code="unreadable")
    unknown = OperationRecord(1, "fly", outcome="mistake", code="unknown_operation")
    result = measured([step_with(unreadable, unreadable, unknown), step_with(step=2)])
    assert result["mistakes_per_step"] == 1.5
    assert result["mistakes_by_code"] == {"unknown_operation": 0.5, "unreadable": 1.0}


def test_actions_without_effect_of_the_model_are_invalid_or_missing():
    outcomes = ["valid", "repaired", "invalid", "missing", "valid"]
    records = [StepRecord(step, seen("A"), "Do", action_outcome=one) for step, one in enumerate(outcomes, 1)]
    result = measured(records)
    assert result["invalid_action_rate"] == 0.4
    assert result["action_outcomes"] == {"invalid": 0.2, "missing": 0.2, "repaired": 0.2, "valid": 0.4}


def test_tokens_calls_and_characters():
    messages = [
        {"role": "system", "content": "12345"},
        {"role": "user", "content": "123"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "read", "arguments": "{}"}}]},
        {"role": "tool", "content": "1234567", "tool_call_id": "a"},
    ]
    conversation = Conversation("LOG", "memory", "m", messages, [ModelCall(2), ModelCall(4)])
    tokens = {"prompt": 30, "completion": 4, "cached": 10}
    records = [
        StepRecord(1, seen("A"), "Do", conversations=[conversation], tokens=tokens, model_calls=2),
        StepRecord(2, seen("B"), "Do", tokens={"prompt": 10, "completion": 1, "cached": 0}, model_calls=1),
    ]
    result = measured(records)
    assert result["prompt_characters_per_step"] == (8 + 17) / 2
    assert result["prompt_tokens_per_step"] == 20.0
    assert result["completion_tokens_per_step"] == 2.5
    assert result["model_calls_per_step"] == 1.5
    assert result["tokens"] == {"prompt": 40, "completion": 5, "cached": 10}
    assert result["model_calls"] == 3


def test_a_server_that_reports_no_usage_gives_no_token_rates():
    result = measured([StepRecord(1, seen("A"), "Do", model_calls=4, tokens={"prompt": 0, "completion": 0})])
    assert result["prompt_tokens_per_step"] is None
    assert result["completion_tokens_per_step"] is None


def test_progression_and_return_come_from_the_world():
    records = [
        StepRecord(1, seen("A"), "Do", reward=1.0, info={"progression": 0.25}),
        StepRecord(2, seen("B"), "Do", reward=-0.5, info={"progression": 0.5}),
    ]
    result = measured(records)
    assert (result["progression"], result["return"], result["steps"]) == (0.5, 0.5, 2)


def test_metrics_of_a_trace_equal_those_taken_while_playing(tmp_path):
    folder = EpisodeFolder(tmp_path)
    playing = MetricsAccumulator()
    with TraceWriter(folder) as writer:
        for record in SyntheticEpisode(seed=3).records(120):
            writer.write(record)
            playing.update(record)
    with TraceReader(folder) as reader:
        assert measured(reader, seen("end")) == playing.result(seen("end"))
    assert playing.result()["redundant_write_rate"] is not None
