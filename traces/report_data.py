"""What a report says of an evaluation: scores with failures apart, behaviour by definition, cost, what is missing.

Everything is read from the episodes' results, so that a run that is still being played can be reported, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from traces.effects import Effect, MemoryKind, dropped, read_effects
from traces.folders import RunFolder, TraceDamaged
from traces.health import HEALTH
from traces.records import EpisodeResult, ServerUse, total_tokens, total_use
from traces.run_file import read_run
from traces.summary import Figures, mean_and_error, read_results, score
from traces.under_way import Counting, UnderWay

Pair = tuple[str, int]
"""A task and a seed."""

BEHAVIOUR = (
    "unproductive_action_rate",
    "missing_action_rate",
    "invalid_action_rate",
    "redundant_write_rate",
    "empty_search_rate",
    "prompt_tokens_per_step",
    "prompt_characters_per_step",
    "log_writes_per_search",
    "writes_per_search",
)
"""Metrics (`traces.metrics`) of how a notebook is used; less is better in all of them."""


@dataclass(frozen=True, slots=True)
class Score:
    """Progression in percent: over the finished episodes, and with the failed and damaged ones as 0."""

    mean: float | None
    error: float | None
    """Standard error: population standard deviation / sqrt(n)."""
    mean_with_zeros: float | None
    error_with_zeros: float | None
    finished: int
    """Episodes with a score; those that a ceiling stopped among them."""
    failed: int = 0
    damaged: int = 0
    """Their files are not what they were: they count as 0 where failed ones do."""
    limited: int = 0
    """Stopped by a ceiling: they count with what they had reached, which can only be too little."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the episodes took, failed ones too."""

    model_calls: int
    prompt: int | None
    """Tokens; None where a server did not report some of them. The next two likewise."""
    completion: int | None
    cached: int | None
    dollars: float | None
    """None where a model has no price."""
    wall_s: float
    """Seconds of all episodes added up; they may have been played side by side."""
    steps: int
    dollars_so_far: bool = False
    """Whether `dollars` leaves out what episodes without a result have cost."""


@dataclass(frozen=True, slots=True)
class Played:
    """The episodes of one run in one world."""

    run: RunFolder
    world: str
    configuration: dict[str, Any]
    """Of run.json."""
    planned: tuple[Pair, ...]
    """In order of task and seed; what ended where the run has no plan (episodes that were begun one by one)."""
    results: tuple[EpisodeResult, ...]
    """Of the episodes that ended."""
    effects: tuple[Effect, ...] = ()
    """Of their writes and recalls that were measured, each left out (`automem counterfactual`)."""
    under_way: tuple[UnderWay, ...] = ()
    """Episodes that are being played, or were stopped: in no score, but counted in `cost`."""

    def count(self, kind: MemoryKind) -> int | None:
        """The writes or recalls of all episodes that ended, those that changed or found nothing included; None if
        unknown."""
        if kind == "write":
            counts = [(one.metrics.get("writes"), 1) for one in self._measured]
        else:
            counts = [(one.metrics.get("recalls_per_step"), one.steps) for one in self._measured]
        known = [round(number * times) for number, times in counts if number is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def missing(self) -> int:
        """Planned episodes that have not ended."""
        return len(set(self.planned) - {(one.task, one.seed) for one in self.results})

    @property
    def score(self) -> Score:
        """Over all tasks."""
        return score_of(self.results)

    @property
    def by_task(self) -> dict[str, Score]:
        """The same by task, in order."""
        tasks = dict.fromkeys(task for task, _ in self.planned)
        return {task: score_of([one for one in self.results if one.task == task]) for task in tasks}

    @property
    def failed(self) -> list[EpisodeResult]:
        """What a failure of the machine ended."""
        return [one for one in self.results if one.status == "failed"]

    @property
    def damaged(self) -> list[EpisodeResult]:
        """Whose files are not what they were."""
        return [one for one in self.results if one.status == "damaged"]

    @property
    def unverifiable(self) -> int:
        """Episodes whose results, of an earlier version, hold nothing to compare their files with."""
        return sum(not one.verifiable for one in self.results if one.scored)

    @property
    def progressions(self) -> dict[Pair, float]:
        """What each episode that ended reached, in [0, 1]; failed ones 0. Damaged ones are not in it."""
        sound = (one for one in self.results if one.status != "damaged")
        return {(one.task, one.seed): one.progression if one.scored else 0.0 for one in sound}

    @property
    def metrics_versions(self) -> list[int]:
        """By which definitions its episodes were measured."""
        found = {one.metrics.get("metrics_version") for one in self._measured}
        return sorted(version for version in found if isinstance(version, int))

    def behaviour(self, version: int) -> dict[str, Figures]:
        """Mean, standard error and n of BEHAVIOUR and HEALTH, over the episodes measured by this version."""
        of_version = [one.metrics for one in self._measured if one.metrics.get("metrics_version") == version]
        return {
            name: mean_and_error([metrics[name] for metrics in of_version if metrics.get(name) is not None])
            for name in (*BEHAVIOUR, *HEALTH)
        }

    @property
    def cost(self) -> Cost:
        """Of all episodes that ended, and of the others as far as they have recorded steps."""
        dollars = [one.cost for one in self.results]
        known = [one for one in dollars if one is not None]
        played: list[EpisodeResult | UnderWay] = [*self.results, *self.under_way]
        tokens = total_tokens(one.tokens for one in played)
        return Cost(
            model_calls=sum(one.model_calls for one in played),
            prompt=tokens["prompt"],
            completion=tokens["completion"],
            cached=tokens["cached"],
            dollars=sum(known) if known and len(known) == len(dollars) else None,
            wall_s=sum(one.wall_s for one in played),
            steps=sum(one.steps for one in played),
            dollars_so_far=any(one.model_calls for one in self.under_way),
        )

    @property
    def servers(self) -> dict[str, ServerUse]:
        """Of all episodes that ended, what each of several servers did, by base URL."""
        return dict(sorted(total_use(one.servers for one in self.results).items()))

    @property
    def _measured(self) -> list[EpisodeResult]:
        return [one for one in self.results if one.scored]


def read_played(run: RunFolder, counting: Counting | None = None) -> list[Played]:
    """The evaluation in a run folder, by world: one, unless its episodes were begun one by one in several.

    Empty where there is no run.json. `counting` keeps what it has counted of episodes without a result, for readers
    that ask again. Raises TraceFailure or TraceDamaged.
    """
    found = read_run(run)
    if found is None:
        return []
    configuration = found.get("configuration")
    if not isinstance(configuration, dict):
        raise TraceDamaged(f"{run.run} holds no configuration: restore it from a backup")
    results = sorted(read_results(run), key=lambda one: (one.world, one.task, one.seed))
    others = (counting or Counting()).read(run.episodes())
    plan = _plan(run, configuration)
    worlds = {one.world for one in results} | {one.world for one in others}
    worlds |= {configuration["world"]} if plan else set()
    played = [_of_world(run, world, configuration, plan, results) for world in sorted(worlds)]
    return [replace(one, under_way=tuple(each for each in others if each.world == one.world)) for one in played]


def score_of(results: Sequence[EpisodeResult]) -> Score:
    """The score of these episodes."""
    figures = score(results)
    return Score(
        mean=figures["mean"],
        error=figures["se"],
        mean_with_zeros=figures["mean_failures_zero"],
        error_with_zeros=figures["se_failures_zero"],
        finished=int(figures["n"] or 0),
        failed=int(figures["n_failed"] or 0),
        damaged=int(figures["n_damaged"] or 0),
        limited=sum(one.status == "limited" for one in results),
    )


def seed_words(seeds: Iterable[int]) -> str:
    """Seeds in short: "0–4, 7"."""
    stretches: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if stretches and seed == stretches[-1][-1] + 1:
            stretches[-1].append(seed)
        else:
            stretches.append([seed])
    return ", ".join(f"{one[0]}–{one[-1]}" if len(one) > 2 else ", ".join(map(str, one)) for one in stretches)


def _of_world(
    run: RunFolder, world: str, configuration: dict[str, Any], plan: list[Pair], results: Sequence[EpisodeResult]
) -> Played:
    own = tuple(one for one in results if one.world == world)
    planned = plan if plan and world == configuration["world"] else [(one.task, one.seed) for one in own]
    effects = [read_effects(run.episode(world, one.task, one.seed)) for one in own if one.scored]
    measured = tuple(effect for found in effects for effect in dropped(found).values())
    return Played(run, world, configuration, tuple(planned), own, measured)


def _plan(run: RunFolder, configuration: dict[str, Any]) -> list[Pair]:
    """What was to be played; nothing where the episodes were begun one by one."""
    world, tasks, seeds = (configuration.get(name) for name in ("world", "tasks", "seeds"))
    if world is None:
        return []
    if not (isinstance(world, str) and isinstance(tasks, list) and isinstance(seeds, list)):
        raise TraceDamaged(f"{run.run} does not say which tasks and seeds were to be played: restore it from a backup")
    return [(str(task), int(seed)) for task in tasks for seed in seeds]


def who(model: str, gameplay_model: str | None = None) -> str:
    """The models that made the figures, and that `scripted` is none."""
    names = [name + (" (no language model)" if name == "scripted" else "") for name in (model, gameplay_model) if name]
    return " + ".join(names)


def short_model(spec: str) -> str:
    """A model's name with the paths in it cut to their last two parts: "embedded+adapter=…/adapters/a"."""
    parts = []
    for part in spec.split("+"):
        name, equals, value = part.rpartition("=")
        folders = value.split("/")
        parts.append(f"{name}{equals}…/{'/'.join(folders[-2:])}" if equals and len(folders) > 2 else part)
    return "+".join(parts)
