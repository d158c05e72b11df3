"""Fetches what people said of memory decisions in LangSmith and leaves it with the run (see `feedback.py`).

A person's feedback is what was given in LangSmith's own pages (source "app"); of other sources, only keys that are
asked for. It counts where it stands on a run below a LOG or PLAN of the memory model, or on LOG or PLAN itself.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from traces.feedback import read_judgements, write_judgements
from traces.folders import EpisodeFolder, RunFolder
from traces.langsmith_facts import run_name
from traces.langsmith_feedback import AUTOMATIC, share
from traces.langsmith_wire import Wire

_PAGE = 100
"""Feedback or runs of one request; LangSmith gives no more."""
Json = dict[str, Any]


@dataclass(slots=True)
class Pulled:
    """What a pull found."""

    judgements: int = 0
    candidates: int = 0
    elsewhere: int = 0
    """Given to something else: another run's steps, a world step as a whole, an attempt that was set aside."""
    unknown: int = 0
    """Without a score, or with one on an unknown scale."""


def pull(run: RunFolder, wire: Wire, keys: Collection[str] = ()) -> Pulled:
    """Write the judgements that people gave to memory decisions of `run`; what was pulled before is replaced.

    `keys`: keys whose feedback counts whoever sent it. LangSmithFailure; TraceFailure where the run cannot be read.
    """
    wire.open(create=False)
    name, pulled, found = run_name(run), Pulled(), []
    scales = _scales(wire)
    for page in _pages(_given(wire, keys)):
        runs = _runs(wire, [str(one["run_id"]) for one in page])
        for one in page:
            metadata = runs.get(str(one["run_id"]), {})
            if not _is_present(run, name, metadata):
                pulled.elsewhere += 1
                continue
            judged = share(one.get("score"), scales.get(str(one.get("key"))))
            if judged is None:
                pulled.unknown += 1
                continue
            found.append(_judgement(wire, one, metadata, judged))
    kept = [one for one in read_judgements(run) if one.get("project") != wire.project]
    write_judgements(run, sorted([*kept, *found], key=lambda one: (one["candidate"], one["id"])))
    pulled.judgements, pulled.candidates = len(found), len({one["candidate"] for one in found})
    return pulled


def _given(wire: Wire, keys: Collection[str]) -> Iterator[Json]:
    """People's feedback in the project, each once, and that with the keys asked for."""
    seen: set[str] = set()
    asked: list[Json] = [{"source": "app"}, *({"key": key} for key in keys if key not in AUTOMATIC)]
    for parameters in asked:
        offset = 0
        while page := wire.get("/feedback", session=wire.project_id, limit=_PAGE, offset=offset, **parameters):
            offset += len(page)
            for one in page:
                if one.get("key") not in AUTOMATIC and one.get("run_id") and one["id"] not in seen:
                    seen.add(one["id"])
                    yield one
            if len(page) < _PAGE:
                break


def _pages(given: Iterator[Json]) -> Iterator[list[Json]]:
    page: list[Json] = []
    for one in given:
        page.append(one)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _runs(wire: Wire, ids: list[str]) -> dict[str, Json]:
    """The metadata of runs, by id; those that are gone are left out."""
    asked = {"session": [wire.project_id], "id": sorted(set(ids)), "select": ["id", "extra"], "limit": _PAGE}
    found = wire.post("/runs/query", asked).get("runs") or []
    return {str(one["id"]): (one.get("extra") or {}).get("metadata") or {} for one in found}


def _scales(wire: Wire) -> dict[str, Json]:
    """How scores are meant, by key."""
    found = wire.get("/feedback-configs")
    return {str(one["feedback_key"]): one.get("feedback_config") or {} for one in found}


def _is_present(run: RunFolder, name: str, metadata: Json) -> bool:
    """Whether a LangSmith run is part of a memory decision of the present attempt of one of the run's episodes."""
    if metadata.get("run") != name or not isinstance(metadata.get("candidate"), str):
        return False
    folder = run.path.joinpath("episodes", *metadata["candidate"].split("/")[:3])
    return folder.is_dir() and EpisodeFolder(folder).attempt == metadata.get("attempt")


def _judgement(wire: Wire, one: Json, metadata: Json, judged: float) -> Json:
    return {
        "candidate": metadata["candidate"],
        "feedback": judged,
        "key": one.get("key"),
        "comment": one.get("comment"),
        "operation": metadata.get("operation"),
        "run_id": one["run_id"],
        "id": one["id"],
        "project": wire.project,
    }
