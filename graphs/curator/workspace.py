"""A curator's workspace: the candidates of a run, and one iteration's decisions, policy, selection and recipe as files.

    ITERATION/selection/decisions.jsonl    one line per reviewed candidate; a later line on the same one counts
                        policy.toml        filters, order and quotas     policy.py    optional: a score per candidate
                        selection_logic.md criteria, with accepted and rejected examples
                        selected.jsonl     the selection, id and reason       coverage.json  what it covers
    ITERATION/recipe.json                  what to train

Candidates are chosen by id and never by text: nothing a curator writes can get into a training example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import orjson

from graphs.curator.folders import IterationFolder
from graphs.curator.position import SPECIALIST, earlier
from graphs.curator.run import Specialization
from scaffolds.containment.script import ScriptBounds, run_script
from traces import RunFolder
from training import TrainingError
from training.candidates import Candidate, read_candidates
from training.ledger import read
from training.recipe import DataDecision, Recipe
from training.selection import DEFAULT_POLICY, POLICIES, Decision, Policy, PolicyError, Selection, select
from training.source import TraceSource

SCORING = """
import importlib.util, json, math, sys
spec = importlib.util.spec_from_file_location("policy", "/runs/policy/policy.py")
policy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(policy)
for line in open("/runs/candidates/candidates.jsonl"):
    score = policy.score(json.loads(line))
    if score is not None and not (isinstance(score, (int, float)) and math.isfinite(score)):
        raise TypeError(f"score must return a finite number or None, not {score!r}")
    sys.stdout.write(json.dumps(score if score is None else float(score)) + "\\n")
"""
"""What runs a policy's code, contained: one candidate's features in, one score out."""
SCORE_BYTES = 32
"""A number as JSON has at most 24 characters."""


class Workspace:
    """One iteration's selection. `seed` breaks ties; `policy` is the TOML that a new one starts from."""

    def __init__(
        self, iteration: Path, run: RunFolder, candidates: Path, *, seed: int = 0, policy: str | None = None
    ) -> None:
        self.iteration = iteration
        self.folder = iteration / "selection"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run = run
        self.candidates_file = candidates
        self.seed = seed
        self.source = TraceSource(run)
        if not self.policy_file.exists():
            self.policy_file.write_text(policy or DEFAULT_POLICY.read_text(encoding="utf-8"), encoding="utf-8")

    @cached_property
    def candidates(self) -> Sequence[Candidate]:
        """All of them, in the order of episodes and steps."""
        return list(read_candidates(self.candidates_file))

    @cached_property
    def by_id(self) -> dict[str, Candidate]:
        """The candidate of each id."""
        return {candidate.id: candidate for candidate in self.candidates}

    # Decisions

    @property
    def decisions_file(self) -> Path:
        """One line per decision, in the order made."""
        return self.folder / "decisions.jsonl"

    def decisions(self) -> dict[str, Decision]:
        """The decision that counts for each reviewed candidate."""
        if not self.decisions_file.exists():
            return {}
        content = self.decisions_file.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines()  # a line that a kill has torn was never written
        return {one.id: one for one in (Decision(**orjson.loads(line)) for line in lines)}

    def decide(self, ids: Sequence[str], verdict: Literal["accept", "reject"], reason: str) -> None:
        """Note a decision on each of these candidates, which must exist (KeyError)."""
        lines = [orjson.dumps(asdict(Decision(self.by_id[one].id, verdict, reason))) + b"\n" for one in ids]
        with self.decisions_file.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(b"".join(lines))

    # Policy

    @property
    def policy_file(self) -> Path:
        """The declarative part."""
        return self.folder / "policy.toml"

    @property
    def code_file(self) -> Path:
        """The optional code."""
        return self.folder / "policy.py"

    def policy(self) -> Policy:
        """The present policy. PolicyError if it is faulty."""
        return Policy.parse(self.policy_file.read_text(encoding="utf-8"))

    def write_policy(self, toml: str) -> Policy:
        """Replace the declarative part. PolicyError, and nothing is written, if it is faulty."""
        policy = Policy.parse(toml)
        self.policy_file.write_text(toml, encoding="utf-8")
        return policy

    def write_code(self, source: str) -> None:
        """Replace the code, after it has scored every candidate; an empty text removes it. PolicyError if it fails."""
        before = self.code_file.read_text(encoding="utf-8") if self.code_file.exists() else None
        if not source.strip():
            self.code_file.unlink(missing_ok=True)
            return
        self.code_file.write_text(source, encoding="utf-8")
        try:
            self.scores()
        except PolicyError:
            if before is None:
                self.code_file.unlink()
            else:
                self.code_file.write_text(before, encoding="utf-8")
            raise

    def reset_policy(self, earlier: Path | None = None, shipped: str = DEFAULT_POLICY.stem) -> None:
        """Go back to a shipped policy, or take over an earlier iteration's (its folder `selection`)."""
        origin = POLICIES / f"{shipped}.toml" if earlier is None else earlier / "policy.toml"
        self.policy_file.write_bytes(origin.read_bytes())
        self.code_file.unlink(missing_ok=True)
        if earlier is not None and (earlier / "policy.py").exists():
            self.code_file.write_bytes((earlier / "policy.py").read_bytes())

    def scores(self) -> dict[str, float | None] | None:
        """What the policy's code, run contained, gives each candidate; None without code. PolicyError if it fails."""
        if not self.code_file.exists():
            return None
        folders = {"policy": self.folder, "candidates": self.candidates_file.parent}
        room = ScriptBounds().output_bytes + SCORE_BYTES * len(self.candidates)
        done = run_script(SCORING, folders, bounds=ScriptBounds(output_bytes=room))
        if done.ended != "ok":
            raise PolicyError(f"policy.py failed ({done.ended}): {done.error.strip()[-800:] or 'it printed nothing'}")
        lines = done.output.splitlines()
        if len(lines) != len(self.candidates):
            raise PolicyError(f"policy.py gave {len(lines)} scores for {len(self.candidates)} candidates.")
        return {one.id: _score(line) for one, line in zip(self.candidates, lines, strict=True)}

    # Selection

    def select(self) -> Selection:
        """The selection by what is decided so far. PolicyError if the policy or its code is faulty."""
        return select(self.candidates, self.policy(), self.decisions().values(), seed=self.seed, scores=self.scores())

    def save(self, selection: Selection) -> None:
        """Write a selection and what it covers."""
        lines = [orjson.dumps({"id": one, "why": why}) + b"\n" for one, why in selection.chosen.items()]
        (self.folder / "selected.jsonl").write_bytes(b"".join(lines))
        (self.folder / "coverage.json").write_bytes(orjson.dumps(coverage(selection), option=orjson.OPT_INDENT_2))

    # Recipe and logic

    @property
    def logic_file(self) -> Path:
        """The selection logic in words."""
        return self.folder / "selection_logic.md"

    @property
    def recipe_file(self) -> Path:
        """What to train."""
        return self.iteration / "recipe.json"

    def recipe(self) -> Recipe | None:
        """The recipe written so far."""
        return Recipe.model_validate_json(self.recipe_file.read_bytes()) if self.recipe_file.exists() else None

    def write_recipe(self, recipe: Recipe) -> None:
        """Replace the recipe."""
        self.recipe_file.write_text(recipe.model_dump_json(indent=2), encoding="utf-8")


def _score(line: str) -> float | None:
    """A line of what a policy's code printed; the code may have printed more than scores. PolicyError for no score."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = line
    if found is not None and not isinstance(found, float):
        raise PolicyError(f"policy.py printed {line[:100]!r}, which is no score: let `score` return a number or None.")
    return found


def coverage(selection: Selection) -> dict[str, Any]:
    """What a selection covers of what there was, as plain data."""
    return {
        "selected": len(selection.chosen),
        "routines": dict(sorted(selection.routines.items())),
        "shapes": {
            shape: {"candidates": count, "selected": selection.shapes.get(shape, 0)}
            for shape, count in selection.shapes_seen.most_common()
        },
        "episodes": dict(sorted(selection.episodes.items())),
        "left_out": dict(selection.left_out.most_common()),
    }


def recipe_of(folder: IterationFolder) -> Recipe:
    """The recipe that the curator left."""
    return Recipe.model_validate_json((folder.path / "recipe.json").read_bytes())


def selected_ids(run: Specialization, iteration: int, recipe: Recipe) -> list[str]:
    """The ids, in the order selected; a reused selection is copied, so that each iteration has its own.

    Of both, only the turns of the best `top_episodes_percent` of the episodes.
    """
    folder = run.folder.iteration(iteration)
    if recipe.data.source == "reuse":
        source = reused(run, iteration, recipe.data)
        lines = [
            {"id": one["id"], "why": f"reused from iteration {source}: {one['why']}"}
            for one in _lines(run.folder.iteration(source))
        ]
        folder.selected.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    ids = [str(one["id"]) for one in _lines(folder)]
    share = recipe.data.top_episodes_percent / 100
    if share >= 1:
        return ids
    ranks = {one.id: one.episode_rank for one in read_candidates(run.folder.candidates)}
    return [one for one in ids if ranks[one] < share]


def reused(run: Specialization, iteration: int, data: DataDecision) -> int:
    """The iteration whose selection is reused: the one that is named, else the latest that was trained on, or made.

    TrainingError if there is none.
    """
    there = earlier(run, iteration)
    trained = {entry.iteration for entry in read(run.folder.ledger) if entry.role == SPECIALIST} & there.keys()
    number = data.reuse_iteration if data.reuse_iteration is not None else max(trained or there, default=0)
    if number not in there:
        raise TrainingError(f"There is no selection of an iteration {number} before {iteration} to reuse.")
    return number


def _lines(folder: IterationFolder) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in folder.selected.read_bytes().splitlines()]
