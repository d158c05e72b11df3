"""Loop 2 from the traces to the final table with a tiny model: really trained, really served, really played."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from effort import THOROUGH
from specializing import Specializing, Told
from warm_training import warm_launcher

from graphs.curator.run import Specialization
from graphs.curator.verification import ledger_faults
from traces import RunFolder, TraceReader, read_results
from training.certificate import certify
from training.dataset import read_dataset
from training.ledger import LedgerEntry
from training.source import validity


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with warm_launcher(str(tmp_path_factory.mktemp("warm"))) as words:
        yield words


@pytest.fixture(scope="module")
def whole(tiny: Path, launcher: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Specializing, Told]:
    run = Specializing(tmp_path_factory.mktemp("whole"), tiny, launcher=launcher, iterations=2, controls=True)
    return run, run.go()


def rows(run: Specializing) -> dict[str, LedgerEntry]:
    return {entry.run: entry for entry in run.ledger()}


def ids(dataset: Path) -> list[str]:
    return [example.id for example in read_dataset(dataset)]


def said(run: Path) -> list[object]:
    """Everything that was said in a run, episode by episode, step by step."""
    return [
        [[talk.messages for talk in step.conversations] for step in TraceReader(folder)]
        for folder in RunFolder(run).episodes()
    ]


def test_every_training_and_every_control_is_in_the_ledger(whole: tuple[Specializing, Told]) -> None:
    run, told = whole
    found = rows(run)
    finals = [f"final {player}" for player in ("base-handoff", "specialist", "random-turns", "both-roles")]
    assert list(found) == ["base", "1a", "2a", *finals]
    assert found["1a"].data_source == "regenerate in iteration 1"
    assert found["2a"].data_source == "reuse of iteration 1"
    assert found["2a"].configuration is not None
    assert found["2a"].configuration.learning_rate == pytest.approx(5e-3)
    for name in ("1a", "2a"):
        assert found[name].examples >= 8
        assert found[name].progression.keys() == {"one-door"}
        assert found[name].progression["one-door"].keys() == {11, 12}
        assert found[name].measures.keys() >= {"valid_turns", "valid_log_turns", "valid_plan_turns"}
        assert all((run.run / path).exists() for path in found[name].artifacts.values())
    assert told.output["winner"] == "1a"
    assert told.output["adapter"] == str(run.run / "iterations" / "1" / "adapters" / "a")


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("examples", lambda one: one + 1),
        ("first_loss", lambda one: one + 1),
        ("last_loss", lambda one: one / 2),
        ("tokens", lambda one: one + 1),
        ("seconds", lambda one: one + 1),
    ],
)
def test_a_ledger_line_that_differs_from_its_trainings_metrics_is_named(
    whole: tuple[Specializing, Told], name: str, edit: Callable[[Any], Any]
) -> None:
    run = Specialization.read(whole[0].run)
    entries = whole[0].ledger()
    assert list(ledger_faults(run, entries)) == []
    place = next(number for number, one in enumerate(entries) if one.run == "1a")
    entries[place] = entries[place].model_copy(update={name: edit(getattr(entries[place], name))})
    (fault,) = ledger_faults(run, entries)
    assert fault.damage
    assert fault.what.startswith(f"1a: {name} is ")


def test_what_was_reused_is_what_was_selected_and_every_example_is_certified(whole: tuple[Specializing, Told]) -> None:
    run, _ = whole
    first, second = (run.run / "iterations" / number / "dataset.jsonl" for number in ("1", "2"))
    assert ids(first) == ids(second)
    by_chance = run.run / "controls" / "random-turns" / "dataset.jsonl"
    assert len(ids(by_chance)) == len(ids(first))
    for dataset in (first, second, by_chance):
        assert certify(dataset, RunFolder(run.run / "collect"), evaluation_seeds=[11, 12, 21, 22]) == []
    reasons = (run.run / "iterations" / "2" / "selection" / "selected.jsonl").read_text()
    assert "reused from iteration 1: " in reasons


def test_no_seed_is_played_for_two_purposes(whole: tuple[Specializing, Told]) -> None:
    run, _ = whole
    played = {
        name: {one.seed for one in read_results(RunFolder(run.run / name))}
        for name in ("collect", "controls/base-handoff", "iterations/2/evaluations/a", "final/specialist")
    }
    assert list(played.values()) == [{1, 2, 3, 4}, {11, 12}, {11, 12}, {21, 22}]


def test_specialist_and_base_play_their_parts_through_one_handoff(whole: tuple[Specializing, Told]) -> None:
    run, _ = whole
    base = run.given["base"]
    adapter = f"{base}+adapter={run.run}/iterations/1/adapters/a"
    players = {
        "collect": ("scripted", None),
        "controls/base-handoff": (base, "scripted"),
        "iterations/1/evaluations/a": (adapter, "scripted"),
        "final/base-handoff": (base, "scripted"),
        "final/specialist": (adapter, "scripted"),
        "final/both-roles": (adapter, adapter),
        "final/random-turns": (f"{base}+adapter={run.run}/controls/random-turns/adapters/a", "scripted"),
    }
    for name, who in players.items():
        assert {(one.model, one.gameplay_model) for one in read_results(RunFolder(run.run / name))} == {who}
        settings = json.loads((run.run / name / "run.json").read_text())["configuration"]["settings"]
        assert settings["handoff"] == ("auto" if name == "collect" else "always")


def test_the_final_table_pairs_everybody_with_the_base_and_says_who_they_are(whole: tuple[Specializing, Told]) -> None:
    run, told = whole
    table = json.loads((run.run / "final" / "table.json").read_text())
    assert [row["player"] for row in table["rows"]] == ["base-handoff", "specialist", "random-turns", "both-roles"]
    assert table["rows"][0]["difference"] is None
    for row in table["rows"][1:]:
        assert row["difference"] == pytest.approx(row["mean"] - table["rows"][0]["mean"])
        assert row["interval"][0] <= row["difference"] <= row["interval"][1]
    specialist, drawn = table["rows"][1]["mean"], table["rows"][2]["mean"]
    assert table["selection"]["difference"] == pytest.approx(specialist - drawn)
    assert table["selection"]["better"] + table["selection"]["worse"] <= table["rows"][0]["episodes"]
    assert (table["winner"], table["curated_by"], table["traces_played_by"]) == ("1a", "scripted", "scripted")
    assert told.of("final")[0]["rows"] == table["rows"]
    warned = [event["sentence"] for event in told.of("warning")]
    assert any("traces are those of scripted (no language model)" in sentence for sentence in warned)
    assert any("scripted (no language model) commits" in sentence for sentence in warned)


def test_valid_turns_are_counted_by_one_definition(whole: tuple[Specializing, Told]) -> None:
    run, _ = whole
    scripted, noise = validity(RunFolder(run.run / "collect")), validity(RunFolder(run.run / "controls/base-handoff"))
    assert scripted.share() == scripted.share("LOG") == 1.0
    assert noise.turns["LOG"] > 0
    assert noise.share() == rows(run)["base"].measures["valid_turns"] < 0.2


def test_a_finished_run_repeats_nothing(whole: tuple[Specializing, Told]) -> None:
    run, told = whole
    ledger = (run.run / "ledger.jsonl").read_bytes()
    again = run.go(resume=True)
    assert again.output == told.output
    assert {event["event"] for event in again.events} <= {
        *("began", "warning", "candidates", "training", "trained", "final", "ended")
    }
    assert (run.run / "ledger.jsonl").read_bytes() == ledger


KILLS = [
    *(("episode", 9), ("candidates", 0), ("episode", 5), ("tool", 7), ("certified", 0), ("training", 3)),
    *(("trained", 0), ("played", 0), ("final", 0)),
]
ALL_KILLS = [
    *(("began", 0), ("episode", 9), ("candidates", 0), ("episode", 5), ("recorded", 0), ("iteration", 0)),
    *(("tool", 7), ("curated", 0), ("certified", 0), ("training", 3), ("trained", 0), ("episode", 4)),
    *(("played", 0), ("recorded", 0), ("episode", 4), ("played", 0), ("final", 0)),
]


def test_a_run_killed_in_every_phase_ends_like_an_undisturbed_one(
    whole: tuple[Specializing, Told], tiny: Path, launcher: list[str], tmp_path: Path
) -> None:
    run, (undisturbed, _) = Specializing(tmp_path, tiny, launcher=launcher), whole
    ended = run.through(ALL_KILLS if THOROUGH else KILLS, tmp_path / "killed.json")
    assert ended.returncode == 0, ended.stderr
    ours, theirs = rows(run), rows(undisturbed)
    assert list(ours) == ["base", "1a", "final base-handoff", "final specialist"]
    for name, entry in ours.items():
        assert entry.progression == theirs[name].progression
        assert entry.measures == theirs[name].measures
    assert ids(run.run / "iterations" / "1" / "dataset.jsonl") == ids(
        undisturbed.run / "iterations" / "1" / "dataset.jsonl"
    )
    assert (ours["1a"].first_loss, ours["1a"].last_loss) == (theirs["1a"].first_loss, theirs["1a"].last_loss)
    for played in ("collect", "controls/base-handoff", "iterations/1/evaluations/a", "final/specialist"):
        assert said(run.run / played) == said(undisturbed.run / played)
