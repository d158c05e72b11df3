"""The episodes of a run: a row for each that is planned or begun, ended or not."""

from __future__ import annotations

from typing import Any

from traces import EpisodeResult, read_run
from traces.report_data import Played, read_played
from traces.under_way import Counting, UnderWay
from view.library import ShownRun
from view.playing import Held, is_played, locked_files

Row = dict[str, Any]


def run_page(run: ShownRun, counting: Counting) -> dict[str, Any]:
    """What the page of a run shows: its settings, and its episodes by task and seed.

    Raises TraceFailure or TraceDamaged.
    """
    found = read_run(run) or {}
    held = locked_files()
    rows = [row for played in read_played(run, counting) for row in _rows(played, held)]
    return {
        "configuration": found.get("configuration", {}),
        "versions": found.get("versions", {}),
        "host": found.get("host", {}),
        "notes": found.get("notes", []),
        "started": found.get("started"),
        "episodes": rows,
    }


def _rows(played: Played, held: Held) -> list[Row]:
    ended = {(one.task, one.seed): _ended(one) for one in played.results}
    going = {(one.task, one.seed): _going(one, played, held) for one in played.under_way}
    pairs = dict.fromkeys((*played.planned, *ended, *going))
    return [
        {"world": played.world, "task": task, "seed": seed}
        | (going.get((task, seed)) or ended.get((task, seed)) or {"status": "not begun"})
        for task, seed in pairs
    ]


def _ended(one: EpisodeResult) -> Row:
    kept = ("unproductive_action_rate", "redundant_write_rate", "empty_search_rate", "missing_action_rate")
    return {
        "status": one.status,
        "steps": one.steps,
        "progression": one.progression if one.scored else None,
        "return": one.episode_return if one.scored else None,
        "end": one.end_reason,
        "cause": one.failure.sentence if one.failure else None,
        "calls": one.model_calls,
        "prompt": one.tokens.get("prompt"),
        "completion": one.tokens.get("completion"),
        "dollars": one.cost,
        "seconds": one.wall_s,
        "attempt": one.attempt,
        "rates": {name: one.metrics.get(name) for name in kept},
    }


def _going(one: UnderWay, played: Played, held: Held) -> Row:
    folder = played.run.episode(one.world, one.task, one.seed)
    status = "damaged" if one.damage else "playing" if is_played(folder, held) else "stopped"
    return {
        "status": status,
        "steps": one.steps,
        "progression": one.progression,
        "return": one.episode_return,
        "cause": one.damage,
        "calls": one.model_calls,
        "prompt": one.tokens.get("prompt"),
        "completion": one.tokens.get("completion"),
        "seconds": one.wall_s,
        "rates": {"missing_action_rate": one.actions["missing"] / one.steps if one.steps else None},
    }
