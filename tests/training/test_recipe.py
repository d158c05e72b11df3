"""Recipes: what ships is valid and the paper's; what a curator writes is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training import TrainingError
from training.recipe import load_recipe, recipe_names, recipe_of
from training.sft_config import read_arguments

PLAIN: dict[str, Any] = {
    "rationale": "why",
    "data": {"source": "regenerate"},
    "configurations": [{"rank": 8, "alpha": 16, "learning_rate": 1e-4, "cutoff": 512}],
}


def test_every_shipped_recipe_can_be_used() -> None:
    assert {"paper-crafter", "paper-minihack", "paper-nethack", "small-cpu"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).rationale


@pytest.mark.parametrize(
    ("name", "rank", "alpha", "epochs", "effective", "minimum"),
    [
        ("paper-crafter", 256, 512, 4, 32, 600),
        ("paper-minihack", 128, 256, 3, 16, 300),
        ("paper-nethack", 256, 512, 1, 32, 800),
    ],
)
def test_the_papers_starting_points(
    name: str, rank: int, alpha: int, epochs: int, effective: int, minimum: int
) -> None:
    recipe = load_recipe(name)
    (lora,) = recipe.configurations
    assert (lora.rank, lora.alpha, lora.epochs, lora.effective_batch) == (rank, alpha, epochs, effective)
    assert (lora.learning_rate, lora.schedule, lora.warmup, lora.max_grad_norm) == (5e-5, "cosine", 0.05, 1.0)
    assert (lora.cutoff, lora.seed, recipe.data.minimum_examples) == (16_384, 42, minimum)
    assert lora.target_modules == (
        ("q_proj", "k_proj", "v_proj", "o_proj") if name == "paper-crafter" else "all-linear"
    )


def test_the_effective_batch_is_kept_on_any_number_of_processes() -> None:
    lora = load_recipe("paper-crafter").configurations[0]
    assert [lora.accumulation_on(processes) for processes in (1, 2, 4, 16)] == [16, 8, 4, 1]
    for processes in (3, 32):
        with pytest.raises(TrainingError, match="cannot be spread over"):
            lora.accumulation_on(processes)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rationale": ""}, "rationale: String should have at least 1 character"),
        ({"data": {"source": "guess"}}, "data.source: Input should be 'reuse' or 'regenerate'"),
        ({"data": {"source": "reuse", "top_episodes_percent": 0}}, "data.top_episodes_percent"),
        ({"configurations": []}, "configurations"),
        ({"configurations": PLAIN["configurations"] * 3}, "configurations"),
        ({"configurations": [{**PLAIN["configurations"][0], "rank": 513}]}, "configurations.0.rank"),
        ({"configurations": [{**PLAIN["configurations"][0], "target_modules": ["a b"]}]}, "target_modules"),
        ({"learning_rate": 1}, "learning_rate: Extra inputs are not permitted"),
    ],
)
def test_a_faulty_recipe_is_refused_in_one_sentence(change: dict[str, Any], why: str) -> None:
    assert recipe_of(PLAIN, "the recipe").configurations[0].batch == 1
    with pytest.raises(TrainingError) as refused:
        recipe_of({**PLAIN, **change}, "the recipe")
    assert str(refused.value).startswith("the recipe is no recipe: ")
    assert why in str(refused.value)


def test_a_recipe_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "r.toml"
    broken.write_text("rank =")
    for path in (broken, tmp_path / "none.toml"):
        with pytest.raises(TrainingError, match=f"The recipe {path} cannot be read"):
            load_recipe(str(path))


def test_the_command_line_changes_a_recipe() -> None:
    common = ["--dataset", "d", "--base", "b", "--output", "o"]
    plain = read_arguments([*common, "--recipe", "paper-minihack"]).lora
    changed = read_arguments(
        [
            *common,
            "--recipe",
            "paper-minihack",
            "--rank",
            "64",
            "--target-modules",
            "q_proj, v_proj",
            "--max-grad-norm",
            "2",
        ]
    ).lora
    assert changed == plain.model_copy(
        update={"rank": 64, "target_modules": ("q_proj", "v_proj"), "max_grad_norm": 2.0}
    )
