"""Begin a search, or take it up again: every check before the first token, then its run folder with the start in it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphs.agent_model import agent_model
from graphs.evaluation.prepare_node import check_tasks
from graphs.inner_agent import run_file
from graphs.inner_agent.ceilings import check_prices, read_prices
from graphs.inner_agent.context import SettingsError, default_scaffold, episode_settings
from graphs.reviewer.check import check_machine, check_place
from graphs.reviewer.context import Context
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.gate import Rule, reachable
from graphs.reviewer.search import FREE, Search, read_search, search_settings
from graphs.reviewer.state import Input
from graphs.taking_up import anew, check_vacant, differs, play_on
from scaffolds import Scaffold
from scaffolds.folder import resolve
from traces import read_run, write_run
from traces.folders import disk_failure
from traces.plain_json import write_file


def lay_out(given: Input, context: Context | None) -> Search:
    """The search that `given` asks for, its run folder written. Raises our errors, and then nothing is written."""
    settings, asked = search_settings(given, context)
    run_file.check_place(given["out"])
    folder = SearchFolder(Path(given["out"]))
    if read_run(folder) is not None:
        if not given.get("resume"):
            raise SettingsError(f"{folder.path} holds a search already: give `resume` to go on with it.")
        search = _taken_up(read_search(folder.path), given, asked)
        _check(search, str(folder.version(0)))
        plain = search.plain()
        found = read_run(folder)
        if found is not None and found["configuration"] != plain:
            write_file(folder.run, {**found, "configuration": plain})
        return search
    if not folder.version(0).exists():  # it is where a search was killed while it was laid out
        check_vacant(folder.path, "search")
    scaffold = str(resolve(asked.scaffold or default_scaffold(settings["world"])))
    search = Search(folder=folder, context=replace(asked, scaffold=scaffold), digest="", **settings)
    search = replace(search, digest=_check(search, scaffold).digest)
    copy_scaffold(Path(scaffold), folder.version(0))
    write_run(folder, search.plain())
    return search


def warnings(search: Search) -> list[str]:
    """What will not work out, though nothing is wrong: told before the search begins."""
    said = []
    if search.rule is Rule.PAIRED:
        closed = reachable(len(search.pairs(search.seeds)), search.confidence, search.attempts_total)
        said += [closed] if closed else []
    if not search.holdout_seeds:
        said.append("Without `holdout_seeds` the gain is reported on the seeds it was selected on, luck included.")
    if len(search.pairs(search.seeds)) == 1:
        said.append("One episode is all the gate sees: its score says next to nothing about the next seed.")
    return said


def copy_scaffold(source: Path, target: Path) -> None:
    """Copy a scaffold so that `target` is there whole or not at all. TraceFailure where the disk refuses."""
    beside = target.with_name(f"{target.name}.tmp")
    loaded = Scaffold.load(source)
    try:
        for left in (beside, target):
            shutil.rmtree(left, ignore_errors=True)
        loaded.copy(beside)
        beside.rename(target)
    except OSError as error:
        raise disk_failure("write", target, error) from error


def _check(search: Search, scaffold: str) -> Scaffold:
    """Load and build all that the search needs. Raises our errors."""
    check_place(search.folder.path)
    check_machine()
    play = search.context.play(scaffold=scaffold)
    given: dict[str, Any] = {"world": search.world, "model": search.model, "seed": search.seeds[0]}
    settings = episode_settings({**given, "task": search.tasks[0]}, play)
    loaded = check_tasks(settings, search.tasks)
    agent_model(search.reviewer_model, "reviewer", search.world, search.context.reviewer_base_url)
    models = {search.model, search.context.gameplay_model or search.model, search.reviewer_model}
    for ceilings in (search.ceilings, search.attempt_ceilings):
        check_prices(ceilings, read_prices(search.context.prices), models)
    return loaded


def _taken_up(kept: Search, given: Input, asked: Context) -> Search:
    """The search as it was begun, with what may be changed as it is asked for now. SettingsError for the rest."""
    changes: dict[str, Any] = {}
    for name in Input.__annotations__:
        was = getattr(kept, name, None)
        value = anew(was, given.get(name))
        if name in ("out", "resume") or value == was:
            continue
        if name not in FREE:
            raise differs(kept.folder.path, "search", name, was, value)
        changes[name] = value
    play = play_on(
        kept.context, asked, digest=kept.digest, own_free="reviewer_base_url", folder=kept.folder.path, what="search"
    )
    return replace(kept, context=play, **changes)
