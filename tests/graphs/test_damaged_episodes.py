"""Files that prove themselves: damage to an episode is said by every reader, and raises no score."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from trace_files import change_a_letter, cut, ends_of, lines_of, write_lines
from typer.testing import CliRunner

from cli.commands import app
from graphs.evaluation import graph
from graphs.evaluation.statistics import read_scores
from graphs.inner_agent import Context
from graphs.inner_agent.forking import fork_episode
from graphs.inner_agent.opening import open_session
from graphs.reviewer.trace_tools.lookup import NotThere
from graphs.reviewer.trace_tools.tools import Traces
from graphs.settings import SettingsError, episode_settings
from memory_fs import MemoryFS
from traces import (
    EpisodeFolder,
    RunFolder,
    TraceDamaged,
    TraceReader,
    TraceWriter,
    aggregate,
    read_result,
    read_results,
)
from training.candidates import candidates
from worlds import EngineFailure

SEEDS = [1, 2, 3]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "v0"
    request = {"world": "vault", "tasks": ["three-doors"], "seeds": SEEDS, "out": str(out)}
    graph.invoke(request, context=Context(max_steps=12))
    return out


@pytest.fixture
def run(played: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(played, tmp_path / "v0")))


def first(run: RunFolder) -> EpisodeFolder:
    return run.episode("vault", "three-doors", 1)


def cut_trace(folder: EpisodeFolder) -> None:
    cut(folder, 7)


def delete_line(folder: EpisodeFolder) -> None:
    lines = lines_of(folder)
    write_lines(folder, lines[:3] + lines[4:])


def raise_progression(folder: EpisodeFolder) -> None:
    plain = json.loads(folder.result.read_text())
    folder.result.write_text(json.dumps({**plain, "progression": 0.99}))


def empty_result(folder: EpisodeFolder) -> None:
    folder.result.write_bytes(b"")


def remove_trace(folder: EpisodeFolder) -> None:
    folder.steps.unlink()


def cut_journal(folder: EpisodeFolder) -> None:
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(b"".join(lines[:-1]))


def other_episode(folder: EpisodeFolder) -> None:
    shutil.copy(folder.path.parent / "seed-2" / "episode.json", folder.result)


DAMAGES = [cut_trace, delete_line, raise_progression, empty_result, remove_trace, cut_journal, other_episode]
Damage = Callable[[EpisodeFolder], None]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_shown_apart_and_raises_no_mean(run: RunFolder, damage: Damage) -> None:
    before = aggregate(read_results(run))
    damage(first(run))
    after = aggregate(read_results(run))
    assert (after["n_damaged"], after["overall"]["n"]) == (1, 2)
    (listed,) = after["damaged_episodes"]
    assert (listed["seed"], listed["status"]) == (1, "damaged")
    assert str(first(run).path) in listed["cause"]["sentence"]
    assert after["overall"]["mean_failures_zero"] <= before["overall"]["mean"]
    with pytest.raises(TraceDamaged, match="seed-1"):
        read_scores(run, [("three-doors", seed) for seed in SEEDS])
    assert {one.seed for one in candidates(run)} == {2, 3}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_episode_is_neither_forked_nor_played_on(run: RunFolder, tmp_path: Path, damage: Damage) -> None:
    folder = first(run)
    damage(folder)
    target = RunFolder(tmp_path / "fork").episode("vault", "three-doors", 1)
    with pytest.raises(SettingsError, match="cannot be forked"):
        fork_episode(folder, target, 2)
    assert not target.path.exists()
    settings = episode_settings({"world": "vault", "task": "three-doors", "seed": 1}, Context(max_steps=12))
    with pytest.raises(TraceDamaged, match="cannot be played on"):
        open_session(settings, folder)


def test_a_changed_byte_of_the_trace_is_seen_by_those_who_read_it(run: RunFolder, tmp_path: Path) -> None:
    folder = first(run)
    change_a_letter(folder)
    ended = read_result(folder)
    assert ended is not None
    assert ended.scored, "the score is that of the result, which is whole"
    read = read_result(folder, content=True)
    assert read is not None
    assert read.status == "damaged"
    assert {one.seed for one in candidates(run)} == {2, 3}
    with pytest.raises(NotThere, match="is damaged"):
        Traces({"v0": run.path}).show_step("v0", "three-doors", 1, 1)
    with pytest.raises(SettingsError, match="cannot be forked"):
        fork_episode(folder, EpisodeFolder(tmp_path / "fork"), 2)


def test_an_evaluation_lists_a_damaged_episode_and_plays_it_again_only_when_asked(run: RunFolder) -> None:
    cut_trace(first(run))
    kept = first(run).steps.read_bytes()
    request = {"world": "vault", "tasks": ["three-doors"], "seeds": SEEDS, "out": str(run.path), "resume": True}
    summary = graph.invoke(request, context=Context(max_steps=12))["summary"]
    assert (summary["n_damaged"], len(summary["episodes"])) == (1, 2)
    summary = graph.invoke({**request, "new_attempts": True}, context=Context(max_steps=12))["summary"]
    assert (summary["n_damaged"], len(summary["episodes"])) == (0, 3)
    assert (first(run).path / "attempt-1" / "steps.jsonl.zst").read_bytes() == kept


def test_the_command_line_says_what_is_damaged(run: RunFolder, tmp_path: Path) -> None:
    empty_result(first(run))
    command = CliRunner().invoke
    report = command(app, ["report", str(run.path), "--out", str(tmp_path / "report")])
    assert report.exit_code == 0, report.output
    page = (tmp_path / "report" / "report.md").read_text()
    assert "2 episodes + 1 damaged" in page
    assert "with damaged as 0" in page
    assert str(first(run).result) in page
    cut_trace(run.episode("vault", "three-doors", 2))
    second = run.episode("vault", "three-doors", 2).path
    replay = command(app, ["replay", str(second), "--frames", "none", "--out", str(tmp_path / "replay.html")])
    assert replay.exit_code == 0, replay.output
    assert "shown as damaged" in replay.stderr
    assert "it held 1" in replay.stderr
    play = command(app, ["play", "--episode", str(second)])
    assert play.exit_code == 1
    assert "this episode is damaged" in play.stderr


def test_the_digest_survives_a_kill_and_a_failure_keeps_what_it_can(run: RunFolder) -> None:
    """Reopened in the middle, the trace and the journal have the digest of one played in one go."""
    folder = first(run)
    whole = read_result(folder)
    assert whole is not None
    assert whole.files["steps.jsonl.zst"].lines == whole.steps == 12
    folder.result.unlink()
    cut(folder, 7, torn=20)  # as kill -9 leaves it
    end = ends_of(folder)[-1]
    settings = episode_settings({"world": "vault", "task": "three-doors", "seed": 1}, Context(max_steps=12))
    session = open_session(settings, folder)
    try:
        assert session.result().files["steps.jsonl.zst"].lines == 7
        session.trace.finish(session.result(limited="a ceiling"))
    finally:
        session.close()
    limited = read_result(folder, content=True)
    assert limited is not None
    assert limited.status == "limited"
    assert limited.files["steps.jsonl.zst"].bytes == end
    with TraceReader(folder) as reader:
        record = reader.step(7)
    with TraceWriter(folder) as writer:
        writer.write(replace(record, step=8))
    (folder.path / "limited-1.json").rename(folder.limited)
    changed = read_result(folder)
    assert changed is not None
    assert changed.status == "damaged"


def test_an_episode_cannot_be_resumed_with_a_better_score_than_it_was_played_with(run: RunFolder) -> None:
    folder = first(run)
    folder.result.unlink()
    with TraceReader(folder) as reader:
        progression = reader.step(8).info["progression"]
    lines = lines_of(folder)
    lines[7] = lines[7].replace(f'"progression":{progression}'.encode(), b'"progression":0.99')
    write_lines(folder, lines[:8])
    settings = episode_settings({"world": "vault", "task": "three-doors", "seed": 1}, Context(max_steps=12))
    with pytest.raises(EngineFailure, match=r"at step 8: progression is"):
        open_session(settings, folder)


def test_a_result_of_an_earlier_version_is_read_and_said_to_be_not_verifiable(run: RunFolder, tmp_path: Path) -> None:
    folder = first(run)
    plain = json.loads(folder.result.read_text())
    old = {name: value for name, value in plain.items() if name not in ("files", "sha256")} | {"format": 1}
    folder.result.write_text(json.dumps(old))
    result = read_result(folder, content=True)
    assert result is not None
    assert result.scored
    assert not result.verifiable
    CliRunner().invoke(app, ["report", str(run.path), "--out", str(tmp_path / "report")])
    assert "Not verifiable" in (tmp_path / "report" / "report.md").read_text()


def test_the_journal_keeps_its_digest_over_rewinding_and_reopening(tmp_path: Path) -> None:
    from hashlib import sha256

    for _ in range(2):
        with MemoryFS(tmp_path / "memory", journal=tmp_path / "journal.jsonl") as notebook:
            for number in range(3):
                notebook.append("notes.md", f"line {notebook.revision} {number}")
            notebook.rewind(notebook.revision - 1)
            assert notebook.history[2] == sha256((tmp_path / "journal.jsonl").read_bytes()).hexdigest()
            notebook.append("notes.md", "more")
            assert notebook.history[2] == sha256((tmp_path / "journal.jsonl").read_bytes()).hexdigest()
