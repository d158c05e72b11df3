"""automem check: what is wrong with a run, where; and a repaired copy beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trace_files import change_a_letter, cut, effect_of
from typer.testing import CliRunner, Result

from cli.commands import app
from graphs.evaluation import graph
from graphs.inner_agent import Context
from traces import EpisodeFolder, RunFolder, TraceDamaged, TraceReader, aggregate, read_results
from traces.effects import measurable, write_effect


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "v0"
    request = {"world": "vault", "tasks": ["three-doors"], "seeds": [1, 2], "out": str(out)}
    graph.invoke(request, context=Context(max_steps=8))
    return out


@pytest.fixture
def run(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "v0"))


def check(*words: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, words)])


def faults(run: Path) -> dict[str, str]:
    """By file, what is said of it that is damage."""
    found: dict[str, Any] = json.loads(check(run, "--json").stdout)
    return {one["file"]: one["what"] for one in found["faults"] if one["damage"]}


def episode(run: Path, seed: int = 1) -> Path:
    return RunFolder(run).episode("vault", "three-doors", seed).path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def test_a_whole_run_is_said_to_be_whole(run: Path) -> None:
    said = check(run)
    assert said.exit_code == 0, said.output
    assert "is whole" in said.stdout
    assert faults(run) == {}


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    said = check(tmp_path)
    assert said.exception is not None
    assert "is no run" in str(said.exception)


def test_a_run_without_the_file_of_its_settings_is_not_whole(run: Path) -> None:
    (run / "run.json").unlink()
    assert faults(run) == {"run.json": "it is gone, and with it how the episodes were started: restore it"}


def test_every_file_that_changed_is_named(run: Path) -> None:
    first, second = "episodes/vault/three-doors/seed-1", "episodes/vault/three-doors/seed-2"
    edit(run / "summary.json", lambda plain: plain["overall"].update(mean=99.0))
    assert faults(run) == {"summary.json": "overall is not what the episodes give"}
    notes = next((episode(run) / "memory").iterdir())
    notes.write_text(notes.read_text() + "a line nobody wrote\n")
    (episode(run) / "memory" / "more.md").write_text("hello\n")
    found = faults(run)
    assert found[f"{first}/memory/{notes.name}"] == "it holds another text than the journal says"
    assert found[f"{first}/memory/more.md"] == "the journal knows no such file"
    change_a_letter(EpisodeFolder(episode(run, 2)))
    assert faults(run)[f"{second}/episode.json"] == "steps.jsonl.zst holds other bytes than when the episode ended"
    said = check(run)
    assert said.exit_code == 1
    assert "damaged: 4 faults" in said.stdout


def test_an_effect_that_is_damaged_or_of_no_write_is_named(run: Path) -> None:
    folder = EpisodeFolder(episode(run))
    with TraceReader(folder) as reader:
        wrote = next(step.step for step in reader if [kind for kind, *_ in measurable(step)][:1] == ["write"])
    write_effect(folder, effect_of(wrote, low=-1.0, high=-1.0))
    assert faults(run) == {}
    name = "episodes/vault/three-doors/seed-1/effects.jsonl"
    write_effect(folder, effect_of(wrote, 9, low=-1.0, high=-1.0))
    assert faults(run) == {name: f"it holds an effect of write {wrote}.9, which the trace does not have"}
    first, second = folder.effects.read_bytes().splitlines()
    folder.effects.write_bytes(first + b"\n" + second.replace(b'"samples":16', b'"samples":"many"') + b"\n")
    assert "effects.jsonl:2 is no effect (samples: Input should be a valid integer" in faults(run)[name]
    folder.effects.write_bytes(first[:40])
    assert "effects.jsonl:1 is no effect (" in faults(run)[name]
    for command in (["report", run, "--out", run / "report"], ["replay", folder.path, "--out", run / "page.html"]):
        refused = CliRunner().invoke(app, list(map(str, command)))
        assert isinstance(refused.exception, TraceDamaged), refused.output
        assert str(refused.exception).endswith("remove the line")


def test_a_result_without_digests_is_held_against_its_trace(run: Path) -> None:
    def older(plain: dict[str, Any]) -> None:
        del plain["files"], plain["sha256"]
        plain["format"] = 1

    result = episode(run) / "episode.json"
    edit(result, older)
    assert faults(run) == {}
    assert "not verifiable" in check(run).stdout
    edit(result, lambda plain: plain.update(progression=0.99))
    found = faults(run)
    assert "progression is 0.99, by the trace it is" in found["episodes/vault/three-doors/seed-1/episode.json"]


def test_a_copied_episode_counts_nowhere_and_is_named(run: Path) -> None:
    before = aggregate(read_results(RunFolder(run)))
    for name in ("seed-01", "seed-1.bak"):
        shutil.copytree(episode(run), episode(run).with_name(name))
    (run / "summary.json").unlink()
    assert aggregate(read_results(RunFolder(run))) == before
    counts_nowhere = "it is not named like an episode's folder and counts nowhere: move it out of the run"
    assert faults(run) == {f"episodes/vault/three-doors/{name}": counts_nowhere for name in ("seed-01", "seed-1.bak")}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model", "vllm:strong", "though episodes were played by scripted"),
        ("gameplay_model", "vllm:strong", "though episodes were played by None"),
        ("max_steps", 100, "max_steps is 100, effective_max_steps 8"),
        ("effective_max_steps", 100, "though episodes ended by another limit of steps"),
    ],
)
def test_a_setting_that_was_edited_is_named(run: Path, name: str, value: object, words: str) -> None:
    edit(run / "run.json", lambda plain: plain["configuration"].update({name: value}))
    assert words in faults(run)["run.json"]


def test_an_episode_that_is_gone_with_the_summary_is_named_as_planned(run: Path) -> None:
    shutil.rmtree(episode(run, 2))
    (run / "summary.json").unlink()
    assert "it was planned and has no result" in check(run).stdout


def test_an_episode_that_is_gone_is_missed(run: Path) -> None:
    shutil.rmtree(episode(run, 2))
    found = faults(run)
    assert found == {
        "episodes/vault/three-doors/seed-2": "vault/three-doors seed 2 has no result, though the summary counts it",
        **{"summary.json": found["summary.json"]},
    }


def test_repair_derives_results_again_in_a_copy_and_leaves_the_run_as_it_was(run: Path) -> None:
    before = aggregate(read_results(RunFolder(run)))
    (episode(run) / "episode.json").write_bytes(b"")
    cut(EpisodeFolder(episode(run, 2)), 5)
    edit(run / "summary.json", lambda plain: plain["overall"].update(mean=99.0))
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = check(run, "--repair")
    assert said.exit_code == 0, said.output
    assert files == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    copy = run.with_name("v0-repaired")
    assert faults(copy) == {}
    (result,) = read_results(RunFolder(copy))
    assert result.progression == before["episodes"][0]["progression"]
    assert json.loads((episode(copy) / "repaired.json").read_text())["steps"] == 8
    request = {"world": "vault", "tasks": ["three-doors"], "seeds": [1, 2], "out": str(copy), "resume": True}
    after = graph.invoke(request, context=Context(max_steps=8))["summary"]
    assert after["overall"] == before["overall"]
    again = check(run, "--repair")
    assert "exists already" in str(again.exception)


def test_what_replaying_cannot_prove_stays_damaged(run: Path) -> None:
    change_a_letter(EpisodeFolder(episode(run)))
    said = check(run, "--repair", "--json")
    assert said.exit_code == 1
    found = json.loads(said.stdout)
    assert found["copy_damaged"]
    assert "a replay cannot prove what a model wrote" in found["repairs"][0]["what"]
    assert read_results(RunFolder(run.with_name("v0-repaired")))[0].scored, "its result is whole"
