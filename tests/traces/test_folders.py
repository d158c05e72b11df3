"""The layout of a run, and what becomes of an attempt that is given up."""

import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from traces import (
    EpisodeFolder,
    EpisodeResult,
    RecordError,
    RunFolder,
    TraceDamaged,
    TraceFailure,
    read_result,
    read_run,
    write_result,
    write_run,
)
from traces.run_file import own_version


def test_the_layout_is_the_one_promised(tmp_path):
    run = RunFolder(tmp_path / "v0")
    episode = run.episode("corridor", "default", 42)
    paths = [episode.steps, episode.result, episode.failure, episode.journal, episode.memory, run.run, run.summary]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "v0/episodes/corridor/default/seed-42/steps.jsonl.zst",
        "v0/episodes/corridor/default/seed-42/episode.json",
        "v0/episodes/corridor/default/seed-42/failure.json",
        "v0/episodes/corridor/default/seed-42/journal.jsonl",
        "v0/episodes/corridor/default/seed-42/memory",
        "v0/run.json",
        "v0/summary.json",
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\n", "\0"])
def test_a_name_that_would_leave_the_run_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name a folder of a run"):
        RunFolder(tmp_path).episode("corridor", name, 1)
    with pytest.raises(ValueError, match="cannot name a folder of a run"):
        RunFolder(tmp_path).episode(name, "default", 1)


def test_episodes_are_listed_by_world_task_and_number(tmp_path):
    run = RunFolder(tmp_path)
    wanted = [run.episode(*one) for one in (("a", "x", 2), ("a", "x", 10), ("a", "y", 1), ("b", "x", 1))]
    for folder in reversed(wanted):
        folder.create()
    (wanted[0].path / "attempt-1").mkdir()
    strays = [wanted[0].path.with_name(name) for name in ("seed-02", "seed-2 copy", "seed-2.bak")]
    for path in strays:
        path.mkdir()
    assert list(run.episodes()) == wanted
    assert run.strays() == sorted(strays)


def test_an_attempt_set_aside_stays_as_it_was_and_the_next_starts_clean(tmp_path):
    folder = RunFolder(tmp_path).episode("corridor", "default", 1)
    assert folder.set_attempt_aside() is None
    for number in (1, 2):
        assert folder.attempt == number
        folder.memory.mkdir(parents=True)
        (folder.memory / "notes.md").write_text(f"attempt {number}")
        folder.journal.write_text("history")
        assert folder.set_attempt_aside() == folder.path / f"attempt-{number}"
        assert not folder.memory.exists()
    for number in (1, 2):
        kept = EpisodeFolder(folder.path / f"attempt-{number}")
        assert (kept.memory / "notes.md").read_text() == f"attempt {number}"
        assert kept.journal.read_text() == "history"
    assert folder.set_attempt_aside() is None
    assert folder.attempt == 3


def test_a_result_comes_back_equal(tmp_path):
    folder = EpisodeFolder(tmp_path)
    assert read_result(folder) is None
    result = EpisodeResult("w", "t", 7, "finished", 3, 0.5, -1.5, metrics={"rate": None}, attempt=2)
    write_result(folder, result)
    assert read_result(folder) == result
    assert json.loads(folder.result.read_text())["return"] == -1.5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "return": 0}', "\xff", "[" * 10_000])
def test_a_result_that_cannot_be_read_is_damaged_and_named(tmp_path, text):
    folder = RunFolder(tmp_path).episode("corridor", "long", 7)
    folder.create()
    folder.result.write_bytes(text.encode("latin-1"))
    result = read_result(folder)
    assert (result.world, result.task, result.seed, result.status) == ("corridor", "long", 7, "damaged")
    assert not result.scored
    assert str(folder.result) in result.failure.sentence


def test_run_json_tells_configuration_versions_and_host(tmp_path):
    run = RunFolder(tmp_path / "new")
    assert read_run(run) is None
    write_run(run, {"world": "corridor", "seeds": [1, 2]})
    found = read_run(run)
    assert found["format"] == 1
    assert found["configuration"] == {"world": "corridor", "seeds": [1, 2]}
    assert {"python", "automem-langgraph", "langgraph", "orjson"} <= set(found["versions"])
    assert "hypothesis" not in found["versions"]
    assert set(found["host"]) == {"name", "system", "cpus"}


def test_the_version_names_the_revision_of_a_checkout() -> None:
    root = Path(__file__).resolve().parents[2]
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=root, check=False)
    number, _, local = own_version().partition("+")
    assert number == version("automem-langgraph")
    assert re.fullmatch(r"g[0-9a-f]{12,}(\.changed)?", local) if asked.returncode == 0 else not local
    assert asked.stdout.startswith(local.removeprefix("g").removesuffix(".changed"))


def test_a_configuration_that_is_not_plain_data_is_refused(tmp_path):
    with pytest.raises(RecordError, match="plain data only"):
        write_run(RunFolder(tmp_path), {"world": object()})
    assert not RunFolder(tmp_path).run.exists()


def test_another_format_of_run_json_is_refused(tmp_path):
    RunFolder(tmp_path).run.write_text('{"format": 99}')
    with pytest.raises(TraceDamaged, match=r"run\.json is not of format 1: choose another folder"):
        read_run(RunFolder(tmp_path))


def test_a_run_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceFailure, match=r"cannot write .*file/run\.json: there is a file where a folder is needed"):
        write_run(RunFolder(tmp_path / "file"), {})
