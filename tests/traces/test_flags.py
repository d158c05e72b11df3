"""Flags of steps: equal to what metrics count, on whole records and on outlines alike."""

import pytest
from synthetic_episode import SyntheticEpisode

from traces import EpisodeFolder, MetricsAccumulator, OperationRecord, StepRecord, TraceReader, TraceWriter
from traces.flags import StepFlags, flagged_steps
from traces.outline import reply_text
from traces.records import Conversation


def step(number, seen, *operations):
    talk = Conversation("LOG", "memory", "m", [], [], list(operations))
    return StepRecord(number, {"long": seen, "short": ""}, "Do", conversations=[talk])


def append(text, outcome="written"):
    return OperationRecord(0, "append", {"file": "a.md", "text": text}, outcome, file="a.md")


def search(outcome):
    return OperationRecord(0, "search", {"file": "a.md", "keyword": "x"}, outcome, file="a.md")


def test_an_action_is_judged_by_the_observation_after_it():
    records = [step(number, seen) for number, seen in enumerate("AABABAC", 1)]
    found = [flags.unproductive for _, flags in flagged_steps(records)]
    assert found == ["stuck", None, None, "oscillating", "oscillating", None, None]
    assert [flags.judged for _, flags in flagged_steps(records)] == [True] * 6 + [False]
    *_, (_, last) = flagged_steps(records, {"long": "C", "short": ""})
    assert last == StepFlags(7, True, "stuck")


def test_operations_are_flagged_by_their_place():
    records = [
        step(1, "A", append("a tree at 3,4"), search("hit"), search("missing")),
        step(2, "B", search("empty"), append("Step 2: a tree at 3,4!"), append("b", "duplicate")),
    ]
    flags = [found for _, found in flagged_steps(records)]
    assert flags[0].empty_searches == ((0, 2),)
    assert flags[0].redundant_writes == ()
    assert flags[1].empty_searches == ((0, 0),)
    assert flags[1].redundant_writes == ((0, 1), (0, 2))
    assert flags[1].names() == ["redundant write", "empty search"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = EpisodeFolder(tmp_path_factory.mktemp("trace"))
    with TraceWriter(folder) as writer:
        for record in SyntheticEpisode(seed=3, told=5).records(120):
            writer.write(record)
    return folder


def test_outlines_hold_what_the_records_hold(folder):
    with TraceReader(folder) as reader:
        for record, outline in zip(reader.steps(), reader.outlines(replies=True), strict=True):
            for name in ("step", "observation", "action", "chosen", "action_outcome", "notices", "complaints"):
                assert getattr(outline, name) == getattr(record, name)
            assert (outline.reward, outline.revision, outline.tokens) == (
                record.reward,
                record.revision,
                record.tokens,
            )
            assert outline.info == {k: v for k, v in record.info.items() if not isinstance(v, dict)}
            for talk, whole in zip(outline.conversations, record.conversations, strict=True):
                said = [reply_text(one) for one in whole.messages if one["role"] == "assistant"]
                assert (talk.routine, talk.replies) == (whole.routine, said)
                for one, operation in zip(talk.operations, whole.operations, strict=True):
                    assert all(getattr(one, name) == getattr(operation, name) for name in one._fields)


def test_outlines_and_records_are_flagged_alike_and_as_metrics_count(folder):
    metrics = MetricsAccumulator()
    with TraceReader(folder) as reader:
        by_outline = [flags for _, flags in flagged_steps(reader.outlines())]
        by_record = [flags for _, flags in flagged_steps(reader)]
        for record in reader:
            metrics.update(record)
    assert by_outline == by_record
    counted = metrics.result()
    unproductive = sum(flags.unproductive is not None for flags in by_record)
    redundant = sum(len(flags.redundant_writes) for flags in by_record)
    assert counted["unproductive_action_rate"] == unproductive / 119
    assert counted["redundant_write_rate"] == redundant / counted["writes"]


def test_a_range_of_outlines_ends_where_the_trace_does(folder):
    with TraceReader(folder) as reader:
        assert [one.step for one in reader.outlines(118, 200)] == [118, 119, 120]
        assert [one.step for one in reader.outlines(-3, 2)] == [1, 2]
        assert [one.conversations[0].replies for one in reader.outlines(5, 5)] == [[]]


def test_the_first_line_that_holds_bytes_is_found_over_chunks(folder, monkeypatch):
    with TraceReader(folder) as reader:
        lines = [reader.line(number).lower() for number in range(1, 121)]
        for wanted in (b'"step":1,', b"step 77", b"step 120", b"rule number 3", b"no such words"):
            first = next((number for number, line in enumerate(lines, 1) if wanted in line), 0)
            assert reader.first_holding(wanted) == first
