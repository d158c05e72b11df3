"""A run of loop 2 as its nodes leave it, without a training: played, certified, its records made of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specializing import RECIPE, small_scaffold

from graphs.curator.evaluating import BASE, progression, rows, write_table
from graphs.curator.folders import SpecializationFolder
from graphs.curator.position import SPECIALIST
from graphs.curator.run import Context, Specialization
from graphs.curator.state import Input
from graphs.evaluation import graph
from scaffolds import Scaffold
from traces import RunFolder, write_run
from traces.plain_json import write_file
from training.candidates import candidates
from training.certificate import build_dataset
from training.dataset import dataset_digest
from training.ledger import LedgerEntry, append


def lay_out_specialized(folder: Path) -> Path:
    """One iteration on two validation seeds, a final table on two others; the scripted player in every place."""
    folder.mkdir()
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE)
    given: dict[str, Any] = {"world": "vault", "tasks": ["one-door"], "out": str(folder / "run"), "recipe": str(recipe)}
    given |= {"base": "vllm:base", "weights": "base", "iterations": 1}
    given |= {"train_seeds": [1, 2], "validation_seeds": [11, 12], "final_seeds": [21, 22]}
    context = Context(scaffold=str(small_scaffold(folder / "scaffold")), gameplay_model="scripted", max_steps=8)
    settings, asked = Specialization.checked(Input(**given), context)
    where = SpecializationFolder(folder / "run")
    digest = Scaffold.load(asked.scaffold).digest
    run = Specialization(folder=where, context=asked, digest=digest, **settings)
    write_run(where, run.plain())
    iteration = run.folder.iteration(1)
    for out, seeds in (
        (run.folder.collect, run.train_seeds),
        (run.folder.baseline, run.validation_seeds),
        (iteration.evaluation("a"), run.validation_seeds),
        (run.folder.final(BASE), run.final_seeds),
        (run.folder.final(SPECIALIST), run.final_seeds),
    ):
        graph.invoke(run.evaluation(out, seeds, "scripted"), context=run.context.evaluating("scripted"))
    ids = [one.id for one in candidates(run.folder.collect)]
    report = build_dataset(run.folder.collect, ids, iteration.dataset, evaluation_seeds=run.never_trained_on)
    digest = dataset_digest(iteration.dataset)
    write_file(iteration.certified, [{"examples": report.examples, "faults": [], "digest": digest}])
    _enter(run, "base", 0, "base", run.folder.baseline, run.validation_seeds)
    _enter(run, "1a", 1, "specialist", iteration.evaluation("a"), run.validation_seeds)
    players = dict.fromkeys((BASE, SPECIALIST), ("scripted", "scripted"))
    write_table(run, rows(run, players), "1a")
    for player in players:
        _enter(run, f"final {player}", 1, f"final {player}", run.folder.final(player), run.final_seeds)
    return run.folder.path


def _enter(run: Specialization, name: str, iteration: int, role: str, out: RunFolder, seeds: list[int]) -> None:
    artifacts = {"evaluation": run.folder.relative(out.path)}
    entry = LedgerEntry(run=name, iteration=iteration, role=role, artifacts=artifacts, **progression(run, out, seeds))
    append(run.folder.ledger, entry)
