"""What a note did, on episodes where the truth is known: in the vault a code that is not noted opens no door."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.commands import app
from graphs.evaluation import graph
from graphs.evaluation.episode import play_episode, unopened
from graphs.evaluation.player import played_by
from graphs.inner_agent import Context
from graphs.run_lock import run_lock
from graphs.settings import SettingsError
from graphs.spending import CeilingReached, Spending
from lab.counterfactual import Experiment, estimate
from lab.folder import LabFolder
from lab.operations import Change, find_operation, operations_of
from traces import EpisodeFolder, EpisodeResult, Failure, RunFolder, TraceReader
from traces.effects import CHANGED, Effect, Estimate, read_effects
from traces.plain_json import read_file, write_file


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two episodes of the scripted player in the vault."""
    out = tmp_path_factory.mktemp("lab") / "played"
    graph.invoke({"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "out": str(out)}, context=Context())
    return RunFolder(out)


@pytest.fixture
def episode(run: RunFolder) -> EpisodeFolder:
    return run.episode("vault", "one-door", 1)


def experiment(episode: EpisodeFolder, out: Path, change: Change, horizon: int = 40) -> Experiment:
    (write,) = operations_of(episode, "write")
    return Experiment(episode, write, change, out, horizon)


def measure(one: Experiment, samples: int = 1, **ceilings: float) -> Effect:
    return asyncio.run(one.measure(samples, Spending(ceilings, "run")))


def talks(folder: EpisodeFolder) -> list[list[Any]]:
    with TraceReader(folder) as reader:
        return [[(each.messages, each.operations) for each in step.conversations] for step in reader]


def actions(folder: EpisodeFolder) -> list[str]:
    with TraceReader(folder) as reader:
        return [step.action for step in reader]


def test_a_write_is_found_with_how_often_it_was_recalled(episode: EpisodeFolder) -> None:
    (write,) = operations_of(episode, "write")
    assert (write.name, write.routine, write.record.operation, write.record.file) == (
        "3.1",
        "LOG",
        "append",
        "codes.md",
    )
    assert write.lines > 0
    assert find_operation(episode, "3.1").record == find_operation(episode, "3").record == write.record
    for at, sentence in (
        ("99", "there is no step 99"),
        ("1", "has these writes, and recalls that found something: none"),
        ("x", "names no operation"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            find_operation(episode, at)


def test_without_the_note_of_the_code_the_door_stays_closed(episode: EpisodeFolder, tmp_path: Path) -> None:
    one = experiment(episode, tmp_path, Change())
    effect = measure(one, samples=7)
    assert effect.progression == Estimate(-1.0, -1.0, -1.0)
    assert effect.progression.verdict == "helpful"
    assert (effect.unchanged, effect.changed, effect.replayed) == (1.0, 0.0, False)
    assert actions(one.folder(0, "unchanged")) == actions(episode)  # the arm that keeps the note is the episode itself
    assert actions(one.folder(0, "changed"))[:3] == actions(episode)[:3]
    assert (one.folder(0, "changed").memory / "codes.md").read_text() == ""


class SideBySide:
    """Plays in this process, as workers do: several episodes at once, each with a world of its own."""

    workers = "some workers"
    play = staticmethod(play_episode)

    def check(self, settings: Any, tasks: Any) -> None:
        pass


def test_arms_that_are_played_side_by_side_all_begin(episode: EpisodeFolder, tmp_path: Path) -> None:
    with played_by(SideBySide()):
        assert measure(experiment(episode, tmp_path, Change()), samples=6).progression.mean == -1.0


def test_changes_of_all_seeds_are_seen_to_have_begun(tmp_path: Path) -> None:
    for seed in (-3, 0, 12):
        (tmp_path / "vault" / "one-door" / f"seed-{seed}" / "3.1" / "left-out" / "40-steps").mkdir(parents=True)
    assert [one.seed for one in LabFolder(tmp_path).started()] == [-3, 0, 12]


def test_another_text_and_another_file(episode: EpisodeFolder, tmp_path: Path) -> None:
    right = (episode.memory / "codes.md").read_text().strip()
    wrong = measure(experiment(episode, tmp_path / "wrong", Change(text="blue 1 1 1")))
    same = measure(experiment(episode, tmp_path / "same", Change(text=right)))
    assert (wrong.changed, same.changed) == (0.0, 1.0)
    unread = measure(experiment(episode, tmp_path / "unread", Change(files={"strategy.md": "The sky is blue.\n"})), 6)
    assert unread.progression == Estimate(0.0, 0.0, 0.0)
    assert unread.progression.verdict == "no effect"
    with pytest.raises(SettingsError, match="would not be carried out"):
        measure(experiment(episode, tmp_path / "empty", Change(text="")))


def test_a_spent_budget_stops_it_and_the_same_call_goes_on(episode: EpisodeFolder, tmp_path: Path) -> None:
    whole = measure(experiment(episode, tmp_path / "whole", Change()), samples=2)
    stopped = experiment(episode, tmp_path / "stopped", Change())
    with pytest.raises(CeilingReached, match="ceiling of 30 model calls"):
        measure(stopped, samples=2, calls=30)
    assert measure(stopped, samples=2) == whole
    for arm in ("unchanged", "changed"):
        one, other = (each.folder(1, arm) for each in (stopped, experiment(episode, tmp_path / "whole", Change())))
        assert actions(one) == actions(other)


def recall_of(episode: EpisodeFolder, out: Path, change: Change, horizon: int = 3) -> Experiment:
    """A change of the first look at the code, by default until the unchanged episode opens the door."""
    return Experiment(episode, find_operation(episode, "8.1"), change, out, horizon)


def test_a_recall_that_finds_nothing_costs_the_door_unless_it_is_asked_again(
    episode: EpisodeFolder, tmp_path: Path
) -> None:
    one = recall_of(episode, tmp_path / "soon", Change())
    effect = measure(one)
    assert (effect.kind, effect.step, effect.index, effect.operation) == ("recall", 8, 1, "search")
    assert effect.progression.mean == -1.0
    assert talks(one.folder(0, "unchanged")) == talks(episode)
    assert talks(one.folder(0, "changed"))[:7] == talks(episode)[:7]
    with TraceReader(one.folder(0, "changed")) as reader:
        plan = reader.step(8).conversations[1]
    (recall,) = [each for each in plan.operations if each.operation == "search"]
    assert (recall.outcome, recall.code, recall.lines, recall.provenance) == ("empty", CHANGED, (), ())
    assert "No line of codes.md (1 line) contains 'blue'." in plan.messages[3]["content"]
    assert plan.calls[0].attempts == 0  # the reply that asks is the recorded one, and paid for
    assert command("check", RunFolder(one.folder(0, "changed").path.parents[3]).path).exit_code == 0
    later = measure(recall_of(episode, tmp_path / "later", Change(), horizon=40))
    assert later.progression.mean == 0.0  # the player asks again, and has another try


@pytest.mark.parametrize("context", [Context(dialect="functions"), Context(handoff="always")])
def test_the_arm_that_keeps_a_recall_is_the_episode_itself(context: Context, tmp_path: Path) -> None:
    out = tmp_path / "played"
    graph.invoke({"world": "vault", "tasks": ["one-door"], "seeds": [1], "out": str(out)}, context=context)
    folder = RunFolder(out).episode("vault", "one-door", 1)
    code = "1 line of codes.md contains 'blue':\n1: blue 1 1 1"
    one = recall_of(folder, tmp_path / "lab", Change(text=code))
    assert measure(one).progression.mean == -1.0
    assert talks(one.folder(0, "unchanged")) == talks(folder)


def test_a_recall_in_the_first_step_and_one_that_cannot_be_played_again(tmp_path: Path) -> None:
    out = tmp_path / "played"
    scaffold = tmp_path / "scaffold"
    given = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "out": str(out)}
    shutil.copytree(Path("scaffolds/vault/brief"), scaffold)
    (scaffold / "memory").mkdir(exist_ok=True)
    (scaffold / "memory" / "rooms.md").write_text("0: a note\n")
    graph.invoke(given, context=Context(scaffold=str(scaffold), max_steps=3))
    folder = RunFolder(out).episode("vault", "one-door", 1)
    first = find_operation(folder, "1.1")
    assert (first.kind, first.lines) == ("recall", 0)  # a starting file was not written in the episode
    assert measure(Experiment(folder, first, Change(), tmp_path / "lab", 2)).progression.mean == 0.0
    with pytest.raises(SettingsError, match="is a recall: it changes no file"):
        measure(Experiment(folder, first, Change(files={"a.md": ""}), tmp_path / "files", 2))
    other = dataclasses.replace(first, record=dataclasses.replace(first.record, total=2))
    with pytest.raises(SettingsError, match="does not come to the search that was recorded"):
        measure(Experiment(folder, other, Change(), tmp_path / "other", 2))


def test_another_horizon_is_measured_apart(episode: EpisodeFolder, tmp_path: Path) -> None:
    assert measure(experiment(episode, tmp_path, Change(), horizon=40)).unchanged == 1.0
    short = measure(experiment(episode, tmp_path, Change(), horizon=1))  # the door is not reached in one step
    assert (short.horizon, short.unchanged) == (1, 0.0)


def test_few_samples_give_no_interval() -> None:
    few, enough = estimate([-1.0] * 5), estimate([-1.0] * 6)
    assert (few.low, few.verdict) == (None, "undecided")
    assert (enough.low, enough.verdict) == (-1.0, "helpful")
    assert estimate([-1.0] * 6, error=0.0125).low is None  # so sure an interval needs a seventh
    assert estimate([0.5] * 6).verdict == "harmful"
    assert estimate([1.0, -1.0] * 4).verdict == "undecided"


def test_intervals_of_changes_that_do_nothing_rarely_exclude_0() -> None:
    """benchmarks/counterfactuals.py plays such changes; here the luck of both arms is drawn."""
    luck = random.Random(0)
    wrong = 0
    for _ in range(1_000):
        differences = [float((luck.random() < 0.5) - (luck.random() < 0.5)) for _ in range(10)]
        wrong += estimate(differences).verdict in ("helpful", "harmful")
    assert 0 < wrong <= 65
    better = [float((luck.random() < 0.9) - (luck.random() < 0.1)) for _ in range(10)]
    assert estimate(better).verdict == "harmful"


def test_nethack_goes_on_in_branches_of_one_game(tmp_path: Path) -> None:
    out = tmp_path / "played"
    graph.invoke({"world": "nethack", "seeds": [1], "out": str(out)}, context=Context(max_steps=8))
    episode = RunFolder(out).episode("nethack", "NetHackChallenge-v0", 1)
    write = operations_of(episode, "write")[0]
    one = Experiment(episode, write, Change(), tmp_path / "lab", horizon=3)
    assert measure(one).replayed is False
    assert actions(one.folder(0, "unchanged")) == actions(episode)[: write.step + 3]


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "160"})


def test_a_sweep_ranks_the_writes_of_a_run(run: RunFolder, tmp_path: Path) -> None:
    words = [run.path, "--sweep", "writes", "--horizon", 8, "--out", tmp_path / "lab"]
    stopped = command("counterfactual", *words, "--budget", "calls=300")
    assert "stopped: the run's ceiling of 300 model calls is reached" in stopped.output
    refused = command("counterfactual", *words, "--budget", "calls=3000")
    assert "--resume goes on with it" in str(refused.exception)
    refused = command("counterfactual", *words, "--budget", "calls=3000", "--samples", 3, "--resume")
    assert "begun with --samples 16: give the same" in str(refused.exception)
    shown = command("counterfactual", *words, "--budget", "calls=3000", "--resume")
    assert shown.output.count("helpful") == 2
    assert "-100.0" in shown.output
    assert [one.change for one in read_effects(run.episode("vault", "one-door", 2))] == ["drop"]
    again = command("counterfactual", *words, "--budget", "calls=1", "--resume")  # all is measured: nothing is played
    assert again.output.count("helpful") == 2


def test_a_sweep_of_recalls_ranks_them(run: RunFolder, tmp_path: Path) -> None:
    words = ["--sweep", "recalls", "--horizon", 3, "--samples", 1, "--budget", "calls=20"]
    shown = command("counterfactual", run.path, *words, "--out", tmp_path / "lab")
    assert "1 of 6: step 8.1 PLAN search codes.md: 'blue' dropped: -100.0 points" in shown.output
    assert ("search codes.md blue" in shown.output, "append" in shown.output) == (True, False)
    assert [one.step for one in read_effects(run.episode("vault", "one-door", 1)) if one.kind == "recall"] == [8]


def test_one_change_is_shown_with_a_page(episode: EpisodeFolder, tmp_path: Path) -> None:
    shown = command(
        "counterfactual", episode.path, "--at", 3, "--drop", "--samples", 1, "--horizon", 40, "--out", tmp_path / "lab"
    )
    assert "with the note 100.0%, with the change 0.0%" in shown.output
    assert "an interval needs at least 6 samples" in shown.output
    assert (tmp_path / "lab" / "vault" / "one-door" / "seed-1" / "3.1" / "drop" / "replay.html").exists()
    for words, sentence in (
        (["--at", 3], "Give one of --drop"),
        (["--sweep", "writes"], "--sweep needs a --budget|A sweep"),
    ):
        assert command("counterfactual", episode.path, *words).exit_code == 2, sentence


@pytest.fixture
def alone(episode: EpisodeFolder, tmp_path: Path) -> EpisodeFolder:
    """The episode as one of a run of its own."""
    shutil.copytree(episode.path.parents[3], tmp_path / "alone", ignore=shutil.ignore_patterns("effects.jsonl"))
    return RunFolder(tmp_path / "alone").episode("vault", "one-door", 1)


def recorded_with(episode: EpisodeFolder, **settings: object) -> None:
    """Change the settings that the episode's run was recorded with."""
    file = RunFolder(episode.path.parents[3]).run
    content = read_file(file)
    content["configuration"]["settings"].update(settings)
    write_file(file, content)


def test_samples_of_an_episode_that_was_played_again_are_not_taken_for_its_own(
    alone: EpisodeFolder, tmp_path: Path
) -> None:
    one = experiment(alone, tmp_path / "lab", Change())
    measure(one)
    recorded_with(alone, temperature=0.5)
    with pytest.raises(SettingsError, match=r"belong to another recording of .*: move them away, or give another"):
        measure(one)
    recorded_with(alone, temperature=1.0, timeout_s=5.0)  # of no consequence
    assert measure(one, samples=2).samples == 2


def test_one_command_at_a_time_measures_a_change(episode: EpisodeFolder, tmp_path: Path) -> None:
    one = experiment(episode, tmp_path, Change())
    measure(one)
    with run_lock(one.out), pytest.raises(SettingsError, match="drop is in use by another run"):
        measure(one, samples=2)


def test_rules_that_stopped_the_run_stop_neither_arm(alone: EpisodeFolder, tmp_path: Path) -> None:
    recorded_with(alone, stop_when=["steps>=4@4"])
    assert measure(experiment(alone, tmp_path / "lab", Change())).progression.mean == -1.0


def test_what_cannot_be_played_as_it_was_recorded_ends_a_sweep_before_it_begins(
    alone: EpisodeFolder, tmp_path: Path
) -> None:
    file = RunFolder(alone.path.parents[3]).run
    content = read_file(file)
    content["configuration"]["scaffold_digest"] = "of the scaffold as it was"
    write_file(file, content)
    words = ["--sweep", "writes", "--budget", "calls=9", "--out", tmp_path / "lab"]
    refused = command("counterfactual", alone.path.parents[3], *words)
    assert "is not what it was when" in str(refused.exception)
    assert not (tmp_path / "lab").exists()


def test_an_arm_that_the_player_itself_breaks_has_no_score(episode: EpisodeFolder, tmp_path: Path) -> None:
    class Broken(SideBySide):
        @staticmethod
        async def play(settings: Any, folder: EpisodeFolder, *_: Any) -> EpisodeResult:
            return unopened(settings, folder, Failure(where="hooks", kind="error", sentence="It broke.", step=4))

    with played_by(Broken()), pytest.raises(SettingsError, match=r"arm of 3\.1 cannot be measured: It broke\."):
        measure(experiment(episode, tmp_path, Change()))


def test_what_may_be_spent_is_held_for_a_single_change_too(episode: EpisodeFolder, tmp_path: Path) -> None:
    words = ["counterfactual", episode.path, "--at", 3, "--drop", "--out", tmp_path / "lab", "--budget"]
    stopped = command(*words, "calls=5")
    assert (stopped.exit_code, "stopped: the run's ceiling of 5 model calls" in stopped.output) == (1, True)
    assert "begun without the price of scripted" in str(command(*words, "cost=1").exception)


def test_a_sweep_measures_again_what_too_few_samples_left_undecided(alone: EpisodeFolder, tmp_path: Path) -> None:
    words = ["--horizon", 12, "--out", tmp_path / "lab"]
    command("counterfactual", alone.path, "--at", 3, "--drop", "--samples", 1, *words)
    run = alone.path.parents[3]
    command("counterfactual", run, "--sweep", "writes", "--samples", 6, "--budget", "calls=3000", *words)
    assert [(one.samples, one.progression.verdict) for one in read_effects(alone)] == [
        (1, "undecided"),
        (6, "helpful"),  # one look alone, with all of the error
    ]


def test_the_minutes_of_a_sweep_count_when_it_goes_on(alone: EpisodeFolder, tmp_path: Path) -> None:
    lab = LabFolder(tmp_path / "lab")
    write_file(lab.sweep_file("writes", 12), {"samples": 1, "minutes": 3.0})
    words = ["--sweep", "writes", "--samples", 1, "--horizon", 12, "--out", lab.path, "--resume", "--budget"]
    stopped = command("counterfactual", alone.path.parents[3], *words, "minutes=3")
    assert "ceiling of 3 minutes is reached; go on with a higher --budget and --resume" in stopped.output
    command("counterfactual", alone.path.parents[3], *words, "minutes=4")
    kept = lab.sweep("writes", 12)
    assert (kept is not None and kept.ended, kept is not None and 3 < kept.minutes < 4) == (True, True)
