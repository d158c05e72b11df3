"""How an episode ended, on disk: episode.json (finished), failure.json (failed) or limited.json (at a ceiling)."""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from traces.folders import EpisodeFolder, TraceDamaged
from traces.integrity import changed_content, changed_size, seal
from traces.plain_json import RecordError, read_file, write_file
from traces.records import RESULT_FORMAT, EpisodeResult, Failure, FileDigest

_NO_TOKENS = {"prompt": 0, "completion": 0, "cached": 0}


def write_result(folder: EpisodeFolder, result: EpisodeResult) -> None:
    """Write `result` with a digest of itself, whole or not at all, where its status says. Raises TraceFailure."""
    places = {"finished": folder.result, "failed": folder.failure, "limited": folder.limited}
    plain = result_to_plain(result)
    write_file(places[result.status], plain | {"sha256": seal(plain)})


def read_result(folder: EpisodeFolder, *, content: bool = False) -> EpisodeResult | None:
    """Return how the episode ended; None if it has not.

    One whose result is not what was written, or whose trace or journal has another size than it had, is returned as
    "damaged", with the damage in one sentence as its failure. `content` compares the bytes of trace and journal, too:
    for readers of these. Raises TraceFailure where a file cannot be read.
    """
    for path in (folder.result, folder.failure, folder.limited):
        if path.exists():
            try:
                result = _read(path)
                _check_place(folder, path, result)
            except (TypeError, KeyError, AttributeError, ValueError) as error:
                return _damaged(folder, path, f"{path} is not the result that was written ({error})")
            found = changed_size(folder, result) or (changed_content(folder, result) if content else None)
            return result if found is None else _with_damage(result, found)
    return None


def result_to_plain(result: EpisodeResult) -> dict[str, Any]:
    """Return the result as plain data, in the words of the files."""
    plain = asdict(result)
    plain["return"] = plain.pop("episode_return")
    return plain


def result_from_plain(plain: dict[str, Any]) -> EpisodeResult:
    """Return the result that `result_to_plain` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    values = dict(plain)
    if values["format"] not in (1, RESULT_FORMAT):
        raise ValueError(f"it has format {values['format']}, this version reads 1 and {RESULT_FORMAT}")
    values["episode_return"] = values.pop("return")
    if values["failure"] is not None:
        values["failure"] = Failure(**values["failure"])
    values["files"] = {name: FileDigest(**one) for name, one in values.get("files", {}).items()}
    return EpisodeResult(**values)


def _read(path: Path) -> EpisodeResult:
    try:
        plain = read_file(path)
    except TraceDamaged as damaged:
        raise ValueError("it is no JSON" if path.stat().st_size else "it is empty") from damaged
    if not isinstance(plain, dict):
        raise TypeError("it is no JSON object")
    if plain.get("format") != 1:
        try:
            found = seal(plain)
        except RecordError as error:  # numbers that no result holds, such as NaN
            raise ValueError(str(error)) from error
        if plain.pop("sha256", None) != found:
            raise ValueError("its digest is that of another content")
    result = result_from_plain(plain)
    if path.stem != {"finished": "episode", "failed": "failure", "limited": "limited"}.get(result.status):
        raise ValueError(f"it says that the episode is {result.status}")
    return result


def _check_place(folder: EpisodeFolder, path: Path, result: EpisodeResult) -> None:
    """Raise ValueError where a result lies in the folder of another episode."""
    named = _named(folder)
    if named is not None and named != (result.world, result.task, result.seed):
        raise ValueError(f"{path.name} is of {result.world}/{result.task} seed {result.seed}")


def _named(folder: EpisodeFolder) -> tuple[str, str, int] | None:
    """Return world, task and seed by the folder's place in a run; None where it lies in none."""
    parts = folder.path.absolute().parts
    if re.fullmatch(r"attempt-\d+", parts[-1]):
        parts = parts[:-1]
    if len(parts) < 4 or parts[-4] != "episodes" or not re.fullmatch(r"seed--?\d+", parts[-1]):
        return None
    return parts[-3], parts[-2], int(parts[-1].removeprefix("seed-"))


def _damaged(folder: EpisodeFolder, path: Path, sentence: str) -> EpisodeResult:
    world, task, seed = _named(folder) or ("", "", 0)
    return EpisodeResult(
        world=world,
        task=task,
        seed=seed,
        status="damaged",
        steps=0,
        progression=0.0,
        episode_return=0.0,
        failure=Failure("damaged", path.name, sentence, 0),
        tokens=dict(_NO_TOKENS),
        attempt=folder.attempt,
    )


def _with_damage(result: EpisodeResult, sentence: str) -> EpisodeResult:
    """The same episode without a score: what it spent stays counted."""
    failure = Failure("damaged", "files", sentence, result.steps)
    return replace(result, status="damaged", progression=0.0, episode_return=0.0, metrics={}, failure=failure)
