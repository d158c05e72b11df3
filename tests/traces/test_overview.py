"""An episode at a glance: every figure equals one counted from the whole records."""

from collections import Counter

import pytest
from playing import folder_of, play
from synthetic_episode import SyntheticEpisode

from traces import EpisodeFolder, MetricsAccumulator, OperationRecord, StepRecord, TraceReader, TraceWriter
from traces.overview import Gain, Stretch, Tally, overview
from traces.records import Conversation


def seen(text):
    return {"long": text, "short": ""}


def of(tmp_path, records, final=None):
    folder = EpisodeFolder(tmp_path)
    with TraceWriter(folder) as writer:
        for record in records:
            writer.write(record)
    with TraceReader(folder) as reader:
        return overview(reader.outlines(), final)


@pytest.fixture(params=["played", "synthetic"])
def folder(request, tmp_path):
    if request.param == "played":
        play(tmp_path, 15)
        return folder_of(tmp_path)
    folder = EpisodeFolder(tmp_path)
    with TraceWriter(folder) as writer:
        for record in SyntheticEpisode(seed=2, told=5).records(200):
            writer.write(record)
    return folder


def test_the_figures_are_those_of_the_metrics_and_of_the_records(folder):
    metrics = MetricsAccumulator()
    with TraceReader(folder) as reader:
        records = list(reader)
        found = overview(reader.outlines())
    for record in records:
        metrics.update(record)
    figures = metrics.result()
    assert (found.steps, found.progression) == (figures["steps"], figures["progression"])
    assert found.episode_return == figures["return"]
    assert found.prompt_tokens == figures["tokens"]["prompt"]
    rate = figures["unproductive_action_rate"]
    assert (found.stuck + found.oscillating) / found.judged == rate
    writes = sum(uses["writes"] for uses in found.files.values())
    redundant = sum(uses["redundant"] for uses in found.files.values())
    searches = sum(uses["searches"] for uses in found.files.values())
    assert (writes, searches) == (figures["writes"], figures["searches"])
    assert redundant == round((figures["redundant_write_rate"] or 0) * writes)
    assert sum(seen.count for _, seen in found.empty.most()) == round((figures["empty_search_rate"] or 0) * searches)
    operations = Counter(
        (talk.routine, one.operation, one.outcome)
        for record in records
        for talk in record.conversations
        for one in talk.operations
        if one.outcome != "mistake"
    )
    assert {key: seen.count for key, seen in found.operations.most()} == operations


def test_gains_are_the_steps_with_a_reward_or_another_progression(tmp_path):
    infos = [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (-1.0, 0.25), (0.0, 0.25)]
    records = [
        StepRecord(n, seen(str(n)), "Do", reward=reward, info={"progression": reached})
        for n, (reward, reached) in enumerate(infos, 1)
    ]
    found = of(tmp_path, records)
    assert found.gains == [Gain(2, 0.0, 0.5), Gain(3, 1.0, 0.5), Gain(4, -1.0, 0.25)]
    assert (found.gained, found.last_gain, found.progression) == (3, 2, 0.25)


@pytest.mark.parametrize(
    ("texts", "final", "stretches"),
    [
        ("ABCDE", "F", []),
        ("AABCC", "D", []),  # one stuck step is no stretch
        ("AAAAB", "C", [Stretch(3, 1, 3)]),
        ("ABCCCC", "C", [Stretch(4, 3, 4)]),  # it goes on to the end
        ("ABCCCC", None, [Stretch(3, 3, 3)]),
        ("XABABABC", "D", [Stretch(3, 4, 0)]),
        ("AAAABCCCCCD", "E", [Stretch(3, 1, 3), Stretch(4, 6, 4)]),
    ],
)
def test_stretches_are_unproductive_steps_in_a_row(tmp_path, texts, final, stretches):
    records = [StepRecord(n, seen(text), "Do") for n, text in enumerate(texts, 1)]
    found = of(tmp_path, records, seen(final) if final else None)
    assert found.longest == stretches
    assert found.stretches == len(stretches)


def test_what_was_tried_in_vain_is_told_with_its_steps(tmp_path):
    operations = [
        OperationRecord(0, arguments={"written": "<|FLY|>"}, outcome="mistake", code="unknown_operation"),
        OperationRecord(0, "append", {"file": "../x", "text": "a"}, "rejected", code="bad_name"),
        OperationRecord(0, "search", {"file": "a.md", "keyword": "tree"}, "empty", file="a.md"),
    ]
    talk = Conversation("LOG", "memory", "m", [], [], operations)
    records = [
        StepRecord(n, seen(str(n)), "Noop", chosen="fly", action_outcome="invalid", conversations=[talk])
        for n in (1, 2, 3)
    ]
    found = of(tmp_path, records)
    for tally, key in (
        (found.mistakes, ("unknown_operation", "<|FLY|>")),
        (found.rejections, ("bad_name", "append ../x")),
        (found.empty, ("a.md", "tree")),
        (found.refused, ("invalid", "fly")),
    ):
        ((name, times),) = tally.most()
        assert (name, times.count, times.first, times.last) == (key, 3, 1, 3)


def test_what_hooks_do_is_told_apart(tmp_path):
    hook = OperationRecord(-1, "write", {"file": "s.md", "text": "x"}, "written", file="s.md")
    found = of(tmp_path, [StepRecord(1, seen("A"), "Do", hook_operations=[hook, hook])])
    assert found.hooks.most()[0][0] == ("write", "written")
    assert (len(found.operations), found.files) == (0, {})


def test_an_episode_of_a_hundred_thousand_different_names_stays_small(tmp_path):
    tally = Tally(keys=100)
    for number in range(100_000):
        tally.add(f"once {number}", number)
        if number % 10 == 0:
            tally.add("often", number)
    assert len(tally) <= 100
    assert tally.forgot
    assert tally.most(1)[0][0] == "often"
    assert (tally.most(1)[0][1].count, tally.most(1)[0][1].last) == (10_000, 99_990)


def test_an_episode_without_a_step_has_an_overview(tmp_path):
    found = of(tmp_path, [])
    assert (found.steps, found.judged, found.gains, found.longest) == (0, 0, [], [])
