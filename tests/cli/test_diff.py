"""automem diff, on played episodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.commands import app
from graphs.evaluation import graph
from graphs.inner_agent import Context
from graphs.settings import SettingsError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations of the scripted player on two seeds, with a notebook and without."""
    folder = tmp_path_factory.mktemp("runs")
    for notebook in ("on", "off"):
        request = {"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "out": str(folder / notebook)}
        graph.invoke(request, context=Context(max_steps=12, notebook=notebook))
    return folder


def diff(*words: object) -> Result:
    return CliRunner().invoke(app, ["diff", *map(str, words)], env={"COLUMNS": "160"})


def episode(run: Path, seed: int = 1) -> Path:
    return run / "episodes" / "vault" / "one-door" / f"seed-{seed}"


def test_two_episodes_are_shown_where_they_part(runs: Path) -> None:
    shown = diff(episode(runs / "on"), episode(runs / "off")).output
    assert "notebook: on | off" in shown
    assert "First difference: step 1, settings: PLAN: the prompt (message 1)." in shown
    assert "-You remember nothing of earlier steps. You see only the present message: whatever" in shown
    assert "+You remember nothing of earlier steps. You see only the present message.\n" in shown
    assert "Scores: " in shown


def test_an_episode_equals_itself(runs: Path) -> None:
    shown = diff(episode(runs / "on"), episode(runs / "on"))
    assert shown.exit_code == 0
    assert "The episodes are equal, all 1" in shown.output


def test_two_runs_are_a_table_of_seeds_and_json_for_programs(runs: Path) -> None:
    table = diff(runs / "on", runs / "off").output
    assert table.count("settings") == 2
    found = json.loads(diff(runs / "on", runs / "off", "--json").output)
    assert sorted(found) == ["vault/one-door/seed-1", "vault/one-door/seed-2"]
    first = found["vault/one-door/seed-1"]
    assert first["divergence"]["cause"] == "settings"
    assert first["settings"] == {"notebook": ["on", "off"]}


def test_what_cannot_be_compared_is_refused(runs: Path, tmp_path: Path) -> None:
    for words, sentence in (
        ((episode(runs / "on"), runs / "off"), "are an episode and a run"),
        ((episode(runs / "on", 1), episode(runs / "off", 2)), "are different episodes"),
        ((tmp_path, runs / "on"), "holds no episode"),
    ):
        refused = diff(*words)
        assert isinstance(refused.exception, SettingsError)
        assert sentence in str(refused.exception)
