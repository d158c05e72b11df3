"""What a run tells those who watch it, as custom stream events: `graph.stream(…, stream_mode="custom")`.

Every event is a plain dict with "event" and the fields below. Nobody watching, nothing costs.

step       step, observation, notices, action (the one before)      a step begins
reply      routine, role, text, tool_calls, tokens                  a model has answered
operation  routine, title, outcome, text                            an operation has run, or could not be read
action     step, action, how, chosen, reward, progression, done, end_reason    the action was sent
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.config import get_stream_writer

Kind = Literal["step", "reply", "operation", "action"]


def tell(event: Kind, **fields: Any) -> None:
    """Stream one event to whoever watches the run this is called in."""
    get_stream_writer()({"event": event, **fields})
