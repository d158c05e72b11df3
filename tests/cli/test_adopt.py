"""automem adopt: a kept version, copied as it is, with what it changes and how it scored."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_search import lay_out_finished

from cli.adopt import adopt
from graphs.settings import SettingsError
from scaffolds import Scaffold, ScaffoldError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    lay_out_finished(tmp_path / "evolve")
    return tmp_path / "evolve"


def test_a_version_is_copied_byte_for_byte_with_its_scores_and_changes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    to = tmp_path / "scaffolds" / "vault" / "v1"
    adopt(run, version=1, to=to)
    assert Scaffold.load(to).digest == Scaffold.load(run / "versions" / "v1").digest
    printed = capsys.readouterr().out
    assert "played by scripted (no language model)" in printed
    assert "v0: 20.00 ± 5.00 % on the gate seeds, 22.00 ± 5.00 % on the hold-out seeds" in printed
    assert "v1: 31.00 ± 5.00 % on the gate seeds, 27.00 ± 5.00 % on the hold-out seeds" in printed
    assert "prompts: log.md is reworded (wording)" in printed
    assert f"written: {to}" in printed


def test_code_that_will_run_uncontained_from_now_on_is_warned_of(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "versions" / "v1" / "hooks.py").write_text("class Hooks:\n    def observe(self, view):\n        return []\n")
    adopt(run, version=1, to=tmp_path / "apart" / "v1")
    assert "uncontained" not in capsys.readouterr().out
    monkeypatch.setattr("cli.adopt.SHIPPED", tmp_path / "shipped")
    adopt(run, version=1, to=tmp_path / "shipped" / "v1")
    assert "uncontained, with all your rights" in capsys.readouterr().out


def test_nothing_that_is_there_is_overwritten(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "mine"
    to.mkdir()
    with pytest.raises(SettingsError, match="there already"):
        adopt(run, version=1, to=to)
    assert list(to.iterdir()) == []


def test_a_version_that_does_not_exist_is_named_beside_those_that_do(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no version 2; it has v0, v1"):
        adopt(run, version=2, to=tmp_path / "v2")


def test_a_version_that_was_damaged_is_not_adopted(run: Path, tmp_path: Path) -> None:
    (run / "versions" / "v1" / "scaffold.toml").write_text("world = [")
    with pytest.raises(ScaffoldError, match=r"scaffold\.toml"):
        adopt(run, version=1, to=tmp_path / "v1")
    assert not (tmp_path / "v1").exists()


def test_the_start_itself_changes_nothing(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adopt(run, version=0, to=tmp_path / "start")
    assert "  nothing" in capsys.readouterr().out
