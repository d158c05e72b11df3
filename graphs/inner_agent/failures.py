"""The machine's failures an episode can end with: each room's own type, gathered where the rooms meet.

All of them are RuntimeErrors, whose sentences a LangGraph server passes on to its clients (of other exceptions it tells
the type alone). A failure is recorded once, apart from model text, ends the episode as *failed* and is never scored as
play or trained on. The model's mistakes are not failures (they are answered and counted), and our own errors
(SettingsError, ScaffoldError, ConfigurationError, UnknownWorld) rise before the first token is paid for.
"""

from __future__ import annotations

from chat_models import ProviderFailure
from memory_fs import NotebookFailure
from scaffolds import HookFailure
from traces import Failure, TraceFailure
from worlds import EngineFailure

MACHINE_FAILURES = (ProviderFailure, EngineFailure, NotebookFailure, TraceFailure, HookFailure)

_ROOMS: dict[type[Exception], str] = {
    ProviderFailure: "provider",
    EngineFailure: "world",
    NotebookFailure: "notebook",
    TraceFailure: "trace",
    HookFailure: "hooks",
}


def failure_record(error: Exception, step: int) -> Failure:
    """What the trace keeps of a machine's failure: where it arose, its kind, one sentence, and the step."""
    where = next(room for kind, room in _ROOMS.items() if isinstance(error, kind))
    return Failure(where=where, kind=str(getattr(error, "kind", where)), sentence=str(error), step=step)
