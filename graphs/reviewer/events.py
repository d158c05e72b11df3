"""What a search tells those who watch it, as custom stream events: `graph.astream(…, stream_mode="custom")`.

Every event is a plain dict with "event" and the fields below; `name` is that of the attempt ("v1.a2") or evaluation.

began       out, settings, resumed                     the search begins, or goes on
warning     sentence                                   something will not work out as the user may think
attempt     name, parent, continues                    an attempt begins
reviewing   name, round, faults                        the reviewer is asked (again)
tool        name, tool, arguments, result, ok          the reviewer used a tool
reviewed    name, finished, reason, spent              the reviewer has ended
checking    name                                       its revision is checked
checked     name, faults, changes                      … and what was found
evaluating  name, episodes                             episodes are played
episode     name, progress                             one of them moved (graphs.evaluation.episode.Progress)
evaluated   name, mean, standard_error, episodes, failed
verdict     name, verdict, control                     the gate has judged (gate.Verdict.to_plain)
settled     name, status, reason                       an attempt is over
holdout     rows                                       the final table: version, mean, standard_error, episodes, reason
ended       version, scaffold, reason                  the search is over
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.config import get_stream_writer

Kind = Literal[
    "began",
    "warning",
    "attempt",
    "reviewing",
    "tool",
    "reviewed",
    "checking",
    "checked",
    "evaluating",
    "episode",
    "evaluated",
    "verdict",
    "settled",
    "holdout",
    "ended",
]


def tell(event: Kind, **fields: Any) -> None:
    """Stream one event to whoever watches the run this is called in."""
    get_stream_writer()({"event": event, **fields})
