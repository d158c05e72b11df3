"""What a run tells those who watch it, as custom stream events: `graph.astream(…, stream_mode="custom")`.

Every event is a plain dict with "event" and the fields below; `name` is that of what is played or trained ("2a").

began       out, settings, resumed               the run begins, or goes on
warning     sentence                             something is not as the user may think
playing     name, episodes, who                  episodes are played
episode     name, progress                       one of them moved (graphs.evaluation.episode.Progress)
played      name, mean, standard_error, episodes, measures
candidates  count, routines                      features of all candidates are there
iteration   iteration, iterations
curating    iteration, round, faults             the curator is asked (again)
tool        name, tool, arguments, result, ok    it used a tool
curated     iteration, finished, reason
certified   iteration, examples, dropped, faults
training    name, line                           what a training says of itself
trained     name, examples, first_loss, last_loss, steps, seconds
refused     iteration, reason                    a training could not be; the curator is told
recorded    name, note, mean                     a line of the ledger was written
final       rows                                 the final table (graphs.curator.evaluating.Row.to_plain)
ended       winner, adapter, reason
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.config import get_stream_writer

Kind = Literal[
    "began",
    "warning",
    "playing",
    "episode",
    "played",
    "candidates",
    "iteration",
    "curating",
    "tool",
    "curated",
    "certified",
    "training",
    "trained",
    "refused",
    "recorded",
    "final",
    "ended",
]


def tell(event: Kind, **fields: Any) -> None:
    """Stream one event to whoever watches the run this is called in."""
    get_stream_writer()({"event": event, **fields})
