"""The nodes that measure an adapter: EVALUATE, RECORD, CONTROLS, APPROVE_FINAL, FINAL, FINISH."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import orjson
from langgraph.types import Command

from graphs.curator.evaluating import (
    BASE,
    BOTH,
    RANDOM,
    Row,
    append,
    by_specialist,
    evaluation,
    play_episodes,
    progression,
    rows,
    write_table,
)
from graphs.curator.folders import LETTERS, IterationFolder
from graphs.curator.players import specialist_of
from graphs.curator.position import NOTHING, SPECIALIST, budgets, winner
from graphs.curator.run import Specialization
from graphs.curator.state import State
from graphs.curator.train_nodes import train_one
from graphs.curator.workspace import recipe_of, reused
from graphs.evaluation.playing import EvaluationJob
from graphs.events import emit
from graphs.outer_loop import approved
from graphs.settings import Context
from graphs.spending import CeilingReached, check_all
from training import TrainingError
from training.candidates import read_candidates
from training.certificate import build_dataset, certify
from training.dataset import read_dataset
from training.ledger import LedgerEntry
from training.metrics import Metrics, read_metrics
from training.recipe import LoraConfiguration, Recipe
from training.selection import Policy, Quotas, select


async def evaluate(state: State, run: Specialization) -> Command[Literal["record", "finish"]]:
    """The specialist keeps LOG and the consulting half of PLAN; the gameplay model commits the action."""
    folder = run.folder.iteration(state["iteration"])
    recipe = await asyncio.to_thread(recipe_of, folder)
    for letter, _ in zip(LETTERS, recipe.configurations, strict=False):
        name, adapter, out = f"{state['iteration']}{letter}", folder.adapter(letter), folder.evaluation(letter)
        job = await asyncio.to_thread(by_specialist, run, name, adapter, out, run.validation_seeds)
        await play_episodes(run, job, adapter)
    return Command(goto="record")


def record(state: State, run: Specialization) -> Command[Literal["next_iteration"]]:
    """Write the lines of the iteration that is over."""
    number = state["iteration"]
    if state["reason"]:
        append(run, LedgerEntry(run=str(number), iteration=number, role=NOTHING, note=state["reason"]))
        return Command(goto="next_iteration")
    folder = run.folder.iteration(number)
    recipe = recipe_of(folder)
    for letter, configuration in zip(LETTERS, recipe.configurations, strict=False):
        entry = LedgerEntry(
            run=f"{number}{letter}",
            iteration=number,
            role=SPECIALIST,
            data_source=_source(run, number, recipe),
            note=recipe.rationale,
            artifacts=_artifacts(run, folder, letter),
            **trained(folder, letter, configuration),
            **progression(run, folder.evaluation(letter), run.validation_seeds),
        )
        append(run, entry)
    return Command(goto="next_iteration")


def trained(folder: IterationFolder, letter: str, configuration: LoraConfiguration) -> dict[str, Any]:
    """The fields of a ledger's line that a training fills."""
    metrics = read_metrics(folder.adapter(letter))
    assert isinstance(metrics, Metrics), "a training that was evaluated has finished"
    return {
        "configuration": configuration,
        "examples": metrics.dataset.rows.kept,
        "first_loss": metrics.first_loss,
        "last_loss": metrics.last_loss,
        "tokens": metrics.tokens_seen,
        "seconds": metrics.seconds,
    }


def _source(run: Specialization, number: int, recipe: Recipe) -> str:
    if recipe.data.source == "reuse":
        return f"reuse of iteration {reused(run, number, recipe.data)}"
    return f"regenerate in iteration {number}"


def _artifacts(run: Specialization, folder: IterationFolder, letter: str) -> dict[str, str]:
    paths = {
        "dataset": folder.dataset,
        "adapter": folder.adapter(letter),
        "evaluation": folder.evaluation(letter).path,
        "selection": folder.path / "selection",
    }
    return {name: run.folder.relative(path) for name, path in paths.items()}


NAME = "random turns"


async def controls(state: State, run: Specialization) -> Command[Literal["approve_final", "finish"]]:
    """Select by chance, cut, certify and train, unless that is done."""
    best = await asyncio.to_thread(winner, run)
    if not run.controls or best is None or best.configuration is None:
        return Command(goto="approve_final")
    folder = run.folder.random_turns
    if read_metrics(folder.adapter(LETTERS[0])) is None:
        await asyncio.to_thread(lambda: check_all(budgets(run)))
    if not folder.certified.exists():
        await asyncio.to_thread(_choose, run, best.examples)
    await train_one(run, NAME, folder, LETTERS[0], best.configuration)
    return Command(goto="approve_final")


def _choose(run: Specialization, count: int) -> None:
    """A dataset of so many turns, chosen by chance among all that post-processing keeps; all, where there are fewer."""
    folder, collect = run.folder.random_turns, run.folder.collect
    everything = list(read_candidates(run.folder.candidates))
    # Twice as many places as candidates, half of them for each routine: no quota is ever full.
    policy = Policy(summary="by chance", total=2 * len(everything), order="random", quotas=Quotas())
    order = list(select(everything, policy, seed=run.seed).chosen)
    kept: list[str] = []
    while order and len(kept) < count:
        drawn, order = order[:count], order[count:]
        made = build_dataset(collect, drawn, folder.dataset, evaluation_seeds=run.never_trained_on)
        sound = {one.id for one in read_dataset(folder.dataset)} if made.examples else set()
        kept += [one for one in drawn if one in sound]
    build_dataset(collect, kept[:count], folder.dataset, evaluation_seeds=run.never_trained_on)
    if faults := certify(folder.dataset, collect, evaluation_seeds=run.never_trained_on):
        raise TrainingError(f"The turns chosen by chance cannot be certified: {faults[0]}")
    folder.selected.parent.mkdir(parents=True, exist_ok=True)
    folder.selected.write_bytes(b"".join(orjson.dumps({"id": one, "why": "by chance"}) + b"\n" for one in kept[:count]))
    folder.certified.write_bytes(orjson.dumps([{"examples": len(kept[:count]), "faults": []}]))


def approve_final(state: State, run: Specialization) -> Command[Literal["final", "finish"]]:
    """Ask before the final table: seeds that were played once can never again be called unseen."""
    best = winner(run)
    if not run.approve or best is None:
        return Command(goto="final")
    facts = {
        "winner": best.run,
        "validation_mean": best.mean,
        "recipe": best.note,
    }
    yes, reason = approved(
        run.folder.answers,
        "final",
        best.run,
        f"Play the final table on {len(run.final_seeds)} seeds that were never played?",
        "The winner and its controls are played on them; they can never be called unseen again.",
        "The run ends with the winner by validation, and the seeds stay unseen.",
        facts,
    )
    if yes:
        return Command(goto="final")
    why = f"{state['reason']} A person refused the final table: {reason or 'no reason was given'}"
    return Command(goto="finish", update={"reason": why})


async def final(state: State, run: Specialization) -> Command[Literal["finish"]]:
    """Play all players, then compare."""
    best = await asyncio.to_thread(winner, run)
    assert best is not None, "next_iteration leads here only with a winner"
    players = await asyncio.to_thread(_players, run, best)
    try:
        for job, adapter in players.values():
            await play_episodes(run, job, adapter)
    except CeilingReached as reached:
        why = f"{state['reason']} The final seeds were not played to their end: {reached}."
        return Command(goto="finish", update={"reason": why, "status": "limited"})
    jobs = {name: job for name, (job, _) in players.items()}
    table = await asyncio.to_thread(_written, run, best, jobs)
    emit("final", winner=best.run, rows=[row.to_plain() for row in table])
    return Command(goto="finish")


def _players(run: Specialization, best: LedgerEntry) -> dict[str, tuple[EvaluationJob, Path | None]]:
    """What each player is to play and the adapter it needs; the base first, with which the others are compared."""

    def play(player: str, model: str, context: Context) -> EvaluationJob:
        return evaluation(run, f"final {player}", run.folder.final(player), run.final_seeds, model, context)

    adapter = run.folder.path / best.artifacts["adapter"]
    specialist, beside = specialist_of(run.base, adapter), run.with_specialist(run.gameplay)
    players: dict[str, tuple[EvaluationJob, Path | None]] = {
        BASE: (play(BASE, run.base, run.context.evaluating(run.gameplay)), None),
        SPECIALIST: (play(SPECIALIST, specialist, beside), adapter),
    }
    if run.controls:
        by_chance = run.folder.random_turns.adapter(LETTERS[0])
        players[RANDOM] = play(RANDOM, specialist_of(run.base, by_chance), beside), by_chance
        players[BOTH] = play(BOTH, specialist, run.with_specialist(specialist)), adapter
    return players


def _written(run: Specialization, best: LedgerEntry, players: dict[str, EvaluationJob]) -> list[Row]:
    table = rows(run, {name: (one.given["model"], str(one.context.gameplay_model)) for name, one in players.items()})
    write_table(run, table, best.run)
    for player in players:
        out = run.folder.final(player)
        entry = LedgerEntry(
            run=f"final {player}",
            iteration=best.iteration,
            role=f"final {player}",
            artifacts={"evaluation": run.folder.relative(out.path)},
            **progression(run, out, run.final_seeds),
        )
        append(run, entry)
    return table


def finish(state: State, run: Specialization) -> Command[Literal["__end__"]]:
    """Report how the run ended. One that is resumed with a higher budget ends again."""
    best = winner(run)
    adapter = str(run.folder.path / best.artifacts["adapter"]) if best else None
    ended = state["reason"] or "The final table is written."
    emit("ended", winner=best.run if best else None, adapter=adapter, reason=ended)
    status = "limited" if state["status"] == "limited" else "finished"
    update = {"winner": best.run if best else None, "adapter": adapter, "status": status, "ended": ended}
    return Command(goto="__end__", update=update)
