"""Custom stream events of all graphs: `graph.stream(…, stream_mode="custom")`. Each is a dict with "event" and fields.

inner_agent: one run plays steps of an episode

    step       step, observation, notices, action (the one before)      a step begins
    reply      routine, role, text, thoughts, tool_calls, tokens        a model has answered
    operation  routine, title, outcome, text                            an operation has run, or could not be read
    action     step, action, how, chosen, reward, progression, done, end_reason    the action was sent
    fork       origin, episode, step, replayed                          the run forks one, so many actions replayed

evaluation: `graphs.evaluation.episode.Progress` for each episode, whose "event" is "began", "step" or "ended"

both loops: `name` is that of an attempt ("v1.a2"), a training ("2a") or an evaluation

    began      out, settings, resumed                     the run begins, or goes on
    warning    sentence                                   a setting may not have the effect the user expects
    tool       name, tool, arguments, result, ok          the agent used a tool
    episode    name, progress                             an evaluated episode advanced (Progress as above)

reviewer (loop 1)

    attempt     name, parent, continues                   an attempt begins
    reviewing   name, round, faults                       the reviewer begins a round
    reviewed    name, finished, reason, spent             the reviewer has ended
    checking    name                                      its revision is checked
    checked     name, faults, changes                     the check has ended
    evaluating  name, episodes                            episodes are played
    evaluated   name, mean, standard_error, episodes, failed
    verdict     name, verdict, control                    the gate's verdict (gate.Verdict.to_plain)
    settled     name, status, reason                      an attempt is over
    holdout     rows                                      version, mean, standard_error, episodes, reason
    ended       version, scaffold, reason                 the search is over

curator (loop 2)

    copying     traces                                    the traces to learn from are copied
    serving     name, url, log, state, last               a specialist's own server is awaited; the last line of its log
    playing     name, episodes, who                       episodes are played
    played      name, mean, standard_error, episodes, measures
    candidates  count, routines                           the features of all candidates are computed
    iteration   iteration, iterations                     an iteration begins
    curating    iteration, round, faults                  the curator begins a round
    curated     iteration, finished, reason               the curator has ended
    certified   iteration, examples, dropped, faults      its selection is checked
    training    name, line                                a line of output of a training
    trained     name, examples, first_loss, last_loss, steps, seconds
    refused     iteration, reason                         a training was not possible; the reason goes to the curator
    recorded    name, note, mean                          a line of the ledger was written
    final       rows                                      the final table (graphs.curator.evaluating.Row.to_plain)
    ended       winner, adapter, reason                   the run is over
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.config import get_stream_writer

Step = Literal["step", "reply", "operation", "action", "fork"]
Loop = Literal["began", "warning", "tool", "episode", "ended"]
Search = Literal[
    "attempt",
    "reviewing",
    "reviewed",
    "checking",
    "checked",
    "evaluating",
    "evaluated",
    "verdict",
    "settled",
    "holdout",
]
Specialization = Literal[
    "copying",
    "serving",
    "playing",
    "played",
    "candidates",
    "iteration",
    "curating",
    "curated",
    "certified",
    "training",
    "trained",
    "refused",
    "recorded",
    "final",
]


def emit(event: Step | Loop | Search | Specialization, **fields: Any) -> None:
    """Stream an event of the graph run this is called in; without a consumer it is dropped."""
    get_stream_writer()({"event": event, **fields})
