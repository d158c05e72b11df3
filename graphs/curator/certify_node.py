"""CERTIFY: the dataset is cut from the traces and examined; one with faults, or too small, is never trained on."""

from __future__ import annotations

from typing import Any, Literal

from langgraph.types import Command

from graphs.curator.events import tell
from graphs.curator.folders import IterationFolder
from graphs.curator.selected import recipe_of, selected_ids
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.state import State
from traces.plain_json import read_file, write_file
from training.certificate import build_dataset
from training.certificate import certify as examine
from training.dataset import dataset_digest

REPAIRS = 3
"""Times that a curator is sent back what cannot be trained on; after that its iteration ends without a training."""
FAULTS_TOLD = 10
"""Faults that the curator is told one by one."""


def certify(state: State) -> Command[Literal["approve", "curate", "record"]]:
    """Build and examine this round's dataset, unless that is done."""
    run = read_specialization(state["out"])
    folder = run.folder.iteration(state["iteration"])
    tries = attempts(folder)
    if len(tries) <= state["round"]:
        tries = [*tries, _examined(run, state["iteration"])]
        write_file(folder.certified, tries)
        told = {name: tries[-1][name] for name in ("examples", "dropped", "faults")}
        tell("certified", iteration=state["iteration"], **told)
    faults = wrong(tries[state["round"]])
    return send_back(state, faults) if faults else Command(goto="approve")


def attempts(folder: IterationFolder) -> list[dict[str, Any]]:
    """What each round's certification found, and whether its training was refused."""
    found: list[dict[str, Any]] = read_file(folder.certified) if folder.certified.exists() else []
    return found


def wrong(attempt: dict[str, Any]) -> list[str]:
    """Why one round's dataset and recipe cannot be trained with; nothing if they can."""
    return [*attempt["faults"], *attempt.get("refused", [])]


def sent_back(folder: IterationFolder, rounds: int) -> list[str]:
    """What the curator was told after each of the first rounds."""
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
