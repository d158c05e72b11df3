from pathlib import Path

import boxoban_levels
import pytest
from typer.testing import CliRunner

from cli.commands import app
from worlds import world_names
from worlds.boxoban import level_files


def test_worlds_are_listed_with_tasks_and_options() -> None:
    shown = CliRunner().invoke(app, ["worlds"])
    assert shown.exit_code == 0
    assert [line.partition(":")[0] for line in shown.output.split("\n") if line and line[0] != " "] == [*world_names()]
    assert "wording: numeric, balrog, paper" in shown.output


def test_boxoban_levels_are_installed_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path / "data"))
    source = boxoban_levels.write_levels(tmp_path / "levels")
    shown = CliRunner().invoke(app, ["worlds", "boxoban", "--from", str(source)])
    assert shown.exit_code == 0, shown.output
    assert shown.output.split("\n")[:2] == ["hard: 4 levels", "medium: 3 levels"]
    assert len(level_files("hard")) == 2


def test_what_is_no_level_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_DATA", str(tmp_path / "data"))
    shown = CliRunner().invoke(app, ["worlds", "boxoban", "--from", str(tmp_path / "nowhere")])
    assert shown.exit_code == 2
    assert "nothing was installed" in shown.output
