"""automem certify: a dataset is examined against its run, alone or with the run named."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import collected
from typer.testing import CliRunner

from cli.commands import app
from training.candidates import candidates
from training.certificate import build_dataset
from training.source import SourceError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = collected(tmp_path_factory.mktemp("run"), [1])
    out = tmp_path_factory.mktemp("dataset") / "dataset.jsonl"
    build_dataset(run, [one.id for one in candidates(run)], out, evaluation_seeds=[42, 43])
    return out


def test_a_sound_dataset_is_certified_with_the_run_its_report_names(dataset: Path) -> None:
    done = CliRunner().invoke(app, ["certify", str(dataset)])
    assert done.exit_code == 0, done.output
    assert f"certified: {len(dataset.read_text().splitlines())} examples" in done.output
    assert "42, 43" in done.output


def test_a_forged_one_is_not(dataset: Path, tmp_path: Path) -> None:
    forged = tmp_path / "dataset.jsonl"
    forged.write_text(dataset.read_text().replace("codes.md|", "codes.md| ", 1))
    (tmp_path / "postprocess.json").write_bytes((dataset.parent / "postprocess.json").read_bytes())
    done = CliRunner().invoke(app, ["certify", str(forged)])
    assert done.exit_code == 1
    assert "not certified: 1 fault\n" in done.output


def test_seeds_may_be_named_that_no_example_may_come_from(dataset: Path) -> None:
    done = CliRunner().invoke(app, ["certify", str(dataset), "--evaluation-seeds", "1"])
    assert done.exit_code == 1
    assert "evaluation seed" in done.output


def test_a_dataset_that_is_not_there_or_says_no_run_is_refused_in_one_sentence(dataset: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.jsonl"
    alone.write_bytes(dataset.read_bytes())
    torn = tmp_path / "torn" / "dataset.jsonl"
    torn.parent.mkdir()
    torn.write_bytes(dataset.read_bytes())
    torn.with_name("postprocess.json").write_text('{"run": ')
    missing = tmp_path / "none.jsonl"
    for path, said in ((alone, "give --run"), (torn, "cannot be read"), (missing, "There is no dataset")):
        refused = CliRunner().invoke(app, ["certify", str(path)]).exception
        assert isinstance(refused, SourceError)
        assert said in str(refused)
