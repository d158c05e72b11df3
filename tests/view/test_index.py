"""Search over all episodes: what is found, by which words and marks, and that it keeps up with play."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playing import play
from replay_pages import synthetic

from graphs.settings import SettingsError
from traces import EpisodeFolder, TraceReader, TraceWriter, write_run
from traces.folders import RunFolder
from view.index import FILE, Index, Query, query_of
from view.library import Library
from view.scan import AFTER

STEPS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("indexed")
    write_run(RunFolder(root / "long"), {"settings": {}})
    synthetic(root / "long/episodes/made/default/seed-1", STEPS)
    return root


@pytest.fixture(scope="module")
def index(folder: Path) -> Iterator[Index]:
    found = Index(Library(folder))
    found.update()
    yield found
    found.close()


def episode(folder: Path) -> EpisodeFolder:
    return EpisodeFolder(folder / "long/episodes/made/default/seed-1")


def test_operations_and_lines_are_found_by_words_outcome_file_and_origin(folder: Path, index: Index) -> None:
    with TraceReader(episode(folder)) as reader:
        operations = [(step.step, one) for step in reader for talk in step.conversations for one in talk.operations]
    operations = [one for one in operations if one[0] <= STEPS - AFTER]  # the last steps wait for what follows
    coal = {step for step, one in operations if one.arguments.get("keyword") == "coal" and one.outcome == "hit"}
    assert {one["step"] for one in index.search(Query("coal", outcome="hit", operation="search"))["results"]} == coal
    appended = index.search(Query(outcome="written", file="actions_log.md"))
    assert appended["count"] == STEPS - AFTER == len({one["step"] for one in appended["results"]})
    tails = {step for step, one in operations if one.operation == "tail" and 30 in [at for at, _ in one.provenance]}
    assert {one["step"] for one in index.search(Query(operation="tail", origin=30))["results"]} == tails
    lines = index.search(Query("coal", kind="line"))["results"]
    assert {one["outcome"] for one in lines} == {"line"}
    assert all("coal" in one["text"] for one in lines)
    assert index.search(Query("nosuchword"))["count"] == 0


def test_what_is_rewarded_soon_after_and_what_is_recalled_late_can_be_asked_for(index: Index) -> None:
    rewarded = index.search(Query(operation="append", rewarded=True))["results"]
    assert {one["step"] for one in rewarded} == {85, 86, 87, 88, 89, 90}
    assert {one["reward"] for one in rewarded} == {1.0}
    late = index.search(Query(operation="search", age=60))["results"]
    assert late
    assert all(one["step"] - one["oldest"] >= 60 for one in late)


def test_any_text_can_be_asked_for(index: Index) -> None:
    for text in ('"', "coal OR", "NEAR(", "a*b", "terms : x", "'; DROP TABLE item; --", "\udcff", "x" * 500):
        index.search(Query(text + " coal", run="no such"))
    with pytest.raises(SettingsError, match="what to look for"):
        index.search(Query('"*'))
    with pytest.raises(ValueError, match="invalid literal"):
        query_of({"age": "old"})


def test_it_reads_on_what_is_played_and_forgets_what_is_deleted(tmp_path: Path) -> None:
    index = Index(Library(tmp_path))
    play(tmp_path, 5, thread="live", world="vault", task="six-doors", seed=3)
    index.update()
    assert index.curves("runs/live")["vault", "six-doors", 3][0][0] == 1
    play(tmp_path, 30, thread="live", world="vault", task="six-doors", seed=3)
    index.update()
    steps = [one["step"] for one in index.search(Query(kind="operation", run="runs/live"))["results"]]
    assert 20 < max(steps) < 35  # the last five wait for what comes after them
    assert len(index.search(Query(kind="line"))["results"]) == index.search(Query(kind="line"))["count"]
    again = Index(Library(tmp_path))  # another process, which knows nothing of where the first one is
    play(tmp_path, 10, thread="live", world="vault", task="six-doors", seed=3)
    again.update()
    found = [one["step"] for one in again.search(Query(kind="operation"))["results"]]
    assert max(found) > max(steps)
    shutil.rmtree(tmp_path / "runs" / "live")
    again.update()
    assert again.search(Query(kind="operation"))["count"] == 0


def test_an_index_of_another_version_or_none_at_all_is_made_new(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "long", tmp_path / "long")
    (tmp_path / FILE).write_bytes(b"")
    index = Index(Library(tmp_path))
    index.update()
    state = index.state()
    assert (state["episodes"], state["waiting"], state["problem"]) == (1, 0, "")
    assert state["items"] > STEPS


def test_text_that_sqlite_cannot_hold_does_not_end_the_index(folder: Path, tmp_path: Path) -> None:
    write_run(RunFolder(tmp_path / "odd"), {"settings": {}})
    with TraceReader(episode(folder)) as reader:
        steps = list(reader)[:10]
    steps[1].conversations[0].operations[0].arguments["keyword"] = "door\ud800"
    with TraceWriter(RunFolder(tmp_path / "odd").episode("made", "default", 1)) as writer:
        for step in steps:
            writer.write(step)
    index = Index(Library(tmp_path))
    index.update()
    assert index.search(Query(outcome="hit"))["count"] + index.search(Query(outcome="written"))["count"] > 0
    assert [one["text"][:5] for one in index.search(Query("door"))["results"]] == ["door?"]
