"""automem langsmith: a run recorded offline arrives whole, people's judgements come back, examples become a dataset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langsmith_server import LangSmithServer, Mode
from traced_runs import STEPS, episode, expected_tree, played, tree_of
from training_runs import collected
from typer.testing import CliRunner

from cli.langsmith import langsmith
from traces import RunFolder
from traces.langsmith_client import LangSmithClient, LangSmithFailure
from traces.langsmith_episode import Choice
from traces.langsmith_push import push
from training.candidates import candidates
from training.certificate import build_dataset
from training.source import SourceError

Json = dict[str, Any]
Automem = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return played(tmp_path_factory.mktemp("offline") / "run")


@pytest.fixture
def run(recorded: RunFolder) -> RunFolder:
    """The run, as if nothing of it had been sent."""
    (episode(recorded).path / "langsmith.json").unlink(missing_ok=True)
    (recorded.path / "feedback.jsonl").unlink(missing_ok=True)
    return recorded


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmithServer]:
    with LangSmithServer() as one:
        for name, value in {**one.environment, "LANGSMITH_TRACING": "false"}.items():
            monkeypatch.setenv(name, value)
        yield one
        assert one.faults == []


@pytest.fixture
def automem() -> Automem:
    """Run `automem langsmith …` in this process: (exit status, all it printed)."""

    def call(*arguments: str) -> tuple[int, str]:
        ended = CliRunner().invoke(langsmith, arguments)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return ended.exit_code, ended.output

    return call


@pytest.mark.parametrize("mode", ["zstd", "plain", "batch"])
def test_push_sends_the_whole_tree_however_the_server_takes_it(
    mode: Mode, run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    server.mode = mode
    code, printed = automem("push", str(run.path))
    assert code == 0, printed
    assert f"sent to proofs: {STEPS} steps of 1 episodes (0 were there)" in printed
    for step in (1, 2, 17, STEPS):
        assert tree_of(server, step) == expected_tree(run, step)
    assert sum("parent_run_id" not in one for one in server.posts) == STEPS
    assert sum(one["key"] == "step" for one in server.feedback.values()) == STEPS
    assert ("POST /runs/batch" in server.requests) == (mode == "batch")


def test_push_sends_once_and_the_same_ids_again_elsewhere(
    run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    automem("push", str(run.path))
    before = dict(server.runs)
    assert f"sent to proofs: 0 steps of 1 episodes ({STEPS} were there)" in automem("push", str(run.path))[1]
    assert len(server.posts) == len(before)
    automem("push", str(run.path), "--project", "elsewhere")
    assert {**server.runs} == {name: {**one, "session_name": "elsewhere"} for name, one in before.items()}
    assert set(server.sessions) == {"proofs", "elsewhere"}


def test_push_goes_on_where_it_was_broken_off(
    run: RunFolder, server: LangSmithServer, automem: Automem, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = LangSmithClient.send

    def broken_off(client: LangSmithClient, runs: Any, feedback: Any) -> None:
        if len(server.posts) > 200:
            raise LangSmithFailure("LangSmith is gone.", lasting=True)
        send(client, runs, feedback)

    with monkeypatch.context() as patched:
        patched.setattr(LangSmithClient, "send", broken_off)
        code, printed = automem("push", str(run.path))
    assert (code, "LangSmith is gone. The same command goes on from here." in printed) == (1, True)
    assert automem("push", str(run.path))[0] == 0
    assert len(server.posts) == len(server.runs)
    for step in range(1, STEPS + 1):
        assert tree_of(server, step) == expected_tree(run, step)
    assert sum(one["key"] == "unproductive" for one in server.feedback.values()) == STEPS


def test_push_tries_again_and_then_says_what_is_wrong(run: RunFolder, server: LangSmithServer) -> None:
    server.status = 502
    waits: list[float] = []
    with LangSmithClient() as client, pytest.raises(LangSmithFailure, match="HTTP 502"):
        push(run, client, Choice(), lambda *_: None, wait=waits.append)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize("info", [{"batch_ingest_config": {"size_limit": "many"}}, {"batch_ingest_config": [1]}])
def test_a_server_that_is_no_langsmith_is_told_in_one_sentence(
    run: RunFolder, server: LangSmithServer, automem: Automem, info: Json
) -> None:
    server.info = lambda: info  # type: ignore[method-assign]
    code, said = automem("push", str(run.path))
    assert code == 1
    assert f"What answers at {server.url} is no LangSmith" in said


def test_a_step_that_the_server_refuses_is_left_out_and_told(
    run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    server.refuses = "vault/six-doors seed 3 step 20"
    server.mode = "plain"
    code, printed = automem("push", str(run.path))
    assert code == 1
    assert "refused: 1 steps" in printed
    assert "422" in printed
    assert tree_of(server, 20) == []
    assert all(tree_of(server, step) == expected_tree(run, step) for step in (19, 21, STEPS))
    assert automem("push", str(run.path))[0] == 1
    server.refuses = ""
    before = len(server.posts)
    code, printed = automem("push", str(run.path))
    assert (code, f"1 steps of 1 episodes ({STEPS - 1} were there)" in printed) == (0, True)
    assert tree_of(server, 20) == expected_tree(run, 20)
    assert len(server.posts) == before + len(expected_tree(run, 20))
    assert "0 steps of 1 episodes" in automem("push", str(run.path))[1]


def test_a_step_that_the_server_holds_already_takes_no_other_with_it(
    run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    server.holds = "vault/six-doors seed 3 step 20"
    server.mode = "plain"
    assert automem("push", str(run.path))[0] == 0
    for step in range(1, STEPS + 1):
        assert tree_of(server, step) == ([] if step == 20 else expected_tree(run, step))


def test_a_sample_is_the_same_share_of_steps_each_time_and_bears_the_score(
    run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    automem("push", str(run.path), "--sample", "0.2")
    sent = sorted(one["extra"]["metadata"]["step"] for one in server.posts if "parent_run_id" not in one)
    assert 3 <= len(sent) <= 20
    assert sent[-1] == STEPS
    for step in sent:
        assert tree_of(server, step) == expected_tree(run, step)
    keys = [one["key"] for one in server.feedback.values()]
    assert keys.count("unproductive") == keys.count("step") == len(sent)
    assert keys.count("progression") == 1
    automem("push", str(run.path), "--sample", "0.2", "--project", "again")
    assert (
        sorted(one["extra"]["metadata"]["step"] for one in server.runs.values() if "parent_run_id" not in one) == sent
    )


@pytest.mark.parametrize(
    ("hidden", "gone", "left"),
    [
        ("observations", ["You see", "crumbles"], ["<|APPEND|>codes.md|"]),
        ("prompts", ["You are playing", "line of codes.md contains", "LOG step"], ["You see", "<|APPEND|>codes.md|"]),
        ("replies", ["<|APPEND|>codes.md|", "<|ACTION|>Go", "You are playing"], ["You see"]),
        ("notes", ["<|APPEND|>codes.md|", "line of codes.md contains", "LOG step"], ["You see"]),
    ],
)
def test_hidden_texts_are_sent_nowhere_but_outcomes_are(
    hidden: str, gone: list[str], left: list[str], run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    automem("push", str(run.path), "--hide", hidden)
    said = json.dumps(server.posts, ensure_ascii=False)
    assert [text for text in gone if text in said] == []
    assert [text for text in left if text not in said] == []
    assert tree_of(server, 17) == expected_tree(run, 17)
    outcomes = [one["extra"]["metadata"]["outcome"] for one in server.posts if one["name"] in ("search", "append")]
    assert {"hit", "written"} <= set(outcomes)


def test_a_run_that_is_none_and_a_text_that_cannot_be_hidden_are_our_errors(tmp_path: Path, automem: Automem) -> None:
    with pytest.raises(ValueError, match=r"no run\.json: name the folder of an evaluation, as automem eval"):
        automem("push", str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    assert automem("push", str(tmp_path), "--hide", "secrets")[0] == 2


def test_a_run_of_loop_2_stands_for_its_training_episodes_and_one_of_loop_1_for_none(
    run: RunFolder, server: LangSmithServer, automem: Automem, tmp_path: Path
) -> None:
    (tmp_path / "loop2").mkdir()
    (tmp_path / "loop2" / "specialize.json").write_text("{}")
    with pytest.raises(ValueError, match=r"loop2/collect holds no run\.json"):
        automem("pull", str(tmp_path / "loop2"))
    shutil.copytree(run.path, tmp_path / "loop2" / "collect")
    automem("push", str(tmp_path / "loop2"))
    assert "loop2/collect/feedback.jsonl" in automem("pull", str(tmp_path / "loop2"))[1]
    shutil.copytree(run.path, tmp_path / "loop1" / "evaluations" / "v0")
    with pytest.raises(ValueError, match=r"loop1 holds no run\.json: .*, such as .*loop1/evaluations/v0\."):
        automem("pull", str(tmp_path / "loop1"))


def _given(
    server: LangSmithServer, run: Json, score: float | None, key: str = "user_score", source: str = "app"
) -> None:
    number = str(len(server.feedback))
    one = {"id": f"00000000-0000-0000-0000-{number:0>12}", "run_id": run["id"], "key": key, "score": score}
    server.feedback[one["id"]] = {  # type: ignore[index]
        **one,
        "comment": "why not",
        "session_id": server.sessions["proofs"],
        "feedback_source": {"type": source},
    }


def test_peoples_judgements_become_features_of_the_curators_candidates(
    run: RunFolder, server: LangSmithServer, automem: Automem
) -> None:
    automem("push", str(run.path))
    by_step: dict[tuple[int, str], Json] = {}
    for one in server.posts:
        by_step[one["extra"]["metadata"]["step"], one["name"]] = one
    notes = next(step for step, name in by_step if name == "append")
    server.configs = [{"feedback_key": "stars", "feedback_config": {"type": "continuous", "min": 1, "max": 5}}]
    _given(server, by_step[notes, "append"], 1.0)
    _given(server, by_step[notes, "LOG"], 0.0)
    _given(server, by_step[2, "PLAN"], 4, "stars")
    _given(server, by_step[3, "PLAN"], 7, "no known scale")
    _given(server, by_step[3, "PLAN"], None, "only words")
    _given(server, by_step[4, "vault/six-doors seed 3 step 4"], 1.0)
    _given(server, by_step[5, "LOG"], 0.0, "step_reward")
    _given(server, by_step[6, "LOG"], 1.0, "by script", "api")
    code, printed = automem("pull", str(run.path))
    assert code == 0, printed
    assert "3 judgements on 2 memory decisions" in printed
    assert "left out: 1 on other runs, 2 without a score of known scale" in printed
    found = {one.id: one.feedback for one in candidates(run) if one.feedback is not None}
    assert found == {f"vault/six-doors/seed-3/step-{notes}/LOG": 0.5, "vault/six-doors/seed-3/step-2/PLAN": 0.75}
    automem("pull", str(run.path), "--key", "by script")
    again = {one.id: one.feedback for one in candidates(run, workers=2) if one.feedback is not None}
    assert again == {**found, "vault/six-doors/seed-3/step-6/LOG": 1.0}


def test_feedback_on_another_run_of_the_same_seed_does_not_count(
    run: RunFolder, server: LangSmithServer, automem: Automem, tmp_path: Path
) -> None:
    other = played(tmp_path / "run", steps=3)
    automem("push", str(other.path))
    _given(server, next(one for one in server.posts if one["name"] == "PLAN"), 1.0)
    assert "0 judgements on 0 memory decisions" in automem("pull", str(run.path))[1]
    assert "1 judgement on 1 memory decision" in automem("pull", str(other.path))[1]
    assert automem("pull", str(run.path), "--project", "none of mine")[0] == 1


def test_certified_examples_become_a_dataset_once_and_faulty_ones_do_not(
    tmp_path: Path, server: LangSmithServer, automem: Automem
) -> None:
    source = collected(tmp_path / "run", [1])
    path = tmp_path / "selected" / "dataset.jsonl"
    build_dataset(source, [one.id for one in candidates(source)], path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    code, printed = automem("dataset", str(path), "--name", "decisions")
    assert code == 0, printed
    assert f"{len(lines)} certified examples ({len(lines)} sent, 0 were there)" in printed
    told = {one["metadata"]["candidate"]: one for one in server.examples.values()}
    assert told.keys() == {line["id"] for line in lines}
    for line in lines:
        one = told[line["id"]]
        assert [*one["inputs"]["messages"], *one["outputs"]["messages"]] == line["messages"]
        assert one["metadata"]["certificate"] == line["certificate"]
    del server.examples[next(iter(server.examples))]
    assert f"(1 sent, {len(lines) - 1} were there)" in automem("dataset", str(path), "--name", "decisions")[1]
    lines[0]["messages"][-1]["content"] += " and more"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, printed = automem("dataset", str(path), "--name", "faulty")
    assert (code, "not certified" in printed) == (1, True)
    assert "faulty" not in server.datasets
    build_dataset(source, [lines[0]["id"]], path)
    with pytest.raises(SourceError, match="another dataset 'decisions'"):
        automem("dataset", str(path), "--name", "decisions")
