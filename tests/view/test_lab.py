"""Rows and pages of what was measured: sweeps, single changes, control arms; and whether anybody is at it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.commands import app
from graphs.evaluation import graph
from graphs.inner_agent import Context
from graphs.run_lock import run_lock
from lab.folder import LabFolder
from view.lab import controls_page, effects_of, lab_page
from view.library import Library
from view.table import Row, Table


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation, and a sweep of its writes that a ceiling stopped at the first one."""
    runs = tmp_path_factory.mktemp("measured") / "runs"
    graph.invoke(
        {"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "out": str(runs / "played")}, context=Context()
    )
    sweep(runs, "--budget", "calls=5")
    return runs


@pytest.fixture
def measured(begun: Path, tmp_path: Path) -> Path:
    """The same for one test."""
    return shutil.copytree(begun, tmp_path / "runs")


def counterfactual(place: Path, *words: object) -> Result:
    given = ["counterfactual", place, "--samples", 1, "--horizon", 6, *words]
    return CliRunner().invoke(app, list(map(str, given)))


def sweep(runs: Path, *words: object) -> Result:
    return counterfactual(runs / "played", "--sweep", "writes", *words)


def row_of(runs: Path, name: str) -> Row:
    return next(row for row in Table(Library(runs)).rows() if row["id"] == name)


def test_a_sweep_is_a_row_that_says_how_far_it_is_and_what_it_found(measured: Path) -> None:
    assert {row["id"] for row in Table(Library(measured)).rows()} == {"played", "played-lab"}  # its arms are none
    stopped = row_of(measured, "played-lab")
    assert (stopped["kind"], stopped["state"], stopped["world"]) == ("counterfactuals", "stopped", "vault")
    assert stopped["about"].startswith("of played: 0 of 2 writes within 6 steps measured")
    (begun,) = lab_page(Library(measured), measured / "played-lab")["unfinished"]
    assert (begun["step"], begun["change"], begun["seed"]) == ("3", "drop", 1)
    lab = LabFolder(measured / "played-lab")
    with run_lock(lab.path, "sweep-writes-6.lock"):
        assert row_of(measured, "played-lab")["state"] == "playing"
    assert sweep(measured, "--budget", "calls=3000", "--resume").exit_code == 0
    ended = row_of(measured, "played-lab")
    assert (ended["state"], ended["effects"]) == ("ended", 2)
    assert ended["about"] == "of played: 2 of 2 writes within 6 steps measured; 2 undecided"
    assert ended["calls"] > 5


def test_the_page_of_a_lab_folder_ranks_effects_and_leads_to_the_step_and_to_both_arms(measured: Path) -> None:
    sweep(measured, "--budget", "calls=3000", "--resume")
    edited = counterfactual(measured / "played/episodes/vault/one-door/seed-1", "--at", 3, "--edit", "blue 1 1 1")
    assert edited.exit_code == 0
    library = Library(measured)
    page = lab_page(library, measured / "played-lab")
    assert (page["measured"], page["unfinished"]) == ("played", [])
    assert [one["mean"] for one in page["effects"]] == sorted(one["mean"] for one in page["effects"])
    by_change = {(one["change"], one["seed"]): one for one in page["effects"]}
    assert set(by_change) == {("drop", 1), ("drop", 2), ("edit", 1)}
    one = by_change["edit", 1]
    assert (one["run"], one["step"], one["operation"], one["text"]) == ("played", 3, "append", "blue 1 1 1")
    assert (one["interval"], one["verdict"]) == (None, "undecided")
    for arm in ("unchanged", "changed"):
        assert library.episode(one["arms"][arm], "vault", "one-door", "seed-1").steps.exists()
    assert effects_of(library.run("played"), "played") == [{**each, "arms": None} for each in page["effects"]]
    assert row_of(measured, "played-lab")["about"].startswith(
        "of played: 2 of 2 writes within 6 steps and 1 single change measured"
    )


def test_a_lab_folder_without_its_run_says_so_and_one_of_another_run_is_refused(measured: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(measured / "played-lab", alone / "lab")
    row = row_of(alone, "lab")
    assert (row["state"], "There is no run 'played'" in row["problem"]) == ("unreadable", True)
    row = row_of(measured / "played-lab", "played-lab")
    assert (row["state"], "is not in the folder that is shown" in row["problem"]) == ("unreadable", True)
    shutil.copytree(measured / "played", measured / "other")
    refused = counterfactual(
        measured / "other/episodes/vault/one-door/seed-1", "--at", 3, "--drop", "--out", measured / "played-lab"
    )
    assert f"holds measurements of {measured / 'played'}: give another `out`" in str(refused.exception)


def test_control_arms_have_a_page_with_their_differences(tmp_path: Path) -> None:
    arms = tmp_path / "arms"
    words = ["controls", "--world", "vault", "--task", "one-door", "--model", "scripted", "--seeds", "1", "--out", arms]
    words += ["--arms", "on,off", "--max-steps", "4", "--no-check", "--quiet"]
    assert CliRunner().invoke(app, list(map(str, words))).exit_code == 0
    row = row_of(tmp_path, "arms")
    assert (row["kind"], row["state"], row["finished"]) == ("controls", "ended", 2)
    on, off = controls_page(arms, "arms")["arms"]
    assert (on["arm"], on["run"], on["difference"]) == ("on", "arms/on", None)
    assert (off["arm"], off["difference"]["low"]) == ("off", None)
