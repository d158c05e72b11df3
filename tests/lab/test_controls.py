"""Control arms on episodes where the truth is known: a vault's door opens only for its own code, once seen or given."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from cli.commands import app
from cli.controls import comparison_table
from graphs.evaluation.episode import Progress
from graphs.evaluation.playing import Halted, play_whole
from graphs.inner_agent import Context
from graphs.inner_agent.opening import open_session
from graphs.inner_agent.session import Session
from graphs.inner_agent.sessions import SESSIONS
from graphs.settings import ARMS, EpisodeSettings, SettingsError, episode_settings
from graphs.spending import CeilingReached
from lab.controls import Controls, Row
from memory_fs import files_at
from traces import EpisodeFolder, RunFolder, StepRecord, TraceReader
from traces.effects import Estimate
from worlds import make_world
from worlds.scripted_world import VaultWorld

SEEDS = [1, 2]
GIVEN = {"world": "vault", "tasks": ["one-door"], "seeds": SEEDS, "model": "scripted"}


def controls(out: Path, arms: tuple[str, ...] = ARMS, **given: object) -> Controls:
    asked = {**GIVEN, "out": str(out), **given}
    return Controls(given=asked, context=Context(max_steps=40), arms=arms)  # type: ignore[arg-type]


def play(comparison: Controls) -> dict[str, Row]:
    comparison.check()
    for job in comparison.jobs():
        asyncio.run(play_whole(job, lambda _: None))
    return {row.arm: row for row in comparison.table()}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All arms of two episodes."""
    out = tmp_path_factory.mktemp("controls") / "all"
    play(controls(out))
    return out


def episode(out: Path, arm: str, seed: int = 1) -> EpisodeFolder:
    return RunFolder(out / arm).episode("vault", "one-door", seed)


def steps(folder: EpisodeFolder) -> list[StepRecord]:
    with TraceReader(folder) as reader:
        return list(reader)


def answers(folder: EpisodeFolder) -> list[str]:
    """What the player read of its recalls."""
    said = [message for step in steps(folder) for one in step.conversations for message in one.messages[1:]]
    return [message["content"] for message in said if message["role"] == "user" and "### " in message["content"]]


def test_the_truth_is_as_good_as_a_notebook_and_better_than_none(played: Path) -> None:
    controls(played).table()
    rows = {one["arm"]: one for one in json.loads((played / "controls.json").read_text())["arms"]}
    assert tuple(rows) == ARMS
    assert {arm: row["progression"] for arm, row in rows.items() if arm != "persisted"} == {
        **{"on": 1.0, "off": 0.0, "frozen": 0.0, "shuffled": 0.0, "raw-log": 1.0, "oracle": 1.0}
    }
    assert (rows["on"]["difference"], rows["off"]["difference"]["mean"]) == (None, -1.0)
    assert rows["off"]["calls_per_step"] == 1.0 < rows["oracle"]["calls_per_step"] < rows["on"]["calls_per_step"]


def test_every_arm_is_a_run_that_says_which_and_whose_files_agree(played: Path) -> None:
    for arm in ARMS:
        settings = json.loads((played / arm / "run.json").read_text())["configuration"]["settings"]
        assert arm in (settings["arm"], settings["notebook"])
        assert command("check", played / arm).exit_code == 0, arm
    shown = command("diff", episode(played, "on").path, episode(played, "oracle").path)
    assert "arm: none | oracle" in shown.output


def test_shuffled_writes_its_own_code_and_reads_another_episodes(played: Path) -> None:
    own, other = (
        (episode(played, arm, seed).memory / "codes.md").read_text() for arm, seed in (("shuffled", 1), ("on", 2))
    )
    assert own == (episode(played, "on", 1).memory / "codes.md").read_text() != other
    recalls = [one for step in steps(episode(played, "shuffled")) for c in step.conversations for one in c.operations]
    assert {one.provenance for one in recalls if one.operation == "search"} == {()}
    assert not any(own.strip() in answer for answer in answers(episode(played, "shuffled")))


def test_raw_log_holds_each_observation_and_a_search_finds_the_code(played: Path) -> None:
    folder = episode(played, "raw-log")
    lines = (folder.memory / "observations.md").read_text().splitlines()
    assert len(lines) == len(steps(folder))
    assert lines[2].startswith("step 3 after Read Note: The note says: the ")
    assert {one.routine for step in steps(folder) for one in step.conversations} == {"PLAN"}
    assert any("best first" in answer and "opens with" in answer for answer in answers(folder))


def test_oracle_holds_the_state_of_each_step(played: Path) -> None:
    folder = episode(played, "oracle")
    world = make_world("vault", "one-door")
    world.reset(seed=1)
    for step in steps(folder):
        assert files_at(folder.journal, step.revision) == {"truth.md": world.truth()}
        world.step(step.action)


def test_persisted_begins_with_what_the_seed_before_it_has_left(played: Path) -> None:
    first, second = episode(played, "persisted", 1), episode(played, "persisted", 2)
    assert files_at(second.journal, 1) == files_at(first.journal)
    assert files_at(second.journal)["codes.md"].count("\n") == 2


def calls(out: Path, arm: str) -> int:
    return sum(step.model_calls for seed in SEEDS for step in steps(episode(out, arm, seed)))


class KilledError(Exception):
    pass


def kill_in_the_second(event: Progress) -> None:
    if event["seed"] == SEEDS[1] and event["step"] == 3:
        raise KilledError


def test_a_spent_budget_and_a_stop_end_with_the_same_table(played: Path, tmp_path: Path) -> None:
    arms = ("on", "shuffled", "persisted")
    spent = calls(played, "on") + calls(played, "shuffled")
    with pytest.raises(CeilingReached):
        play(controls(tmp_path, arms, ceilings={"calls": spent + 8.0}))
    assert 0 < len(steps(episode(tmp_path, "persisted", 1))) < len(steps(episode(played, "persisted", 1)))
    assert not episode(tmp_path, "persisted", 2).path.exists()  # it goes on from an episode that is not over
    again = controls(tmp_path, arms, resume=True)
    with pytest.raises(KilledError):
        asyncio.run(play_whole([*again.jobs()][-1], kill_in_the_second))
    whole = play(controls(played, arms, resume=True))
    assert play(again) == {arm: whole[arm] for arm in arms}
    for seed in SEEDS:
        one, other = (episode(out, "persisted", seed) for out in (tmp_path, played))
        assert one.journal.read_bytes() == other.journal.read_bytes()


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "160"})


def test_the_command_names_a_stand_in_and_goes_on(played: Path) -> None:
    words = [
        "controls",
        "--world",
        "vault",
        "--task",
        "one-door",
        "--model",
        "scripted",
        "--seeds",
        "1-2",
        "--no-check",
    ]
    shown = command(*words, "--max-steps", 40, "--out", played, "--resume", "--quiet", "--arms", "off, on")
    assert "scripted (no language model)" in shown.output
    assert "an interval needs at least 6 episodes" in shown.output
    assert shown.output.count("-100.0") == 3  # frozen and shuffled are of the command before


def test_a_ceiling_ends_with_the_table_of_the_arms_that_are_whole(played: Path, tmp_path: Path) -> None:
    words = [
        "controls",
        "--world",
        "vault",
        "--task",
        "one-door",
        "--model",
        "scripted",
        "--seeds",
        "1-2",
        "--no-check",
    ]
    words += ["--arms", "on,off", "--max-steps", "40", "--out", str(tmp_path / "out"), "--quiet"]
    stopped = command(*words, "--run-ceiling", "calls=20")
    assert "the run's ceiling of 20 model calls is reached; go on with a higher" in stopped.output
    assert "arm" not in stopped.output
    assert "holds something" in str(command(*words).exception)
    between = command(*words, "--run-ceiling", f"calls={calls(played, 'on') + 2}", "--resume")
    assert ("100.0" in between.output, "off" in between.output) == (True, False)


@pytest.mark.parametrize(
    ("arms", "given", "sentence"),
    [
        (("off",), {}, "compared with `on`"),
        (("on", "best"), {}, "no control arm 'best'"),
        (("on", "shuffled"), {"seeds": [1]}, "at least two seeds"),
        (("on", "oracle"), {}, "gives no true state"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_played(
    arms: tuple[str, ...], given: dict[str, object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(VaultWorld, "truth")
    with pytest.raises(SettingsError, match=sentence):
        controls(tmp_path / "out", arms, **given).check()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"arm": "oracle"}, "with the notebook frozen, not on"),
        ({"arm": "persisted", "notebook": "off"}, "with the notebook on, not off"),
        ({"arm": "shuffled"}, "needs `others`"),
        ({"others": "runs/on"}, "needs `others`"),
    ],
)
def test_an_arm_that_does_not_go_with_the_other_settings_is_refused(context: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        episode_settings({"world": "vault"}, Context(**context))  # type: ignore[arg-type]


def test_arms_that_need_other_episodes_say_so(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").episode("vault", "one-door", 1)
    for context, sentence in (
        (Context(arm="persisted"), "by an evaluation of several"),
        (Context(arm="shuffled", others=str(tmp_path / "none")), "has no episode beside"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            open_session(episode_settings({"world": "vault", "task": "one-door", "seed": 1}, context), folder)
        assert not (tmp_path / "run").exists()


def test_the_table_names_each_arm_in_whole_at_80_columns() -> None:
    figures = {"episodes": 6, "failed": 1, "progression": 1.0, "tokens_per_step": 12_345.0, "calls_per_step": 12.25}
    rows = [Row(arm=arm, difference=Estimate(-1.0, -1.0, -1.0), **figures) for arm in ARMS]
    console = Console(width=80, record=True)
    console.print(comparison_table(rows, "all arms"))
    shown = console.export_text()
    assert all(f"\n{arm} " in shown for arm in ARMS)
    assert "…" not in shown
    assert "[-100.0, -100.0]" in shown


def test_an_episode_that_left_no_file_is_counted_as_failed_and_the_machine_lifts_no_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = SESSIONS.hold

    def failing(error: Exception) -> None:
        def held(settings: EpisodeSettings, *more: Any) -> Session:
            if settings.seed == 2 and settings.notebook == "on":
                raise error
            return hold(settings, *more)

        monkeypatch.setattr(SESSIONS, "hold", held)

    failing(ZeroDivisionError("a fault of ours"))
    rows = play(controls(tmp_path / "fault", ("on", "off")))
    assert [(row.episodes, row.failed, row.progression) for row in rows.values()] == [(2, 1, 0.5), (2, 0, 0.0)]
    failing(OSError(11, "no process left"))
    with pytest.raises(Halted, match="The system failed it"):
        play(controls(tmp_path / "system", ("on", "off")))
    monkeypatch.setattr(SESSIONS, "hold", hold)
    assert play(controls(tmp_path / "system", ("on", "off"), resume=True))["on"].progression == 1.0


def test_a_world_that_breaks_in_its_true_state_is_the_machines_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def truth(self: VaultWorld) -> str:
        asked.append(self.steps)
        if self.steps == 2:
            raise IndexError("beyond the map")
        return "a fact"

    monkeypatch.setattr(VaultWorld, "truth", truth)
    with pytest.raises(Halted, match=r"World 'vault' \(one-door\) broke in its true state: IndexError"):
        play(controls(tmp_path / "out", ("on", "oracle")))
    assert 2 in asked


def test_an_arm_of_an_earlier_command_stays_in_the_table_while_the_episodes_are_the_same(
    played: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [row.arm for row in controls(played, ("on", "off"), resume=True).table()] == list(ARMS)
    monkeypatch.setattr("lab.controls.finished", lambda run: run.path.name != "oracle")  # as if a ceiling had ended one
    assert "oracle" not in [row.arm for row in controls(played, ("on", "off"), resume=True).table()]
    fewer = controls(played, ("on", "off"), resume=True, seeds=[1])
    assert [(row.arm, row.episodes) for row in fewer.table()] == [("on", 1), ("off", 1)]
    controls(played).table()


def test_what_an_arm_of_an_earlier_command_spent_counts(played: Path) -> None:
    (budget,) = controls(played, ("on", "off"), ceilings={"calls": 1_000})._budgets()
    (whole,) = controls(played, ceilings={"calls": 1_000})._budgets()
    assert budget.spent == whole.spent
