"""What people judged of memory decisions: feedback.jsonl in a run's folder, fetched by `automem langsmith pull`.

One line per judgement: candidate (WORLD/TASK/seed-N/step-S/ROUTINE), feedback (a share in [0, 1]), key, comment, and
where it came from (project, id, run_id, operation if it was one operation that was judged).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from traces.folders import RunFolder, TraceDamaged, disk_failure


def feedback_file(run: RunFolder) -> Path:
    """Return the file of a run's judgements."""
    return run.path / "feedback.jsonl"


def read_judgements(run: RunFolder) -> list[dict[str, Any]]:
    """Return all judgements of a run; none where there are none yet. Raises TraceFailure or TraceDamaged."""
    path = feedback_file(run)
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_failure("read", path, error) from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            judgement = orjson.loads(line)
            if not 0 <= judgement["feedback"] <= 1 or not isinstance(judgement["candidate"], str):
                raise ValueError("no share of a candidate")
        except (ValueError, KeyError, TypeError) as error:
            raise TraceDamaged(f"{path}:{number} is no judgement ({error}): remove it, or pull again") from error
        found.append(judgement)
    return found


def read_feedback(run: RunFolder) -> dict[str, float]:
    """Return the mean judgement of each memory decision that was judged, by its id as a candidate."""
    shares: dict[str, list[float]] = {}
    for judgement in read_judgements(run):
        shares.setdefault(judgement["candidate"], []).append(judgement["feedback"])
    return {candidate: sum(given) / len(given) for candidate, given in shares.items()}


def write_judgements(run: RunFolder, judgements: Iterable[Mapping[str, Any]]) -> None:
    """Write all judgements of a run, whole or not at all. Raises TraceFailure."""
    path = feedback_file(run)
    beside = path.with_name(f"{path.name}.tmp")
    try:
        beside.write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in judgements))
        beside.replace(path)
    except OSError as error:
        raise disk_failure("write", path, error) from error
