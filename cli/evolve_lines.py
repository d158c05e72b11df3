"""A search in lines: reviews, evaluations, verdicts, the final table, and questions to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.outer_loop import COMMON_LINES, Event, Events, faults, percent
from cli.visible_text import one_line, visible
from graphs.reviewer.gate import Verdict
from graphs.reviewer.verdict_text import render
from memory_fs.results import plural
from traces.report_data import who

DIFF_LINES = 40
"""Lines of a diff that are shown."""


def changed(changes: Mapping[str, list[str]]) -> list[str]:
    """What a candidate changes, a line for each area."""
    return ["  " + one_line(f"{area}: {'; '.join(what)}", 400) for area, what in changes.items()] or ["  nothing"]


def verdict(plain: Mapping[str, Any]) -> str:
    """What the gate said, on several lines."""
    return visible(render(Verdict.from_plain(plain)), 20_000)


def _question(question: Event) -> list[str]:
    lines = [visible(line, 160) for line in str(question["diff"]).split("\n")]
    more = len(lines) - DIFF_LINES
    rest = [visible(f"… {more} more lines; all of them are in {question['folder']}", 400)] if more > 0 else []
    judged = [verdict(question["verdict"])] if "verdict" in question else []
    return [*changed(question["changes"]), "", *lines[:DIFF_LINES], *rest, *judged]


def _began(event: Event) -> list[str]:
    settings = event["settings"]
    players = f"{who(settings['model'])} plays {settings['world']}, {who(settings['reviewer_model'])} reviews"
    begins = "goes on" if event["resumed"] else "begins"
    return [f"The search in {event['out']} {begins}: {players}; gate {settings['gate']}."]


def _attempt(event: Event) -> list[str]:
    source = f"continues {event['continues']}" if event["continues"] else f"from {event['parent']}"
    return ["", f"{event['name']}: {source}"]


def _reviewing(event: Event) -> list[str]:
    return [f"{event['name']}: reviewing{', to mend what the check found' if event['faults'] else ''}", *faults(event)]


def _reviewed(event: Event) -> list[str]:
    return [f"{event['name']}: review {'finished' if event['finished'] else 'broken off'} {event['reason']}".rstrip()]


def _checking(event: Event) -> list[str]:
    return [f"{event['name']}: checking"]


def _checked(event: Event) -> list[str]:
    if event["faults"]:
        return [f"{event['name']}: {len(event['faults'])} faults"]
    return [f"{event['name']}: in order; changed", *changed(event["changes"])]


def _evaluating(event: Event) -> list[str]:
    return [f"{event['name']}: playing {plural(event['episodes'], 'episode')}"]


def _evaluated(event: Event) -> list[str]:
    return [f"{event['name']}: {percent(event)} over {plural(event['episodes'], 'episode')}"]


def _verdict(event: Event) -> list[str]:
    whose = "control arm, the incumbent with other luck: " if event["control"] else ""
    return [f"{event['name']}: {whose}{verdict(event['verdict'])}"]


def _settled(event: Event) -> list[str]:
    return [one_line(f"{event['name']}: {event['status']}. {event['reason']}", 2_000)]


def _holdout(event: Event) -> list[str]:
    rows = [
        f"  v{row['version']}  {percent(row)}  ({row['episodes']} episodes)  {one_line(row['reason'], 2_000)}".rstrip()
        for row in event["rows"]
    ]
    return ["", "On the hold-out seeds, which neither reviewer nor gate has seen:", *rows]


def _ended(event: Event) -> list[str]:
    return ["", one_line(event["reason"], 2_000), f"best: v{event['version']}, {event['scaffold']}"]


EVENTS = Events(
    begins_play="evaluating",
    always=("warning", "holdout", "ended"),
    lines={
        **COMMON_LINES,
        "began": _began,
        "attempt": _attempt,
        "reviewing": _reviewing,
        "reviewed": _reviewed,
        "checking": _checking,
        "checked": _checked,
        "evaluating": _evaluating,
        "evaluated": _evaluated,
        "verdict": _verdict,
        "settled": _settled,
        "holdout": _holdout,
        "ended": _ended,
    },
    question=_question,
)
