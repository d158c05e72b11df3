"""Lines that both outer loops write of what happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.setting_names import as_options
from cli.visible_text import one_line

Event = Mapping[str, Any]
WIDTH = 160
"""Characters of a line about something a model wrote."""


def warning(event: Event) -> list[str]:
    """What will not work out."""
    return [f"warning: {as_options(event['sentence'])}"]


def faults(event: Event) -> list[str]:
    """What was found wrong, a line each."""
    return [f"  fault: {one_line(fault, WIDTH)}" for fault in event["faults"]]


def tool(event: Event) -> list[str]:
    """A tool call of the agent and what came of it."""
    arguments = ", ".join(f"{name}={one_line(str(value), 60)}" for name, value in event["arguments"].items())
    mark = "→" if event["ok"] else "✗"
    return ["  " + one_line(f"{event['tool']}({arguments}) {mark} {event['result']}", WIDTH)]


def percent(figures: Event) -> str:
    """Mean ± standard error."""
    return f"{100 * figures['mean']:.2f} ± {100 * figures['standard_error']:.2f} %"
