"""Which candidates an iteration trains on: its own selection, or an earlier one's, as its recipe says."""

from __future__ import annotations

import orjson

from graphs.curator.folders import IterationFolder
from graphs.curator.position import SPECIALIST, earlier
from graphs.curator.specialization import Specialization
from training.candidates import read_candidates
from training.errors import TrainingError
from training.ledger import read
from training.recipe import DataDecision, Recipe


def recipe_of(folder: IterationFolder) -> Recipe:
    """The recipe that the curator left."""
    return Recipe.model_validate_json((folder.path / "recipe.json").read_bytes())


def selected_ids(run: Specialization, iteration: int, recipe: Recipe) -> list[str]:
    """The ids, in the order selected; a reused selection is copied, so that each iteration has its own.

    Of both, only the turns of the best `top_episodes_percent` of the episodes.
    """
    folder = run.folder.iteration(iteration)
    if recipe.data.source == "reuse":
        source = reused(run, iteration, recipe.data)
        lines = [
            {"id": one["id"], "why": f"reused from iteration {source}: {one['why']}"}
            for one in _lines(run.folder.iteration(source))
        ]
        folder.selected.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    ids = [str(one["id"]) for one in _lines(folder)]
    share = recipe.data.top_episodes_percent / 100
    if share >= 1:
        return ids
    ranks = {one.id: one.episode_rank for one in read_candidates(run.folder.candidates)}
    return [one for one in ids if ranks[one] < share]


def reused(run: Specialization, iteration: int, data: DataDecision) -> int:
    """The iteration whose selection is reused: the one that is named, else the latest that was trained on, or made.

    TrainingError if there is none.
    """
    there = earlier(run, iteration)
    trained = {entry.iteration for entry in read(run.folder.ledger) if entry.role == SPECIALIST} & there.keys()
    number = data.reuse_iteration if data.reuse_iteration is not None else max(trained or there, default=0)
    if number not in there:
        raise TrainingError(f"There is no selection of an iteration {number} before {iteration} to reuse.")
    return number


def _lines(folder: IterationFolder) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in folder.selected.read_bytes().splitlines()]
