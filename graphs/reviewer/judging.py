"""Ask the gate about a candidate, or about the incumbent in a candidate's place."""

from __future__ import annotations

from graphs.evaluation.playing import played_whole
from graphs.evaluation.scores import Pair, read_scores
from graphs.reviewer import lineage
from graphs.reviewer.folders import AttemptFolder
from graphs.reviewer.gate import Verdict, judge
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.position import evaluation_of, fresh_seeds, judged_so_far, position
from graphs.reviewer.search import Search


def judge_attempt(search: Search, name: str, folder: AttemptFolder) -> Verdict:
    """The gate's verdict on what lies in `folder`, in the place of the attempt of this name; fresh seeds if played."""
    incumbent = incumbent_of(search, name)
    gate, fresh = search.pairs(search.seeds), search.pairs(fresh_seeds(search, name))
    runs = folder.fresh("incumbent"), folder.fresh("candidate")
    again = (read_scores(runs[0], fresh), read_scores(runs[1], fresh)) if all(map(played_whole, runs)) else None
    return judge(
        search.rule,
        read_scores(evaluation_of(search, incumbent), gate),
        read_scores(folder.evaluation, gate),
        attempt=judged_so_far(search, name) + 1,
        attempts_total=search.attempts_total,
        confidence=search.confidence,
        fresh=again,
        repeats=_repeats(search, incumbent, name),
        seed=search.seed,
    )


def incumbent_of(search: Search, name: str) -> LineageRecord:
    """The version that an attempt was made from and has to beat; for one that is not over, the best so far."""
    records = lineage.read(search.folder.path)
    parent = next((one.parent for one in records if one.kind == "attempt" and one.name == name), None)
    made_from = [one for one in records if one.version is not None and f"v{one.version}" == parent]
    return made_from[0] if made_from else position(search).incumbent


def _repeats(search: Search, incumbent: LineageRecord, name: str) -> list[dict[Pair, float]]:
    """What the control arm has found about the incumbent's luck so far."""
    pairs = search.pairs(search.seeds)
    version = f"v{incumbent.version}"
    return [
        read_scores(evaluation_of(search, one), pairs)
        for one in lineage.read(search.folder.path)
        if one.kind == "control" and one.parent == version and one.name != name
    ]
