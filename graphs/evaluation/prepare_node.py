"""PREPARE: check every setting and lay out the run folder before the first token is paid for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from langgraph.runtime import Runtime

from graphs.evaluation.state import Episode, Input, State
from graphs.inner_agent.ceilings import check_prices, parse_ceilings, read_prices
from graphs.inner_agent.context import Context, EpisodeSettings, SettingsError, episode_settings
from graphs.inner_agent.opening import check
from graphs.inner_agent.run_file import begin_run, check_place
from graphs.input_types import check_input, check_least
from graphs.taking_up import check_vacant
from scaffolds import Scaffold
from traces import RunFolder
from traces.folders import disk_failures
from worlds import MissingEngine, UnknownWorld, world_entry


def prepare(state: State, runtime: Runtime[Context]) -> dict[str, object]:
    """The plan: every task with every seed. Raises our errors: settings, scaffold, world, model, folder in use."""
    with disk_failures():
        return _prepared(state, runtime.context)


def _prepared(state: State, context: Context | None) -> dict[str, object]:
    check_input(Input, state)
    if not state["out"].strip():
        raise SettingsError("The input out must name a folder, not be empty.")
    if state.get("concurrency") is not None:
        check_least(state, concurrency=1)
    entry = world_entry(state["world"])
    tasks = list(state.get("tasks") or entry.tasks)
    seeds = list(state.get("seeds") or entry.seeds)
    plan = [Episode(task=task, seed=seed) for task in tasks for seed in seeds]
    for name, values in (("task", tasks), ("seed", seeds)):
        if len(set(values)) != len(values):
            raise SettingsError(f"A {name} is listed twice: {', '.join(map(str, values))}.")
    if unknown := [task for task in tasks if task not in entry.tasks]:
        raise UnknownWorld(f"World {entry.name!r} has no task {unknown[0]!r}; it has {', '.join(entry.tasks)}.")
    settings = episode_settings({**state, **plan[0]}, context)
    for seed in seeds:
        episode_settings({**state, "task": tasks[0], "seed": seed}, context)
    scaffold = check_tasks(settings, tasks)
    models = {settings.model, settings.gameplay_model or settings.model}
    check_prices(parse_ceilings(state.get("ceilings")), read_prices(settings.prices), models)
    check_place(state["out"])
    run = RunFolder(Path(state["out"]))
    if not run.run.exists():
        check_vacant(run.path, "run", unfinished=f"{run.run.name}.tmp")
    if run.run.exists() and not state.get("resume"):
        raise SettingsError(f"{run.path} holds a run already: give `resume` to go on with it, or another `out`.")
    max_steps = settings.max_steps or entry.max_steps
    effective = {"effective_max_steps": max_steps, "effective_dialect": settings.dialect or scaffold.settings.dialect}
    plan_kept = {"world": entry.name, "tasks": tasks, "seeds": seeds, "protocol": state.get("protocol"), **effective}
    begin_run(run, settings, scaffold.digest, **plan_kept)
    common = dataclasses.asdict(settings)
    return {"plan": plan, "settings": common, "results": []}


def check_tasks(settings: EpisodeSettings, tasks: list[str]) -> Scaffold:
    """Check with the first task that can be played; those that cannot (levels missing, say) fail one by one later."""
    for task in tasks[:-1]:
        try:
            return check(dataclasses.replace(settings, task=task))
        except MissingEngine:
            continue
    return check(dataclasses.replace(settings, task=tasks[-1]))
