"""The control that is trained on turns chosen by chance: as many as the winner's, whatever post-processing drops."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_model import make_tiny_model
from training_runs import collected

from graphs.curator.final_nodes import _choose
from graphs.curator.run import Specialization
from training.candidates import candidates, write_candidates
from training.certificate import build_dataset
from training.dataset import read_dataset


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Specialization:
    folder = tmp_path_factory.mktemp("controls")
    tiny = make_tiny_model(folder / "base")
    given: Any = {"world": "vault", "out": str(folder / "run"), "base": f"embedded+weights={tiny}"}
    made = Specialization.begin(given, None)
    shutil.copytree(collected(folder / "played", [901, 902]).path, made.folder.collect.path)
    made.folder.candidates.parent.mkdir()
    write_candidates(candidates(made.folder.collect), made.folder.candidates)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_a_draw_of_nothing_but_dropped_turns_is_followed_by_another(
    run: Specialization, seed: int, tmp_path: Path
) -> None:
    every = [one.id for one in candidates(run.folder.collect)]
    report = build_dataset(run.folder.collect, every, tmp_path / "all.jsonl")
    assert report.dropped, "some turns must be dropped for this to be a test"
    _choose(replace(run, seed=seed), 1)
    assert len(list(read_dataset(run.folder.random_turns.dataset))) == 1
