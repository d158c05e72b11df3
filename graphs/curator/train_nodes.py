"""The nodes from turns to an adapter: CURATE, CERTIFY, APPROVE, TRAIN."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

from langgraph.types import Command

from graphs.agent.loop import agent_model
from graphs.agent.tools import watched
from graphs.curator import curate as curating
from graphs.curator.curate import Curation, Task
from graphs.curator.folders import LETTERS, IterationFolder
from graphs.curator.position import budgets, curator_limits, earlier
from graphs.curator.run import Specialization, no_language_model
from graphs.curator.state import State
from graphs.curator.training import train as run_training
from graphs.curator.workspace import Workspace, recipe_of, selected_ids
from graphs.events import emit
from graphs.outer_loop import approved, read_rounds
from graphs.spending import check_all
from traces.plain_json import write_file
from training import TrainingError
from training.certificate import build_dataset
from training.certificate import certify as examine
from training.dataset import dataset_digest
from training.recipe import LoraConfiguration


async def curate(state: State, run: Specialization) -> Command[Literal["certify", "record", "finish"]]:
    """Run the curator, unless this round has ended already; one that was interrupted goes on where it stopped."""
    iteration, asked = state["iteration"], state["round"]
    folder = run.folder.iteration(iteration)
    done = await asyncio.to_thread(read_rounds, folder.curations)
    if len(done) > asked and done[asked]["finished"]:
        return Command(goto="certify")
    ended = await _curate(run, iteration, asked)
    kept = {"finished": ended.recipe is not None, "reason": ended.reason}
    await asyncio.to_thread(write_file, folder.curations, [*done[:asked], kept])
    emit("curated", iteration=iteration, **kept)
    if ended.recipe is None:
        await asyncio.to_thread(lambda: check_all(budgets(run)))
        why = f"The curator did not come to an end: {ended.reason}."
        return Command(goto="record", update={"reason": why})
    return Command(goto="certify")


async def _curate(run: Specialization, iteration: int, asked: int) -> Curation:
    folder, before = run.folder.iteration(iteration), await asyncio.to_thread(earlier, run, iteration)
    limits = await asyncio.to_thread(curator_limits, run, folder.transcript)
    workspace = await asyncio.to_thread(_workspace, run, folder, before)
    faults = await asyncio.to_thread(sent_back, folder, asked)
    task = Task(
        iteration=iteration,
        iterations=run.iterations,
        player=f"{run.model}{no_language_model(run.model)}",
        base=run.base,
        gameplay=f"{run.gameplay}{no_language_model(run.gameplay)}",
        minimum=run.minimum_examples,
        recipe=Path(run.recipe).stem,
        start=run.start,
    )
    model = await asyncio.to_thread(agent_model, run.curator_model, "curator", run.world, run.context.curator_base_url)
    emit("curating", iteration=iteration, round=asked, faults=faults[-1:])
    paths = {number: one.path for number, one in before.items()}
    name = f"iteration {iteration}"
    return await watched(
        name,
        f"curate {name}",
        lambda: curating.curate(workspace, task, run.folder.ledger, paths, model, limits, faults),
    )


def _workspace(run: Specialization, folder: IterationFolder, before: dict[int, IterationFolder]) -> Workspace:
    """The workspace of an iteration; the first begins with the policy of the run, a later one with that of the last."""
    selection = folder.path / "selection"
    if before and not (selection / "policy.toml").exists():
        selection.mkdir(parents=True, exist_ok=True)
        last = before[max(before)].path / "selection"
        for name in ("policy.py", "policy.toml"):  # the one whose presence is looked for comes last
            if (last / name).exists():
                (selection / name).write_bytes((last / name).read_bytes())
    start = run.start_policy
    return Workspace(folder.path, run.folder.collect, run.folder.candidates, seed=run.seed, policy=start)


REPAIRS = 3
"""Times that a curator is sent back what cannot be trained on; after that its iteration ends without a training."""
FAULTS_TOLD = 10
"""Faults that are listed for the curator one by one."""


def certify(state: State, run: Specialization) -> Command[Literal["approve", "curate", "record"]]:
    """Build and examine this round's dataset, unless that is done."""
    folder = run.folder.iteration(state["iteration"])
    tries = attempts(folder)
    if len(tries) <= state["round"]:
        tries = [*tries, _examined(run, state["iteration"])]
        write_file(folder.certified, tries)
        found = {name: tries[-1][name] for name in ("examples", "dropped", "faults")}
        emit("certified", iteration=state["iteration"], **found)
    faults = wrong(tries[state["round"]])
    return send_back(state, faults) if faults else Command(goto="approve")


def attempts(folder: IterationFolder) -> list[dict[str, Any]]:
    """What each round's certification found, and whether its training was refused."""
    return read_rounds(folder.certified)


def wrong(attempt: dict[str, Any]) -> list[str]:
    """Why one round's dataset and recipe cannot be trained with; nothing if they can."""
    return [*attempt["faults"], *attempt.get("refused", [])]


def sent_back(folder: IterationFolder, rounds: int) -> list[str]:
    """The faults that went back to the curator after each of the first rounds."""
    return ["\n".join(wrong(one)[:FAULTS_TOLD]) for one in attempts(folder)[:rounds]]


def send_back(state: State, faults: list[str]) -> Command[Any]:
    """Back to the curator, or, after REPAIRS times, the end of the iteration."""
    if state["round"] >= REPAIRS:
        why = f"After {REPAIRS} repairs there is still: {faults[0]}"
        return Command(goto="record", update={"reason": why})
    return Command(goto="curate", update={"round": state["round"] + 1})


def _examined(run: Specialization, iteration: int) -> dict[str, Any]:
    folder = run.folder.iteration(iteration)
    recipe = recipe_of(folder)
    ids = selected_ids(run, iteration, recipe)
    report = build_dataset(run.folder.collect, ids, folder.dataset, evaluation_seeds=run.never_trained_on)
    least = max(run.minimum_examples, recipe.data.minimum_examples)
    faults = []
    if report.examples < least:
        lost = ", ".join(f"{number} {why}" for why, number in report.dropped.most_common()) or "nothing was dropped"
        faults.append(
            f"{report.examples} examples are left of {report.selected} selected ({lost}); at least {least} are needed."
        )
    else:
        faults += examine(folder.dataset, run.folder.collect, evaluation_seeds=run.never_trained_on)
    return {
        "examples": report.examples,
        "selected": report.selected,
        "dropped": dict(report.dropped),
        "faults": faults,
        "digest": dataset_digest(folder.dataset),
    }


def approve(state: State, run: Specialization) -> Command[Literal["train", "record"]]:
    """Ask before an iteration's trainings. A refusal ends the iteration; the ledger keeps its reason."""
    if not run.approve:
        return Command(goto="train")
    number = state["iteration"]
    folder = run.folder.iteration(number)
    recipe, found = recipe_of(folder), attempts(folder)[-1]
    facts = {
        "recipe": recipe.model_dump(mode="json"),
        "examples": found["examples"],
        "dropped": found["dropped"],
        "selection_logic": run.folder.relative(folder.path / "selection" / "selection_logic.md"),
    }
    yes, reason = approved(
        folder.answers,
        "train",
        f"{found['digest']}/{recipe.model_dump_json()}",
        f"Train iteration {number} of {run.iterations}?",
        f"{found['examples']} examples are trained on by this recipe, and the specialist is played.",
        "The iteration ends without a training; your reason is kept in the ledger, for the curator to read.",
        facts,
    )
    if yes:
        return Command(goto="train")
    why = f"A person refused to have it trained: {reason or 'no reason was given'}"
    return Command(goto="record", update={"reason": why})


async def train(state: State, run: Specialization) -> Command[Literal["evaluate", "curate", "record", "finish"]]:
    """Train what is not trained yet. What the script refuses goes back to the curator, in the script's words."""
    folder = run.folder.iteration(state["iteration"])
    recipe = await asyncio.to_thread(recipe_of, folder)
    try:
        for letter, configuration in zip(LETTERS, recipe.configurations, strict=False):
            await asyncio.to_thread(lambda: check_all(budgets(run)))
            await train_one(run, f"{state['iteration']}{letter}", folder, letter, configuration)
    except TrainingError as error:
        await asyncio.to_thread(_refuse, folder, str(error))
        emit("refused", iteration=state["iteration"], reason=str(error))
        return send_back(state, [str(error)])
    return Command(goto="evaluate")


async def train_one(
    run: Specialization, name: str, folder: IterationFolder, letter: str, configuration: LoraConfiguration
) -> None:
    """One training of a folder's dataset. TrainingError or TrainingFailure."""
    emit("training", name=name, line=f"rank {configuration.rank}, learning rate {configuration.learning_rate:g}")
    metrics = await run_training(
        run, folder.dataset, configuration, folder.adapter(letter), lambda line: emit("training", name=name, line=line)
    )
    emit(
        "trained",
        name=name,
        examples=metrics.dataset.rows.kept,
        first_loss=metrics.first_loss,
        last_loss=metrics.last_loss,
        steps=metrics.steps,
        seconds=metrics.seconds,
    )


def _refuse(folder: IterationFolder, sentence: str) -> None:
    """Note it with the round it belongs to, and set its adapters aside: the next round may train others there."""
    tries = attempts(folder)
    tries[-1]["refused"] = [sentence]
    write_file(folder.certified, tries)
    if folder.adapters.exists():
        folder.adapters.rename(folder.path / f"adapters-refused-{len(tries)}")
