"""Ask the person at the terminal whether a candidate may be evaluated, or adopted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from cli.outer_loop import read_answer_at
from cli.visible_text import one_line, visible

DIFF_LINES = 40
"""Lines of the difference shown at once: a screen."""


def ask(question: Mapping[str, Any], console: Console) -> dict[str, Any] | None:
    """Show what is asked and read the answer; None if nobody answers (end of input, Ctrl-D)."""
    for line in _shown(question):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return read_answer_at(console)


def changed(changes: Mapping[str, list[str]]) -> list[str]:
    """What a candidate changes, a line for each area."""
    return ["  " + one_line(f"{area}: {'; '.join(what)}", 400) for area, what in changes.items()] or ["  nothing"]


def verdict(plain: Mapping[str, Any]) -> str:
    """What the gate said, on several lines."""
    from graphs.reviewer.gate import Verdict
    from graphs.reviewer.verdict_text import render

    return visible(render(Verdict.from_plain(plain)), 20_000)


def _shown(question: Mapping[str, Any]) -> list[str]:
    lines = [visible(line, 160) for line in str(question["diff"]).split("\n")]
    more = len(lines) - DIFF_LINES
    rest = [visible(f"… {more} lines more; all of it lies in {question['folder']}", 400)] if more > 0 else []
    said = [verdict(question["verdict"])] if "verdict" in question else []
    return ["", str(question["ask"]), *changed(question["changes"]), "", *lines[:DIFF_LINES], *rest, *said]
