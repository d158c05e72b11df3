"""A search of loop 1 that has ended, on disk as the graph lays it out: one version kept, two attempts that were not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphs.evaluation.statistics import Pair
from graphs.reviewer.gate import judge
from graphs.reviewer.lineage import LineageRecord, append
from graphs.reviewer.search import Context, Search
from graphs.reviewer.state import Input
from scaffolds import Scaffold

SPENT = {
    "reviewer": {"calls": 12.0, "tokens": 34_000.0, "cost": 0.25, "minutes": 3.1},
    "player": {"calls": 400.0, "tokens": 900_000.0, "cost": 0.0, "minutes": 9.0},
}
HOSTILE = "[bold]told[/bold] by a model \x1b[31m\u202e" + "and on " * 500


def lay_out_finished(run: Path) -> Search:
    """v0; v1.a1 turned down, v1.a1.c1 kept as v1; v2.a1 refused by the check; control, hold-out and end."""
    search = Search.begin(
        Input(world="vault", tasks=["one-door"], seeds=list(range(1, 11)), holdout_seeds=[20, 21], out=str(run)),
        Context(),
    )
    before: dict[Pair, float] = {("one-door", seed): 0.2 for seed in range(1, 11)}
    after = {pair: score + 0.02 * number for number, (pair, score) in enumerate(before.items(), start=1)}
    verdicts = [judge("paired", before, after, attempt=number, attempts_total=30).to_plain() for number in (1, 2)]
    for name in ("attempts/v1.a1/candidate", "versions/v1", "attempts/v2.a1/candidate"):
        Scaffold.load(search.folder.version(0)).copy(run / name)
    log = run / "versions" / "v1" / "prompts" / "log.md"
    log.write_text(log.read_text() + "Write only what lasts. \x1b[31m\n")
    (run / "versions" / "v1" / "METHOD.md").write_text("Says less.\n")

    for record in _records(verdicts):
        append(run, record)
    return search


def _records(verdicts: list[dict[str, Any]]) -> list[LineageRecord]:
    scored: dict[str, Any] = {"standard_error": 0.05, "episodes": 10}
    return [
        LineageRecord(name="v0", kind="start", version=0, status="start", scaffold="versions/v0", mean=0.2, **scored),
        LineageRecord(
            name="v1.a1",
            kind="attempt",
            parent="v0",
            status="rejected",
            reason=HOSTILE,
            scaffold="attempts/v1.a1/candidate",
            mean=0.18,
            verdict=verdicts[0],
            changes={"vocabulary": ["log: +upsert_map"], HOSTILE: [HOSTILE]},
            spent=SPENT,
            **scored,
        ),
        LineageRecord(name="v1.a1", kind="control", parent="v0", status="measured", mean=0.21, **scored),
        LineageRecord(
            name="v1.a1.c1",
            kind="attempt",
            parent="v0",
            version=1,
            status="accepted",
            reason=verdicts[1]["sentence"],
            scaffold="versions/v1",
            mean=0.31,
            verdict=verdicts[1],
            changes={"prompts": ["log.md is reworded"]},
            spent=SPENT,
            **scored,
        ),
        LineageRecord(
            name="v2.a1",
            kind="attempt",
            parent="v1",
            status="check failed",
            reason="Nothing structural changed.",
            scaffold="attempts/v2.a1/candidate",
            spent={"reviewer": SPENT["reviewer"]},
        ),
        LineageRecord(name="holdout v0", kind="holdout", parent="v0", status="measured", mean=0.22, **scored),
        LineageRecord(
            **{"name": "holdout v1", "kind": "holdout", "parent": "v1", "status": "measured", "mean": 0.27, **scored},
            verdict={"mean_difference": 0.05, "interval": [-0.02, 0.12], "chance": 0.2, "confidence": 0.95},
        ),
        LineageRecord(name="end 1", kind="end", parent="v1", status="stopped", reason="Every attempt was made."),
    ]
