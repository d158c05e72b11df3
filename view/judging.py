"""A person's judgement of a memory operation: kept in the run's feedback.jsonl, which the curator reads.

Each line is one that `traces.feedback` describes, as those are that `automem langsmith pull` fetches; pulling leaves
these as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from graphs.settings import SettingsError
from traces import EpisodeFolder, TraceReader
from traces.feedback import read_judgements, write_judgements
from view.library import ShownRun

PROJECT = "automem view"
"""Instead of a project of LangSmith's."""
COMMENT = 2_000
"""Characters of a note."""
_writing = threading.Lock()


def judgements(run: ShownRun, folder: EpisodeFolder) -> dict[str, dict[str, Any]]:
    """The judgements of an episode that were given here, by the place of the operation: STEP/CONVERSATION/OPERATION.

    Conversations and operations count from 0. TraceFailure or TraceDamaged.
    """
    prefix = _name(folder) + "/"
    given = [
        one for one in read_judgements(run) if one.get("project") == PROJECT and one["candidate"].startswith(prefix)
    ]
    return {one["place"]: {"feedback": one["feedback"], "comment": one.get("comment") or ""} for one in given}


def judge(run: ShownRun, folder: EpisodeFolder, given: Any) -> dict[str, Any]:
    """Keep, change or take back one judgement, and return it.

    `given`: step, conversation, operation, feedback (0 to 1, None to take it back), comment. SettingsError for what is
    no judgement of an operation of the memory model.
    """
    step, conversation, place, feedback, comment = _checked(given)
    with TraceReader(folder) as reader:
        try:
            judged = reader.step(step).conversations[conversation]
            operation = judged.operations[place]
        except IndexError:
            raise SettingsError(f"The episode has no such operation at step {step}.") from None
    if judged.role != "memory":
        raise SettingsError("Only what the memory model did is judged: the gameplay model is not trained.")
    name = f"{step}/{conversation}/{place}"
    line = {
        "candidate": f"{_name(folder)}/step-{step}/{judged.routine}",
        "feedback": feedback,
        "key": "thumb",
        "comment": comment or None,
        "operation": operation.operation,
        "id": f"{_name(folder)}/{name}",
        "project": PROJECT,
        "place": name,
    }
    with _writing:
        kept = [one for one in read_judgements(run) if one.get("id") != line["id"]]
        kept += [line] if feedback is not None else []
        write_judgements(run, sorted(kept, key=lambda one: (one["candidate"], str(one.get("id")))))
    return {"place": name, "feedback": feedback, "comment": comment}


def _checked(given: Any) -> tuple[int, int, int, float | None, str]:
    if not isinstance(given, Mapping):
        raise SettingsError("A judgement names a step, a conversation, an operation and a share.")
    numbers = [given.get(name) for name in ("step", "conversation", "operation")]
    feedback, comment = given.get("feedback"), given.get("comment") or ""
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in numbers):
        raise SettingsError("A judgement names step, conversation and operation by number.")
    is_number = isinstance(feedback, int | float) and not isinstance(feedback, bool)
    if feedback is not None and not (is_number and 0 <= feedback <= 1):
        raise SettingsError("A judgement is a share from 0 (bad) to 1 (good).")
    if not isinstance(comment, str) or len(comment) > COMMENT:
        raise SettingsError(f"A note on a judgement has at most {COMMENT:,} characters.")
    step, conversation, place = (int(one or 0) for one in numbers)
    return step, conversation, place, None if feedback is None else float(feedback), comment


def _name(folder: EpisodeFolder) -> str:
    return "/".join(folder.path.parts[-3:])
