"""Which candidates an iteration trains on: its own selection, an earlier one's, and only the best episodes' turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from graphs.curator.run import Specialization
from graphs.curator.workspace import reused, selected_ids
from training import TrainingError
from training.candidates import Candidate, write_candidates
from training.recipe import Recipe


@pytest.fixture
def run(tmp_path: Path, tiny: Path) -> Specialization:
    given: Any = {"world": "vault", "out": str(tmp_path / "run"), "base": f"embedded+weights={tiny}"}
    made = Specialization.begin(given, None)
    made.folder.candidates.parent.mkdir()
    candidates = [
        Candidate(name(seed), "vault", "one-door", seed, 1, "LOG", "LOG", episode_rank=rank)
        for seed, rank in ((1, 0.0), (2, 0.5), (3, 0.9))
    ]
    write_candidates(candidates, made.folder.candidates)
    return made


def name(seed: int) -> str:
    return f"vault/one-door/seed-{seed}/step-1/LOG"


def select(run: Specialization, iteration: int, seeds: list[int]) -> None:
    path = run.folder.iteration(iteration).selected
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps({"id": name(seed), "why": f"the {seed}."}) + b"\n" for seed in seeds))


def recipe(run: Specialization, **data: Any) -> Recipe:
    return run.start.model_copy(update={"data": run.start.data.model_copy(update=data)})


def test_a_regenerated_selection_is_the_iterations_own(run: Specialization) -> None:
    select(run, 1, [2, 1])
    assert selected_ids(run, 1, recipe(run, source="regenerate")) == [name(2), name(1)]


def test_a_reused_selection_is_copied_with_where_it_came_from(run: Specialization) -> None:
    select(run, 1, [1, 3])
    run.folder.iteration(2).selected.parent.mkdir(parents=True)
    assert selected_ids(run, 2, recipe(run, source="reuse")) == [name(1), name(3)]
    assert "reused from iteration 1: the 3." in run.folder.iteration(2).selected.read_text()
    select(run, 3, [2])
    run.folder.iteration(4).selected.parent.mkdir(parents=True)
    assert selected_ids(run, 4, recipe(run, source="reuse")) == [name(2)]
    assert selected_ids(run, 4, recipe(run, source="reuse", reuse_iteration=2)) == [name(1), name(3)]
    with pytest.raises(TrainingError, match="no selection of an iteration 7"):
        reused(run, 4, recipe(run, source="reuse", reuse_iteration=7).data)


def test_only_turns_of_the_best_episodes_are_taken(run: Specialization) -> None:
    select(run, 1, [3, 2, 1])
    assert selected_ids(run, 1, recipe(run, source="regenerate", top_episodes_percent=60)) == [name(2), name(1)]
    assert selected_ids(run, 1, recipe(run, source="regenerate", top_episodes_percent=10)) == [name(1)]
