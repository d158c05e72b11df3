"""Forks and time travel: world and notebook as they were at a step, the rest played anew."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from openai_stub import OpenAIStub, say, status
from playing import by_turn, folder_of, play, steps_of
from typer.testing import CliRunner

from chat_models import ProviderFailure
from cli.commands import app
from graphs.inner_agent import Context, graph
from graphs.inner_agent.forking import fork_episode, origin_of
from graphs.inner_agent.graph import build
from graphs.inner_agent.run_file import recorded_settings
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import SettingsError, episode_settings
from traces import EpisodeFolder, RunFolder, TraceFailure, TraceReader
from worlds import World


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def played(folder: EpisodeFolder) -> list[Any]:
    with TraceReader(folder) as reader:
        return [(r.step, r.action, r.observation, r.reward, r.notices, r.revision) for r in reader]


def notebook(folder: EpisodeFolder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.memory.iterdir()}


def fork_of(source: EpisodeFolder, target: Path, step: int, **more: Any) -> EpisodeFolder:
    """A fork in a run folder of its own, with the settings of its source."""
    folder = RunFolder(target).episode(*source.path.parts[-3:-1], int(source.path.name.removeprefix("seed-")))
    fork_episode(source, folder, step, **more)
    shutil.copy(source.path.parents[3] / "run.json", target / "run.json")
    return folder


@pytest.mark.parametrize("step", [1, 2, 17, 41])
def test_a_fork_played_on_by_a_deterministic_player_becomes_the_same_episode(tmp_path: Path, step: int) -> None:
    play(tmp_path, 40, seed=3, task="six-doors")
    source = folder_of(tmp_path)
    before = {path: path.read_bytes() for path in source.path.rglob("*") if path.is_file()}
    fork = fork_of(source, tmp_path / "forked", step)
    assert len(played(fork)) == step - 1
    if step <= 40:
        graph.invoke({"episode": str(fork.path), "steps": 41 - step})
    assert played(fork) == played(source)
    assert fork.journal.read_bytes() == source.journal.read_bytes()
    assert notebook(fork) == notebook(source)
    assert {path: path.read_bytes() for path in source.path.rglob("*") if path.is_file()} == before
    origin = origin_of(fork)
    assert origin is not None
    assert (origin.episode, origin.step) == (str(source.path), step)


def test_a_fork_only_reads_its_source_also_where_a_kill_has_torn_the_journal(tmp_path: Path) -> None:
    play(tmp_path, 40, seed=3, task="six-doors")
    source = folder_of(tmp_path)
    whole = source.journal.read_bytes()
    with source.journal.open("ab") as journal:
        journal.write(b'{"crc":"0000')
    fork = fork_of(source, tmp_path / "forked", 41)
    assert source.journal.read_bytes() == whole + b'{"crc":"0000'
    assert fork.journal.read_bytes() == whole


def test_a_fork_at_the_first_step_holds_nothing_that_the_step_wrote_where_there_are_no_starting_files(
    tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = by_turn({("LOG", 0): "<|APPEND|>codes.md|mine<|END|><|DONE|>"})
    bare = tmp_path / "bare"
    shutil.copytree("scaffolds/vault/v0", bare)
    written = (bare / "scaffold.toml").read_text()
    (bare / "scaffold.toml").write_text(re.sub(r"\[files\..*?\]\npurpose = .*\n", "", written))
    play(tmp_path, 2, model="vllm:m", base_url=server.url, scaffold=str(bare))
    source = folder_of(tmp_path)
    assert notebook(source)["codes.md"] == "mine\n"
    assert notebook(fork_of(source, tmp_path / "forked", 1)) == {}


def test_an_edited_notebook_is_what_the_fork_begins_with_even_when_it_is_killed_in_its_first_step(
    tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = by_turn({("LOG", 0): "<|APPEND|>codes.md|mine<|END|><|DONE|>"})
    play(tmp_path, 6, model="vllm:m", base_url=server.url)
    fork = fork_of(folder_of(tmp_path), tmp_path / "forked", 4, edits={"codes.md": "red 1 2 3\nblue 3 2 1\n"})
    assert notebook(fork)["codes.md"] == "red 1 2 3\nblue 3 2 1\n"
    server.script(say("<|WRITE|>codes.md|gone<|END|>"), status(500))
    with pytest.raises(ProviderFailure):  # its first step breaks off after the edited file was overwritten
        graph.invoke({"episode": str(fork.path), "steps": 1})
    server.default = by_turn({("LOG", 0): "<|READ|>codes.md<|END|>", ("LOG", 1): "<|DONE|>"})
    graph.invoke({"episode": str(fork.path), "steps": 1})
    with TraceReader(fork) as reader:
        assert "red 1 2 3" in reader.step(4).conversations[0].messages[3]["content"]
        assert reader.step(4).conversations[0].operations[0].provenance[0][0] == 4
    assert notebook(fork)["codes.md"] == "red 1 2 3\nblue 3 2 1\n"


@pytest.mark.parametrize("step", [0, 8])
def test_there_is_no_fork_at_a_step_that_was_not_reached(tmp_path: Path, step: int) -> None:
    play(tmp_path, 6)
    with pytest.raises(SettingsError, match="from 1 to 7"):
        fork_of(folder_of(tmp_path), tmp_path / "forked", step)


def test_a_refused_edit_says_why(tmp_path: Path) -> None:
    play(tmp_path, 6)
    with pytest.raises(SettingsError, match=r"\.\./codes\.md"):
        fork_of(folder_of(tmp_path), tmp_path / "forked", 3, edits={"../codes.md": "x"})


def test_a_run_from_an_earlier_checkpoint_forks_and_leaves_the_first_future_alone(tmp_path: Path) -> None:
    travelling = build().compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    context = Context(runs=str(tmp_path / "runs"))
    given = {"world": "vault", "task": "six-doors", "seed": 3, "steps": 12, "model": "scripted"}
    first = travelling.invoke(given, config, context=context)
    source = folder_of(tmp_path)
    before = played(source)
    for node in ("observe", "remember", "act"):
        earlier = [
            state.config
            for state in travelling.get_state_history(config)
            if state.next == (node,) and state.values.get("step") == 6
        ][-1]
        again = travelling.invoke(None, earlier, context=context)
        assert again["episode"] != first["episode"]
        fork = EpisodeFolder(Path(again["episode"]))
        assert played(fork) == before[: len(played(fork))]
        assert len(played(fork)) == again["step"] - 1 == 12
        assert played(source) == before


def test_a_fork_begins_in_a_branch_of_its_living_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    travelling = build().compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    context = Context(runs=str(tmp_path / "runs"))
    for steps in (3, 3, 2):  # two marks are kept: before steps 4 and 7
        given = {"world": "nethack", "seed": 3, "steps": steps, "model": "scripted"}
        travelling.invoke(given, config, context=context)
    source = folder_of(tmp_path)

    def forked(step: int) -> dict[str, Any]:
        earlier = [
            state.config
            for state in travelling.get_state_history(config)
            if state.next == ("observe",) and state.values.get("step") == step
            if state.values.get("episode") == str(source.path)
        ][-1]
        events = [*travelling.stream(None, earlier, context=context, stream_mode="custom")]
        (fork,) = [event for event in events if event["event"] == "fork"]
        again = played(EpisodeFolder(Path(fork["episode"])))
        assert again == played(source)[: len(again)]
        assert (len(again) >= step, fork["origin"], fork["step"]) == (True, str(source.path), step)
        return fork

    assert forked(3)["replayed"] == 2  # from the beginning
    with monkeypatch.context() as without:
        without.delattr("graphs.inner_agent.opening._replay")
        assert forked(5)["replayed"] == 1
        other = fork_of(source, tmp_path / "forked", 9)  # the present step
        assert SESSIONS.hold(recorded_settings(other), other).position.step == 9
    SESSIONS.close(other)
    SESSIONS.close(source)


def test_the_command_says_what_is_replayed(tmp_path: Path) -> None:
    play(tmp_path, 4, task="one-door")
    source = folder_of(tmp_path)
    forks = []
    for place, said in (("open", False), ("closed", True)):
        words = ["fork", str(source.path), "--step", "5", "--out", str(tmp_path / place), "--quiet"]
        shown = CliRunner().invoke(app, words)
        assert shown.exit_code == 0, shown.output
        assert ("the 4 actions before it are replayed" in shown.output) == said
        forks += RunFolder(tmp_path / place).episodes()
        SESSIONS.close(source)
    assert played(forks[0]) == played(forks[1])


def test_an_episode_is_played_on_from_its_folder_alone(tmp_path: Path) -> None:
    play(tmp_path, 3, seed=2)
    folder = folder_of(tmp_path)
    SESSIONS.close(folder)
    assert graph.invoke({"episode": str(folder.path), "steps": 2})["step"] == 6
    assert [record.step for record in steps_of(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_closed_session_keeps_no_branch_and_closes_all_even_where_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = episode_settings({"world": "vault", "task": "one-door", "seed": 1}, Context())
    session = SESSIONS.hold(settings, RunFolder(tmp_path / "run").episode("vault", "one-door", 1))
    session.mark()
    (kept,) = session.branches._kept.values()
    closed: list[World] = []
    monkeypatch.setattr(type(kept.world), "close", lambda world: closed.append(world))

    def fails() -> None:
        raise TraceFailure("the disk is full")

    monkeypatch.setattr(session.trace, "close", fails)
    with pytest.raises(TraceFailure):
        session.close()
    assert {id(one) for one in closed} == {id(kept.world), id(session.world)}
    session.mark()  # by a fork that began before
    assert session.branches._kept == {}
    monkeypatch.undo()
    SESSIONS.close(session.folder)


@pytest.mark.parametrize("step", [1, 4])
def test_a_fork_of_an_edited_fork_at_its_first_step_keeps_the_edit(tmp_path: Path, step: int) -> None:
    play(tmp_path, 6, thread="one", world="vault", task="one-door", seed=3)
    first, second = (RunFolder(tmp_path / name).episode("vault", "one-door", 3) for name in ("first", "second"))
    fork_episode(folder_of(tmp_path, "one"), first, step, edits={"strategy.md": "north first\n"})
    fork_episode(first, second, step)
    assert notebook(second) == notebook(first)
    assert "north first\n" in notebook(second)["strategy.md"]
    assert [origin_of(one).edited for one in (first, second)] == [("strategy.md",)] * 2  # type: ignore[union-attr]


def test_a_fork_that_is_refused_leaves_nothing_behind_and_never_writes_into_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path, 6, thread="one", world="vault", task="one-door", seed=3)
    source = folder_of(tmp_path, "one")
    target = RunFolder(tmp_path / "fork").episode("vault", "one-door", 3)
    with pytest.raises(SettingsError, match="is refused"):
        fork_episode(source, target, 3, edits={"../bad.md": "x"})
    assert not (tmp_path / "fork").exists()
    fork_episode(source, target, 3, edits={"strategy.md": "x"})
    run, mine = source.path.parents[3], tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("kept")
    for out, why in ((mine, "holds something that is no fork"), (run / "episodes" / "x", "lies in the run")):
        words = ["fork", str(source.path), "--step", "3", "--out", str(out)]
        assert why in str(CliRunner().invoke(app, words).exception)
    monkeypatch.chdir(run)
    shown = CliRunner().invoke(app, ["fork", str(source.path.relative_to(run)), "--step", "3", "--quiet"])
    assert (shown.exit_code, (run.parent / f"{run.name}-fork-1" / "run.json").exists()) == (0, True), shown.output
