"""The reader: any step at once, also while the episode is played, and a damaged line named."""

import orjson
import pytest
from synthetic_episode import SyntheticEpisode
from trace_files import ends_of, lines_of, write_lines

from traces import EpisodeFolder, TraceDamaged, TraceFailure, TraceReader, TraceWriter


@pytest.fixture(scope="module")
def records():
    return list(SyntheticEpisode(told=6).records(60))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, records):
    folder = EpisodeFolder(tmp_path_factory.mktemp("trace"))
    with TraceWriter(folder) as writer:
        for record in records:
            writer.write(record)
    return folder


def damaged(tmp_path, folder, number, line):
    """Return a copy of the trace with another line `number`."""
    copy = EpisodeFolder(tmp_path)
    lines = lines_of(folder)
    lines[number - 1] = line(lines[number - 1])
    write_lines(copy, lines)
    return copy


def test_steps_come_in_order(folder, records):
    with TraceReader(folder) as reader:
        assert len(reader) == 60
        assert list(reader) == records
        assert list(reader.steps(58)) == records[57:]


def test_any_step_can_be_read_first(folder, records):
    for number in (60, 1, 31):
        with TraceReader(folder) as reader:
            assert reader.step(number) == records[number - 1]


def test_every_prompt_is_rebuilt_byte_for_byte(folder, records):
    with TraceReader(folder) as reader:
        for record in records:
            for c, conversation in enumerate(record.conversations):
                for k, call in enumerate(conversation.calls):
                    sent = conversation.messages[: call.prompt_length]
                    assert orjson.dumps(reader.prompt(record.step, c, k)) == orjson.dumps(sent)


def test_a_record_read_may_be_changed_without_changing_what_is_read_next(folder, records):
    with TraceReader(folder) as reader:
        step = reader.step(40)
        step.info["progression"] = "spoilt"
        step.conversations[0].operations[0].arguments["file"] = "spoilt"
        step.conversations[0].messages[0]["content"] = "spoilt"
        assert reader.step(40) == records[39]


def test_there_is_no_other_step(folder):
    with TraceReader(folder) as reader:
        for number in (0, -1, 61):
            with pytest.raises(IndexError, match=f"has 60 steps, there is no step {number}"):
                reader.step(number)


def test_a_trace_is_read_while_it_is_written(tmp_path, folder, records):
    whole = folder.steps.read_bytes()
    ends = ends_of(folder)
    growing = EpisodeFolder(tmp_path)
    growing.steps.write_bytes(b"")
    with TraceReader(growing) as reader, growing.steps.open("ab", buffering=0) as file:
        assert len(reader) == 0
        for start, end in ((0, ends[0]), (ends[0], ends[1] - 5), (ends[1] - 5, ends[4] + 7), (ends[4] + 7, ends[7])):
            file.write(whole[start:end])
            assert reader.refresh() == sum(one <= end for one in ends)
        assert list(reader) == records[:8]


def test_a_twin_reads_the_same_file_apart_from_the_other(tmp_path, folder, records):
    shown = EpisodeFolder(tmp_path / "copy")
    shown.create()
    with TraceWriter(shown) as writer:
        for record in records[:3]:
            writer.write(record)
        reader = TraceReader(shown)
        with reader.twin() as twin:
            writer.write(records[3])
            assert (len(reader), twin.step(2), twin.refresh(), len(reader)) == (3, records[1], 4, 3)
            reader.close()
            assert twin.step(4) == records[3]
    with pytest.raises(ValueError, match="is closed"):
        reader.twin()


def test_a_torn_line_cut_and_written_anew_is_read_anew(tmp_path, folder, records):
    growing = EpisodeFolder(tmp_path)
    growing.steps.write_bytes(folder.steps.read_bytes()[: ends_of(folder)[1] - 9])
    with TraceReader(growing) as reader:
        assert len(reader) == 1
        with TraceWriter(growing) as writer:
            assert writer.steps == 1
            for record in records[1:6]:
                writer.write(record)
        assert list(reader) == records[:6]


def test_a_trace_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TraceFailure, match=r"cannot read the trace .*nowhere/steps\.jsonl\.zst: it does not exist"):
        TraceReader(EpisodeFolder(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "line",
    [
        lambda line: line[: len(line) // 2] + b"\n",
        lambda line: b"\n",
        lambda line: b"[]\n",
        lambda line: b"\x00" * len(line[1:]) + b"\n",
        lambda line: line.replace(b'{"step":20,', b'{"step":21,', 1),
        lambda line: line.replace(b'"messages":', b'"massages":'),
        lambda line: line.replace(b'"messages":[[', b'"messages":[[],['),
        lambda line: line.replace(b'"routine":"LOG"', b'"routines":"LOG"'),
        lambda line: line[:-1],
    ],
)
def test_a_damaged_line_is_named(tmp_path, folder, records, line):
    with TraceReader(damaged(tmp_path, folder, 20, line)) as reader:
        with pytest.raises(TraceDamaged, match=r"steps\.jsonl\.zst is damaged at step 20 \(.*\): restore the file"):
            reader.step(20)
        assert reader.step(19) == records[18]


def test_damage_is_named_where_it_is_and_not_where_it_is_met(tmp_path, folder):
    with (
        TraceReader(damaged(tmp_path, folder, 1, lambda _: b"{\n")) as reader,
        pytest.raises(TraceDamaged, match=r"is damaged at step 1 "),
    ):
        reader.step(30)


def test_a_damaged_byte_is_named_and_steps_before_it_are_read(tmp_path, folder, records):
    copy = EpisodeFolder(tmp_path)
    data, ends = bytearray(folder.steps.read_bytes()), ends_of(folder)
    data[ends[18] + 6 : ends[18] + 16] = bytes(10)
    copy.steps.write_bytes(data)
    with TraceReader(copy) as reader:
        with pytest.raises(TraceDamaged, match="is damaged at step 20 "):
            reader.step(25)
        assert [reader.step(number) for number in (19, 1)] == [records[18], records[0]]


def test_another_format_is_refused(tmp_path, folder):
    copy = damaged(tmp_path, folder, 1, lambda line: line.replace(b'"format":2', b'"format":3', 1))
    for number in (1, 30):
        with TraceReader(copy) as reader, pytest.raises(TraceDamaged, match="has format 3, not 2: read it with"):
            reader.step(number)


def test_a_closed_reader_refuses(folder):
    reader = TraceReader(folder)
    reader.close()
    with pytest.raises(ValueError, match="is closed"):
        reader.step(1)
