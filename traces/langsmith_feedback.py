"""Feedback in LangSmith: what is sent with the steps, and people's judgements of memory decisions that come back.

On a step's root run: step (its number, so that one filter can ask for what came after step 500), step_reward,
invalid_action (1 where the default action had to be sent), unproductive (1 where the action was stuck or oscillating,
sent once the next observation is known). On the last step's, of an episode with a score: progression, return, and the
health of its memory (the metrics of health.py by their names; none for one without a case).

A person's feedback is what was given in LangSmith's own pages (source "app"); of other sources, only keys that are
asked for. It counts where it is given to a run below a LOG or PLAN of the memory model, or on LOG or PLAN itself.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from traces.feedback import read_judgements, write_judgements
from traces.flags import Unproductive
from traces.folders import EpisodeFolder, RunFolder
from traces.health import HEALTH
from traces.langsmith_client import LangSmithClient
from traces.langsmith_facts import EpisodeFacts, iso, run_name, took
from traces.langsmith_tree import run_id
from traces.records import EpisodeResult, StepRecord

AUTOMATIC = frozenset({"step", "step_reward", "invalid_action", "unproductive", "progression", "return", *HEALTH})
"""Keys of our own feedback: never a person's judgement."""
Feedback = dict[str, Any]


class Root(NamedTuple):
    """A root run that was sent, for what is known of it only later."""

    step: int
    id: str
    began: int
    """In microseconds since 1970; likewise the next."""
    ended: int

    @classmethod
    def of(cls, record: StepRecord, facts: EpisodeFacts, began: int) -> "Root":
        """Return that of a step which began at `began`."""
        identity = run_id(facts, f"{record.step}/step", began)
        return cls(record.step, identity, began, began + took(record.latency_s))


def step_feedback(record: StepRecord, root: Root, facts: EpisodeFacts) -> list[Feedback]:
    """Return what is known of a step as soon as it is played."""
    invalid = record.action_outcome in ("invalid", "missing")
    return [
        _feedback(root, facts, "step", record.step),
        _feedback(root, facts, "step_reward", record.reward),
        _feedback(root, facts, "invalid_action", float(invalid), record.action_outcome),
    ]


def judged_feedback(root: Root, facts: EpisodeFacts, verdict: Unproductive | None) -> Feedback:
    """Return what the observation after a step says of its action."""
    return _feedback(root, facts, "unproductive", float(verdict is not None), verdict or "productive")


def episode_feedback(root: Root, facts: EpisodeFacts, result: EpisodeResult) -> list[Feedback]:
    """Return an episode's score and its memory's health, for its last step; none for one that failed or is damaged."""
    if not result.scored:
        return []
    how = result.end_reason or result.status
    return [
        _feedback(root, facts, "progression", result.progression, how),
        _feedback(root, facts, "return", result.episode_return, how),
        *(
            _feedback(root, facts, name, result.metrics[name])
            for name in HEALTH
            if result.metrics.get(name) is not None
        ),
    ]


def _feedback(root: Root, facts: EpisodeFacts, key: str, score: float, value: str | None = None) -> Feedback:
    feedback: Feedback = {
        "id": run_id(facts, f"{root.step}/feedback/{key}", root.began),
        "run_id": root.id,
        "trace_id": root.id,
        "key": key,
        "score": score,
        "start_time": iso(root.began),
        "created_at": iso(root.ended),
        "modified_at": iso(root.ended),
        "feedback_source": {"type": "api", "metadata": {"sent_by": "automem"}},
    }
    return feedback if value is None else {**feedback, "value": value}


def share(score: Any, configuration: Mapping[str, Any] | None) -> float | None:
    """Return a person's score as a share in [0, 1]; None where it is not known what it means.

    By the key's configuration in LangSmith: a continuous score between its least and its greatest value, a categorical
    one between the least and the greatest value of its categories. Without one, a score in [0, 1] is itself (thumbs
    and check boxes give 0 and 1); any other is of unknown scale.
    """
    if isinstance(score, bool):
        return float(score)
    if not isinstance(score, int | float) or score != score:
        return None
    least, greatest = _scale(configuration or {})
    if greatest <= least:
        least, greatest = 0.0, 1.0
    return (score - least) / (greatest - least) if least <= score <= greatest else None


def _scale(configuration: Mapping[str, Any]) -> tuple[float, float]:
    if configuration.get("type") == "categorical":
        values = [one.get("value") for one in configuration.get("categories") or ()]
    else:
        values = [configuration.get("min"), configuration.get("max")]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return (min(numbers), max(numbers)) if len(numbers) > 1 else (0.0, 0.0)


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


def pull(run: RunFolder, client: LangSmithClient, keys: Collection[str] = ()) -> Pulled:
    """Write the judgements that people gave to memory decisions of `run`; what was pulled before is replaced.

    `keys`: keys whose feedback counts by any sender. LangSmithFailure; TraceFailure where the run cannot be read.
    """
    client.open(create=False)
    name, pulled, found = run_name(run), Pulled(), []
    scales = _scales(client)
    for page in _pages(_given(client, keys)):
        runs = _runs(client, [str(one["run_id"]) for one in page])
        for one in page:
            metadata = runs.get(str(one["run_id"]), {})
            if not _is_present(run, name, metadata):
                pulled.elsewhere += 1
                continue
            judged = share(one.get("score"), scales.get(str(one.get("key"))))
            if judged is None:
                pulled.unknown += 1
                continue
            found.append(_judgement(client, one, metadata, judged))
    kept = [one for one in read_judgements(run) if one.get("project") != client.project]
    write_judgements(run, sorted([*kept, *found], key=lambda one: (one["candidate"], one["id"])))
    pulled.judgements, pulled.candidates = len(found), len({one["candidate"] for one in found})
    return pulled


def _given(client: LangSmithClient, keys: Collection[str]) -> Iterator[Json]:
    """People's feedback in the project, each once, and that with the keys asked for."""
    seen: set[str] = set()
    asked: list[Json] = [{"source": "app"}, *({"key": key} for key in keys if key not in AUTOMATIC)]
    for parameters in asked:
        offset = 0
        while page := client.get("/feedback", session=client.project_id, limit=_PAGE, offset=offset, **parameters):
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


def _runs(client: LangSmithClient, ids: list[str]) -> dict[str, Json]:
    """The metadata of runs, by id; those that are gone are left out."""
    asked = {"session": [client.project_id], "id": sorted(set(ids)), "select": ["id", "extra"], "limit": _PAGE}
    found = client.post("/runs/query", asked).get("runs") or []
    return {str(one["id"]): (one.get("extra") or {}).get("metadata") or {} for one in found}


def _scales(client: LangSmithClient) -> dict[str, Json]:
    """How scores are meant, by key."""
    found = client.get("/feedback-configs")
    return {str(one["feedback_key"]): one.get("feedback_config") or {} for one in found}


def _is_present(run: RunFolder, name: str, metadata: Json) -> bool:
    """Whether a LangSmith run is part of a memory decision of the present attempt of one of the run's episodes."""
    if metadata.get("run") != name or not isinstance(metadata.get("candidate"), str):
        return False
    folder = run.path.joinpath("episodes", *metadata["candidate"].split("/")[:3])
    return folder.is_dir() and EpisodeFolder(folder).attempt == metadata.get("attempt")


def _judgement(client: LangSmithClient, one: Json, metadata: Json, judged: float) -> Json:
    return {
        "candidate": metadata["candidate"],
        "feedback": judged,
        "key": one.get("key"),
        "comment": one.get("comment"),
        "operation": metadata.get("operation"),
        "run_id": one["run_id"],
        "id": one["id"],
        "project": client.project,
    }
