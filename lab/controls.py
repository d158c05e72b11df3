"""Control arms: the same model, tasks and seeds with other notebooks, compared in pairs of task and seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from graphs.evaluation.graph import check_tasks
from graphs.evaluation.playing import EvaluationJob, failures, finished, played_whole, summary
from graphs.evaluation.state import Input
from graphs.evaluation.statistics import read_scores
from graphs.inner_agent.run_file import check_vacant
from graphs.settings import ARMS, KEPT_BY_PROGRAM, MODES, Context, NotebookMode, SettingsError, episode_settings
from graphs.spending import Budgets, Spending, parse_ceilings, spent_playing
from lab.counterfactual import estimate
from traces import RunFolder, read_results
from traces.effects import Estimate
from traces.plain_json import write_file
from traces.records import total_tokens
from worlds import world_entry

TABLE = "controls.json"


@dataclass(frozen=True, slots=True)
class Row:
    """An arm's figures; a row of the table and of controls.json."""

    arm: str
    episodes: int
    failed: int
    progression: float
    """Mean in [0, 1]; a failed episode counts 0."""
    difference: Estimate | None
    """Progression less that of `on`, in pairs of task and seed; None for `on`."""
    tokens_per_step: float | None
    """None where a server did not report them."""
    calls_per_step: float


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What to play: `given` as for an evaluation, its `out` holding a run folder for each arm."""

    given: Input
    context: Context
    arms: tuple[str, ...] = ARMS
    played_on: RunFolder | None = None
    """A run that is the arm `on` already: it is only read."""
    budgets: Callable[[], Budgets] | None = None
    """What the arms may spend together with other work, with all that is spent; by default the ceilings of `given`."""

    @classmethod
    def beside(cls, job: EvaluationJob, out: Path, arms: tuple[str, ...]) -> Controls:
        """The arms that are compared with an evaluation which was played to its end."""
        given = Input(**{**job.given, "out": str(out), "resume": True})
        return cls(given=given, context=job.context, arms=("on", *arms), played_on=job.out, budgets=job.budgets)

    @property
    def out(self) -> Path:
        """Where the arms are."""
        return Path(self.given["out"])

    def run(self, arm: str) -> RunFolder:
        """The run folder of an arm."""
        return self.played_on if arm == "on" and self.played_on is not None else RunFolder(self.out / arm)

    @property
    def pairs(self) -> list[tuple[str, int]]:
        """Task and seed of every episode."""
        entry = world_entry(self.given["world"])
        tasks, seeds = self.given.get("tasks") or entry.tasks, self.given.get("seeds") or entry.seeds
        return [(task, seed) for task in tasks for seed in seeds]

    def check(self) -> None:
        """Raise our errors for any of the arms, before the first is played and anything is written."""
        if unknown := [arm for arm in self.arms if arm not in ARMS]:
            raise SettingsError(f"There is no control arm {unknown[0]!r}: the arms are {', '.join(ARMS)}.")
        if "on" not in self.arms:
            raise SettingsError("The arms are compared with `on`: name it among them.")
        parse_ceilings(self.given.get("ceilings"))
        seeds = {seed for _, seed in self.pairs}
        if len(seeds) < 2 and (lonely := [arm for arm in ("shuffled", "persisted") if arm in self.arms]):
            raise SettingsError(f"The arm {lonely[0]} needs another episode of the task: give at least two seeds.")
        if not self.given.get("resume"):
            check_vacant(self.out, "comparison")
        tasks = list(dict.fromkeys(task for task, _ in self.pairs))
        for arm in self.arms:
            if arm == "shuffled":  # as `on`; the episodes that it answers from are not played yet
                continue
            first = {**self.given, "task": tasks[0], "seed": self.pairs[0][1]}
            check_tasks(episode_settings(first, self._context(arm)), tasks)

    def jobs(self) -> Iterator[EvaluationJob]:
        """The evaluation of each arm, `on` first. What the whole may spend is shared in this order."""
        for arm in (one for one in ARMS if one in self.arms and (one != "on" or self.played_on is None)):
            given = Input(**{**self.given, "out": str(self.run(arm).path)})
            yield EvaluationJob(name=arm, given=given, context=self._context(arm), budgets=self._budgets)

    def table(self) -> list[Row]:
        """Compare the arms that are played to their end, if `on` is one of them; also kept in controls.json.

        Those of earlier commands too, where they are of the same episodes and no ceiling or rule ended any of them: it
        may have been another than that of `on`.
        """
        ended = [arm for arm in ARMS if self._ended(arm)]
        if not ended or ended[0] != "on":
            return []
        on = read_scores(self.run("on"), self.pairs)
        rows = []
        for arm in ended:
            scores = read_scores(self.run(arm), self.pairs)
            differences = [scores[pair] - on[pair] for pair in self.pairs]
            difference = None if arm == "on" else estimate(differences)
            rows.append(_row(arm, self.run(arm), list(scores.values()), difference))
        write_file(self.out / TABLE, {"world": self.given["world"], "arms": [dataclasses.asdict(row) for row in rows]})
        return rows

    def _ended(self, arm: str) -> bool:
        if arm in self.arms:
            return played_whole(self.run(arm))
        if not finished(self.run(arm)):
            return False
        played = summary(self.run(arm))
        kinds = (played["episodes"], played["failed_episodes"], played.get("damaged_episodes", []))
        return {(one["task"], one["seed"]) for kind in kinds for one in kind} == set(self.pairs)

    def _context(self, arm: str) -> Context:
        if arm in MODES:
            return dataclasses.replace(self.context, notebook=arm, arm="none", others=None)
        others = str(self.run("on").path) if arm == "shuffled" else None
        mode: NotebookMode = "frozen" if arm in KEPT_BY_PROGRAM else "on"
        return dataclasses.replace(self.context, notebook=mode, arm=arm, others=others)  # type: ignore[arg-type]

    def _budgets(self) -> Sequence[Spending]:
        if self.budgets is not None:
            return self.budgets()
        all_arms = map(self.run, ARMS)  # those of earlier commands, too
        played = spent_playing(run for run in all_arms if run.run.exists())
        return [Spending(parse_ceilings(self.given.get("ceilings")), "run", spent=played)]


def _row(arm: str, run: RunFolder, scores: Sequence[float], difference: Estimate | None) -> Row:
    results = read_results(run)
    steps = sum(one.steps for one in results)
    total: Mapping[str, Any] = total_tokens(one.tokens for one in results)
    known = total["prompt"] is not None and total["completion"] is not None
    return Row(
        arm=arm,
        episodes=len(scores),
        failed=len(failures(summary(run))),
        progression=fmean(scores),
        difference=difference,
        tokens_per_step=(total["prompt"] + total["completion"]) / max(1, steps) if known else None,
        calls_per_step=sum(one.model_calls for one in results) / max(1, steps),
    )
