"""How an episode ended, on disk: episode.json (finished), failure.json (failed) or limited.json (at a ceiling)."""

from dataclasses import asdict
from typing import Any

from traces.folders import EpisodeFolder, TraceDamaged
from traces.plain_json import read_file, write_file
from traces.records import FORMAT, EpisodeResult, Failure


def write_result(folder: EpisodeFolder, result: EpisodeResult) -> None:
    """Write `result` whole or not at all, where its status says. Raises TraceFailure."""
    places = {"finished": folder.result, "failed": folder.failure, "limited": folder.limited}
    write_file(places[result.status], result_to_plain(result))


def read_result(folder: EpisodeFolder) -> EpisodeResult | None:
    """Return how the episode ended: finished, failed or limited; None if it has not. TraceFailure or TraceDamaged."""
    for path in (folder.result, folder.failure, folder.limited):
        if path.exists():
            try:
                return result_from_plain(read_file(path))
            except (TypeError, KeyError, AttributeError, ValueError) as error:
                raise TraceDamaged(
                    f"{path} is not an episode's result ({error}): remove it and resume the episode"
                ) from error
    return None


def result_to_plain(result: EpisodeResult) -> dict[str, Any]:
    """Return the result as plain data, in the words of the files."""
    plain = asdict(result)
    plain["return"] = plain.pop("episode_return")
    return plain


def result_from_plain(plain: dict[str, Any]) -> EpisodeResult:
    """Return the result that `result_to_plain` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    values = dict(plain)
    if values["format"] != FORMAT:
        raise ValueError(f"it has format {values['format']}, this version reads {FORMAT}")
    values["episode_return"] = values.pop("return")
    if values["failure"] is not None:
        values["failure"] = Failure(**values["failure"])
    return EpisodeResult(**values)
