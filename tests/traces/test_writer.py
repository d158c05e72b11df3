"""The writer: a crash, a full disk or a bad record never costs more than the step under way."""

import asyncio
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from synthetic_episode import SyntheticEpisode
from trace_files import ends_of, lines_of, write_lines

from traces import (
    EpisodeFolder,
    EpisodeResult,
    Failure,
    RecordError,
    StepRecord,
    TraceDamaged,
    TraceFailure,
    TraceReader,
    TraceWriter,
    copy_steps,
    read_result,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return EpisodeFolder(tmp_path / "seed-1")


@pytest.fixture(scope="module")
def records():
    return list(SyntheticEpisode(told=6).records(12))


def write_all(folder, records):
    with TraceWriter(folder) as writer:
        for record in records[writer.steps :]:
            writer.write(record)


def result(status="finished", **changes):
    values = {"world": "corridor", "task": "short", "seed": 1, "steps": 3, "progression": 0.5, "episode_return": 1.25}
    return EpisodeResult(status=status, **(values | changes))


def test_a_crash_at_any_byte_of_the_last_line_costs_only_that_step(folder):
    notices = ["You face grass at your front.", "A tree stands 3 steps to your north-west."]
    write_all(folder, [StepRecord(step, {}, "Do", notices=[*notices, f"Step {step}: é"]) for step in (1, 2, 3)])
    whole, (_, start, end) = folder.steps.read_bytes(), ends_of(folder)
    assert end == len(whole)
    for zeros in (0, 300):  # a power cut may leave zeros where data should be
        for cut in range(start, end):
            folder.steps.write_bytes(whole[:cut] + bytes(zeros))
            with TraceWriter(folder) as writer:
                assert writer.steps == 2
            assert folder.steps.read_bytes() == whole[:start]


@pytest.mark.parametrize("cut", [1, 7, 100, 1000])
def test_a_trace_cut_and_continued_reads_as_if_nothing_had_happened(folder, records, cut):
    write_all(folder, records[:8])
    folder.steps.write_bytes(folder.steps.read_bytes()[:-cut])
    write_all(folder, records)
    with TraceReader(folder) as reader:
        assert list(reader) == records


def test_the_file_is_a_zstd_stream_of_plain_json_lines_also_where_it_was_reopened(folder, monkeypatch):
    monkeypatch.setattr("traces.frames.FRAME_BYTES", 1 << 16)
    records = list(SyntheticEpisode().records(40))
    records[-1] = replace(records[-1], terminated=True)
    for end in (3, 4, 30, 40):
        write_all(folder, records[:end])
        with folder.steps.open("rb") as file:
            text = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
        lines = list(map(json.loads, text.splitlines()))
        assert [line["step"] for line in lines] == list(range(1, end + 1))
        said = [[one.messages for one in record.conversations] for record in records[:end]]
        assert [line["messages"] for line in lines] == said
    assert folder.steps.read_bytes().endswith(b"\1\0\0"), "an episode that is over ends its stream"


def test_the_same_steps_give_the_same_bytes(folder, records, tmp_path):
    for path in (folder, EpisodeFolder(tmp_path / "other")):
        write_all(path, records)
    assert folder.steps.read_bytes() == (tmp_path / "other" / "steps.jsonl.zst").read_bytes()


def test_a_trace_of_an_earlier_release_is_named_and_left_alone(folder, records):
    folder.create()
    (folder.path / "steps.jsonl").write_text('{"step":1,"format":1}\n')
    for opening in (TraceReader, TraceWriter):
        with pytest.raises(
            TraceDamaged, match=r"steps\.jsonl has format 1, not 2: read it with the version that wrote"
        ):
            opening(folder)
    assert [path.name for path in folder.path.iterdir()] == ["steps.jsonl"]


def test_every_step_is_on_disk_when_write_returns(folder, records):
    writer = TraceWriter(folder)
    for record in records[:3]:
        writer.write(record)
        with TraceReader(folder) as reader:
            assert reader.step(record.step) == record
    writer.close()


def test_a_step_is_one_write(folder, records, monkeypatch):
    writes = []
    real = os.write
    with TraceWriter(folder) as writer:
        monkeypatch.setattr("traces.writer.os.write", lambda fd, data: writes.append(len(data)) or real(fd, data))
        writer.write(records[0])
    assert writes == [folder.steps.stat().st_size]


def test_killed_at_any_moment_the_trace_can_be_continued(folder, records):
    script = (
        "import sys; from pathlib import Path; from traces import *; from synthetic_episode import SyntheticEpisode\n"
        "writer = TraceWriter(EpisodeFolder(Path(sys.argv[1])))\n"
        "for record in SyntheticEpisode(told=6).records(10**6):\n"
        "    if record.step > writer.steps: writer.write(record); print(record.step, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests/kit'}"}
    seen = 0
    for more in (3, 60):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(folder.path)], stdout=subprocess.PIPE, text=True, env=environment
        )
        with process:
            for _ in range(more):
                seen = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
    with TraceWriter(folder) as writer, TraceReader(folder) as reader:
        assert writer.steps >= seen >= 63
        assert list(reader) == list(islice(SyntheticEpisode(told=6).records(10**6), writer.steps))


def test_steps_are_numbered_without_a_gap(folder, records):
    with TraceWriter(folder) as writer:
        writer.write(records[0])
        for wrong in (records[0], records[2]):
            with pytest.raises(RecordError, match=f"has 1 steps: the next is not step {wrong.step}"):
                writer.write(wrong)
        writer.write(records[1])
        assert writer.steps == 2


def test_a_record_that_cannot_be_kept_leaves_the_trace_as_it_was(folder, records):
    text = "A notice that no earlier step has given."
    with TraceWriter(folder) as writer:
        writer.write(records[0])
        with pytest.raises(RecordError, match="plain data only"):
            writer.write(StepRecord(2, {}, "Do", notices=[text], info={"bad": object()}))
        good = StepRecord(2, {}, "Do", notices=[text])
        writer.write(good)
    with TraceReader(folder) as reader:
        assert list(reader) == [records[0], good]


def test_a_disk_that_fills_up_ends_the_step_and_space_lets_it_go_on(folder, records):
    with TraceWriter(folder) as writer:
        writer.write(records[0])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (folder.steps.stat().st_size + 5, hard))
        try:
            with pytest.raises(TraceFailure, match=r"cannot write the trace .*steps\.jsonl\.zst: File too large"):
                writer.write(records[1])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        for record in records[1:]:
            writer.write(record)
    with TraceReader(folder) as reader:
        assert list(reader) == records


def test_a_full_disk_says_what_to_do(folder, records, monkeypatch):
    def full(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with TraceWriter(folder) as writer:
        monkeypatch.setattr("traces.writer.os.write", full)
        with pytest.raises(TraceFailure, match=r"the disk is full: free some space, then resume the episode"):
            writer.write(records[0])


def test_a_second_writer_is_noticed(folder, records):
    with TraceWriter(folder) as first, TraceWriter(folder) as second:
        first.write(records[0])
        with pytest.raises(TraceFailure, match="changed by another process"):
            second.write(records[0])
    with TraceReader(folder) as reader:
        assert list(reader) == records[:1]


def test_a_trace_removed_while_it_is_written_is_noticed(folder, records):
    with TraceWriter(folder) as writer:
        writer.write(records[0])
        folder.steps.unlink()
        with pytest.raises(TraceFailure, match="changed by another process"):
            writer.write(records[1])


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(TraceFailure, match=r"cannot make the folder .*run/seed-1: there is a file where"):
        TraceWriter(EpisodeFolder(tmp_path / "run" / "seed-1"))


def test_a_damaged_trace_is_not_continued(folder, records):
    write_all(folder, records[:3])
    lines = lines_of(folder)
    write_lines(folder, [lines[0], b"{}\n", lines[2]])
    before = folder.steps.read_bytes()
    with pytest.raises(TraceDamaged, match=r"steps\.jsonl\.zst is damaged at step 2 .*not the record of step 2"):
        TraceWriter(folder)
    assert folder.steps.read_bytes() == before


def test_damage_that_hides_whole_frames_is_not_taken_for_a_torn_step(folder, records, monkeypatch):
    monkeypatch.setattr("traces.frames.FRAME_BYTES", 1 << 16)
    write_all(folder, records)
    data = bytearray(folder.steps.read_bytes())
    start = ends_of(folder)[0]
    data[start + 2] |= 0xF0  # the block seems to reach beyond the end of the file
    folder.steps.write_bytes(data)
    with pytest.raises(TraceDamaged, match=r"steps\.jsonl\.zst is damaged at step 2"):
        TraceWriter(folder)
    assert folder.steps.read_bytes() == data


def test_a_closed_writer_refuses(folder, records):
    writer = TraceWriter(folder)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="is closed"):
        writer.write(records[0])


def test_a_finished_episode_has_its_result(folder):
    with TraceWriter(folder) as writer:
        writer.finish(result(final_observation={"long": "a \ud800", "short": ""}, tokens={"prompt": 3}))
    assert folder.is_finished()
    assert read_result(folder) == result(final_observation={"long": "a \ud800", "short": ""}, tokens={"prompt": 3})
    assert sorted(path.name for path in folder.path.iterdir()) == ["episode.json", "steps.jsonl.zst"]


def test_a_failed_episode_is_not_finished_and_its_cause_is_set_aside_when_it_goes_on(folder, records):
    failed = result("failed", failure=Failure("provider", "LOG", "The server does not answer.", 3))
    for number in (1, 2):
        with TraceWriter(folder) as writer:
            writer.write(records[number - 1])
            writer.finish(failed)
        assert not folder.is_finished()
        assert read_result(folder) == failed
    with TraceWriter(folder) as writer:
        assert writer.steps == 2
    assert read_result(folder) is None
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == ["failure-1.json", "failure-2.json", "steps.jsonl.zst"]


def test_a_result_that_cannot_be_written_leaves_none(folder, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    with TraceWriter(folder) as writer:
        monkeypatch.setattr("traces.plain_json.os.fsync", full)
        with pytest.raises(TraceFailure, match="the disk is full"):
            writer.finish(result())
    assert not folder.is_finished()


def test_a_fork_starts_with_the_first_steps(folder, records, tmp_path):
    write_all(folder, records)
    fork = EpisodeFolder(tmp_path / "fork")
    copy_steps(folder, fork, 5)
    other = list(SyntheticEpisode(seed=9).records(8))
    write_all(fork, [*records[:5], *other[5:]])
    with TraceReader(fork) as reader:
        assert list(reader) == [*records[:5], *other[5:]]
    with pytest.raises(ValueError, match="exists: fork to another folder"):
        copy_steps(folder, fork, 5)
    with pytest.raises(ValueError, match="has 12 steps: it cannot be forked at step 13"):
        copy_steps(folder, EpisodeFolder(tmp_path / "beyond"), 13)


def test_writing_and_finishing_pass_the_dev_servers_check_for_blocking_calls(folder, records):
    blockbuster = pytest.importorskip("blockbuster", reason="part of langgraph-cli[inmem]")
    guard = blockbuster.BlockBuster(excluded_modules=[])
    # What LangGraph's dev server (langgraph_runtime_inmem.queue) allows all the same.
    allowed = ("os.stat", "os.listdir", "os.remove", "io.", "os.path.", "threading.Lock.acquire")
    guard.functions = {name: one for name, one in guard.functions.items() if not name.startswith(allowed)}

    async def play(writer):
        guard.activate()
        try:
            for record in records:
                writer.write(record)
            writer.finish(result())
        finally:
            guard.deactivate()

    with TraceWriter(folder) as writer:
        asyncio.run(play(writer))
    assert folder.is_finished()
