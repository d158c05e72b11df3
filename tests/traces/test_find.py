"""Searching an episode: what is found equals what looking at every record finds."""

import pytest
from playing import folder_of, play
from synthetic_episode import SyntheticEpisode

from traces import EpisodeFolder, OperationRecord, StepRecord, TraceReader, TraceWriter
from traces.find import PLACES, Query, find
from traces.flags import flagged_steps
from traces.outline import reply_text
from traces.plain_json import dump
from traces.records import Conversation

EVERYTHING = 1_000_000


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    folder = EpisodeFolder(tmp_path_factory.mktemp("synthetic"))
    with TraceWriter(folder) as writer:
        for record in SyntheticEpisode(seed=5, told=6).records(150):
            writer.write(record)
    return folder


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("played")
    play(folder, 12)
    return folder_of(folder)


def holds(text, wanted):
    return wanted.lower() in str(text).lower()


def by_hand(reader, text, where):
    """(step, kind) of every text that holds the words, from whole records."""
    found = []
    for record in reader:
        place = []
        if where in ("any", "observation"):
            place += [("observation", one) for one in record.observation.values()]
        if where in ("any", "notice"):
            place += [("notice", one) for one in (*record.notices, *record.complaints)]
        for talk in record.conversations:
            if where in ("any", "reply"):
                said = [reply_text(one) for one in talk.messages if one["role"] == "assistant"]
                place += [("reply", one) for one in said]
            if where in ("any", "operation"):
                place += [("operation", one) for one in talk.operations]
        if where in ("any", "operation"):
            place += [("operation", one) for one in record.hook_operations]
        if where in ("any", "action"):
            place += [("action", f"{record.action}\n{record.chosen or ''}")]
        for kind, one in place:
            texts = [one]
            if isinstance(one, OperationRecord):
                values = [v if isinstance(v, str) else dump(v).decode() for v in one.arguments.values()]
                texts = [*values, one.file or "", one.code or ""]
            if any(holds(text_, text) for text_ in texts):
                found.append((record.step, kind))
    return sorted(found)


def kind_of(match):
    words = match.place.replace("complaint", "notice").split()
    return next(word for word in PLACES if word in words)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("text", ["IRON", "step 7", "your south", "|actions_log.md|", "nowhere to be found", "20"])
def test_found_is_what_whole_records_hold(synthetic, where, text):
    with TraceReader(synthetic) as reader:
        found = find(reader, Query(text, where), EVERYTHING)
        assert sorted((one.step, kind_of(one)) for one in found.kept) == by_hand(reader, text, where)
        assert (found.matches, found.looked_until, found.stopped) == (len(found.kept), 150, False)


@pytest.mark.parametrize("text", ["door", "code", "Wait", "<|", "notes"])
def test_found_in_a_played_episode_is_what_its_records_hold(played, text):
    with TraceReader(played) as reader:
        found = find(reader, Query(text), EVERYTHING)
        assert sorted((one.step, kind_of(one)) for one in found.kept) == by_hand(reader, text, "any")


@pytest.mark.parametrize(("operation", "outcome"), [("search", ""), ("search", "empty"), ("", "hit"), ("append", "")])
def test_operations_are_found_by_name_and_outcome(synthetic, operation, outcome):
    with TraceReader(synthetic) as reader:
        found = find(reader, Query(operation=operation, outcome=outcome, first=10, last=90), EVERYTHING)
        expected = [
            (record.step, one.operation, one.outcome)
            for record in reader
            for talk in record.conversations
            for one in talk.operations
            if 10 <= record.step <= 90
            and (not operation or one.operation == operation)
            and (not outcome or one.outcome == outcome)
        ]
        assert [(one.step, one.operation.operation, one.operation.outcome) for one in found.kept] == expected


def written(tmp_path, records):
    folder = EpisodeFolder(tmp_path)
    with TraceWriter(folder) as writer:
        for record in records:
            writer.write(record)
    return TraceReader(folder)


def noting(step, text, seen="", **fields):
    one = OperationRecord(0, "append", {"file": "a.md", "text": text}, "written", file="a.md")
    messages = [{"role": "user", "content": "hidden prompt"}, {"role": "assistant", "content": text}]
    talk = Conversation("LOG", "memory", "m", messages, [], [one])
    return StepRecord(step, {"long": seen or f"see {step}", "short": ""}, "Do", conversations=[talk], **fields)


def test_redundant_writes_are_judged_by_what_came_before_the_range(tmp_path):
    with written(tmp_path, [noting(n, f"step {n}: the same words") for n in range(1, 9)]) as reader:
        found = find(reader, Query(outcome="redundant", first=5), EVERYTHING)
        assert [(one.step, one.flags) for one in found.kept] == [(n, ("redundant",)) for n in (5, 6, 7, 8)]


@pytest.mark.parametrize(("first", "last"), [(1, 0), (3, 5), (4, 4), (6, 6)])
def test_stuck_and_oscillating_actions_are_found_in_any_range(tmp_path, first, last):
    records = [noting(n, str(n), seen) for n, seen in enumerate(("A", "A", "B", "A", "B", "B"), 1)]
    with written(tmp_path, records) as reader:
        final = {"long": "B", "short": ""}
        expected = [flags.step for _, flags in flagged_steps(records, final) if flags.unproductive]
        for word in ("stuck", "oscillating"):
            found = find(reader, Query(word, "action", first=first, last=last), EVERYTHING, final_observation=final)
            assert all(word in one.flags for one in found.kept)
            expected = [
                flags.step
                for _, flags in flagged_steps(records, final)
                if flags.unproductive == word and first <= flags.step <= (last or 6)
            ]
            assert [one.step for one in found.kept] == expected


def test_what_is_not_kept_is_counted_and_said_where_to_go_on(synthetic):
    with TraceReader(synthetic) as reader:
        everything = find(reader, Query("iron"), EVERYTHING)
        first = find(reader, Query("iron"), 7)
        assert (first.matches, first.steps) == (everything.matches, everything.steps)
        steps, going = [one.step for one in first.kept], first.next_kept
        while going:
            part = find(reader, Query("iron", first=going), 7)
            steps += [one.step for one in part.kept]
            going = part.next_kept
        assert steps == [one.step for one in everything.kept]


def test_a_search_stops_after_so_many_rebuilt_steps_and_says_where(synthetic):
    with TraceReader(synthetic) as reader:
        found = find(reader, Query("your south"), 5, most=40)
        assert (found.looked_until, found.stopped) == (40, True)
        rest = find(reader, Query("your south", first=found.looked_until + 1), 5)
        assert found.matches + rest.matches == find(reader, Query("your south"), 5).matches


@pytest.mark.parametrize(
    "text",
    [
        'say "hi" \\ there',
        "tab\there",
        "é and 漢字",
        "\x1b[31mred",
        "half \ud800 of one",
        "<b>[/x]</b>",
        "x" * 1_000_000,
    ],
)
def test_hostile_texts_are_found_as_they_are(tmp_path, text):
    records = [noting(1, "nothing of it"), noting(2, text), noting(3, f"long words before {text}")]
    with written(tmp_path, records) as reader:
        wanted = text[:50]
        found = find(reader, Query(wanted), EVERYTHING)
        assert [(one.step, kind_of(one)) for one in found.kept] == [
            (2, "reply"),
            (2, "operation"),
            (3, "reply"),
            (3, "operation"),
        ]
        assert find(reader, Query("hidden prompt"), 5).matches == 0


def test_tool_calls_of_a_reply_are_found(tmp_path):
    call = {"id": "1", "type": "function", "function": {"name": "append", "arguments": '{"text": "a \\"b\\""}'}}
    messages = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    record = StepRecord(1, {"long": ""}, "Do", conversations=[Conversation("PLAN", "memory", "m", messages)])
    with written(tmp_path, [record]) as reader:
        for words in ("append", '\\"b', '"text": "a'):
            assert [one.place for one in find(reader, Query(words), 5).kept] == ["PLAN reply 1"]
