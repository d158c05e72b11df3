"""One search: its settings, checked before the first token, kept in evolve.json; begun or resumed."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from graphs import settings as inner_agent
from graphs.agent.loop import agent_model
from graphs.evaluation.nodes import check_tasks
from graphs.evaluation.state import Input as EvaluationInput
from graphs.evaluation.statistics import Pair
from graphs.fields import SERVER, defaults_of, shown
from graphs.inner_agent import run_file
from graphs.outer_loop import anew, check_vacant, differs, play_on, reading
from graphs.reviewer.check import check_machine, check_place
from graphs.reviewer.folders import SearchFolder
from graphs.reviewer.gate import Rule, reachable
from graphs.reviewer.state import Input
from graphs.settings import (
    SettingsError,
    asked_for,
    check_input,
    check_least,
    check_tasks_of,
    default_scaffold,
    episode_settings,
    validated,
)
from graphs.spending import check_prices, parse_ceilings, read_prices
from scaffolds import Scaffold
from scaffolds.folder import resolve
from traces import RunFolder, read_run, write_run
from traces.folders import disk_failure
from traces.plain_json import write_file
from worlds import world_entry


@dataclass(kw_only=True, frozen=True)
class Context(inner_agent.Context):
    """How episodes are played, the same for every candidate; and the reviewer's server. Holds no secrets."""

    reviewer_base_url: Annotated[
        str | None,
        shown("Reviewer base URL", "OpenAI-compatible server of `reviewer_model`, with /v1.", example=SERVER),
    ] = None

    def play(self, *, scaffold: str, sampling: int = 0) -> inner_agent.Context:
        """The part of it that concerns episodes, for another scaffold; `sampling` other than 0 samples anew."""
        own = {one.name: getattr(self, one.name) for one in fields(inner_agent.Context)}
        return inner_agent.Context(**{**own, "scaffold": scaffold, "sampling": sampling})


FREE = ("approve", "ceilings", "attempt_ceilings", "concurrency")
"""What may differ when a search goes on: what it may spend and who is asked. How many attempts it may make is not: the
gate's error budget was spread over them."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search."""

    folder: SearchFolder
    context: Context
    digest: str
    """Of the start scaffold."""
    world: str
    model: str
    reviewer_model: str
    tasks: list[str]
    seeds: list[int]
    holdout_seeds: list[int]
    versions: int
    attempts: int
    continuations: int
    gate: str
    confidence: float
    reevaluate_incumbent: bool
    approve: bool
    seed: int
    ceilings: dict[str, float]
    attempt_ceilings: dict[str, float]
    concurrency: int

    @property
    def attempts_total(self) -> int:
        """Attempts the search may make at most: the gate's error budget is spread over them."""
        return self.versions * self.attempts * (1 + self.continuations)

    def pairs(self, seeds: list[int]) -> list[Pair]:
        """Every task with each of these seeds."""
        return [(task, seed) for task in self.tasks for seed in seeds]

    @property
    def rule(self) -> Rule:
        """The gate's rule."""
        return Rule(self.gate)

    def plain(self) -> dict[str, Any]:
        """As evolve.json keeps it."""
        apart = ("folder", "context", "digest")
        own = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in apart}
        play = dataclasses.asdict(self.context)
        return {"search": own, "settings": play, "scaffold_digest": self.digest}

    def evaluation(self, out: RunFolder, seeds: list[int], ceilings: dict[str, float]) -> EvaluationInput:
        """The input of an evaluation of any scaffold of this search; begun or finished ones are gone on with."""
        return EvaluationInput(
            world=self.world,
            tasks=self.tasks,
            seeds=seeds,
            model=self.model,
            out=str(out.path),
            concurrency=self.concurrency,
            resume=True,
            ceilings=ceilings,
        )


def read_search(out: str | Path) -> Search:
    """The search in a run folder. SettingsError if there is none."""
    folder = SearchFolder(Path(out))
    found = read_run(folder)
    if found is None:
        raise SettingsError(f"{folder.path} holds no search: there is no {folder.run.name} in it.")
    known = {one.name for one in dataclasses.fields(Context)}
    with reading(folder.run):
        kept = found["configuration"]
        context = Context(**{name: value for name, value in kept["settings"].items() if name in known})
        return Search(folder=folder, context=context, digest=kept["scaffold_digest"], **kept["search"])


def search_settings(given: Input, context: Context | None) -> tuple[dict[str, Any], Context]:
    """The fields of `Search` that `given` asks for, and the context, checked. Raises SettingsError or UnknownWorld."""
    check_input(Input, given)
    entry = world_entry(given["world"])
    settings = asked_for(Input, given, {**defaults_of(Input), "tasks": list(entry.tasks), "seeds": list(entry.seeds)})
    settings["gate"] = str(settings["gate"])
    check_tasks_of(entry, settings["tasks"])
    for name in ("seeds", "holdout_seeds"):
        values = settings[name]
        if len(set(values)) != len(values):
            raise SettingsError(f"The {name} name one twice: {', '.join(map(str, values))}.")
    if not settings["seeds"]:
        raise SettingsError("A search needs at least one seed to judge by.")
    if shared := sorted(set(settings["seeds"]) & set(settings["holdout_seeds"])):
        raise SettingsError(
            f"The seed {shared[0]} is both a gate seed and a hold-out seed: a hold-out seed must never have been "
            "played before the end, so give `holdout_seeds` that `seeds` does not name."
        )
    _check_numbers(settings)
    context = validated(context or Context())
    if context.trust_scaffold_code:
        raise SettingsError("A search runs code that nobody has read, a reviewer's: leave `trust_scaffold_code` out.")
    return settings, context


def _check_numbers(settings: dict[str, Any]) -> None:
    check_least(settings, versions=1, attempts=1, continuations=0, seed=0, concurrency=1)
    if wrong := [seed for seed in (*settings["seeds"], *settings["holdout_seeds"]) if seed < 0]:
        raise SettingsError(f"A seed is a whole number of at least 0, not {wrong[0]}.")
    if not 0.5 <= settings["confidence"] < 1:
        raise SettingsError(f"The confidence lies between 0.5 and 1 (1 excluded), not at {settings['confidence']}.")
    for name in ("ceilings", "attempt_ceilings"):
        parse_ceilings(settings[name])


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
