"""Results as people read them: mean ± standard error, as in the paper, and who made the figures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.commands import as_options
from cli.visible_text import one_line


def print_results(
    console: Console, rows: Sequence[tuple[str, Mapping[str, Any]]], title: str, *, tasks: bool = True
) -> None:
    """One row per summary and, where a summary has several tasks, a table of them; then what failed, and why.

    All fits into 80 columns: a single summary needs no label, and a task's name has a table with room for it.
    """
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    several = len(rows) > 1
    if several:
        table.add_column("run", overflow="fold", min_width=13)
    for heading in (
        "episodes",
        "progression\n(%)",
        "return",
        "unpro-\nductive",
        "missing,\ninvalid",
        "writes/\nsearch",
    ):
        table.add_column(heading, justify="right")
    for label, summary in rows:
        figures = (_episodes(summary), mean_and_error(summary["overall"]), *_metrics(summary))
        table.add_row(*([label] if several else []), *figures)
    console.print(table)
    for label, summary in rows:
        if tasks and len(summary["tasks"]) > 1:
            console.print()
            console.print(_by_task(summary["tasks"], f"tasks of {label}" if several else None))
        print_failures(console, label, summary)


def _by_task(tasks: Mapping[str, Mapping[str, Any]], title: str | None) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("task", overflow="fold")
    table.add_column("episodes", justify="right")
    table.add_column("progression (%)", justify="right")
    for task, figures in tasks.items():
        table.add_row(task, str(figures["n"]), mean_and_error(figures))
    return table


def look(run: Path) -> str:
    """The command that shows a run and those beside it, as a line."""
    return f"look at it: automem view {shlex.quote(str(run.parent))}"


def mean_and_error(figures: Mapping[str, Any]) -> str:
    """ "25.00 ± 5.50"; a dash where nothing was finished."""
    if figures.get("mean") is None:
        return "–"
    text = f"{figures['mean']:.2f} ± {figures['se']:.2f}"
    if figures.get("n_failed") or figures.get("n_damaged"):
        words = "damaged as 0" if not figures.get("n_failed") else "failures as 0"
        text += f"\n{figures['mean_failures_zero']:.2f} ± {figures['se_failures_zero']:.2f}\n{words}"
    return text


def print_failures(console: Console, label: str, summary: Mapping[str, Any]) -> None:
    """One line per failed episode: which, at which step, why; and one per damaged episode."""
    for episode in summary["failed_episodes"]:
        cause = episode["cause"] or {"where": "?", "sentence": "no cause was recorded"}
        line = (
            f"{label}: {episode['task']} seed {episode['seed']} failed at step {episode['steps'] + 1} "
            f"({cause['where']}): {as_options(cause['sentence'])}"
        )
        console.print(one_line(line, 2_000), style="red", markup=False, highlight=False, soft_wrap=True)
    for episode in summary["damaged_episodes"]:
        line = f"{label}: {episode['task']} seed {episode['seed']} is damaged: {episode['cause']['sentence']}"
        console.print(one_line(line, 2_000), style="red", markup=False, highlight=False, soft_wrap=True)


def _episodes(summary: Mapping[str, Any]) -> str:
    failed = f" + {summary['n_failed']} failed" if summary["n_failed"] else ""
    failed += f" + {summary['n_damaged']} damaged" if summary["n_damaged"] else ""
    limited = f"\n({summary['n_limited']} limited)" if summary["n_limited"] else ""
    return f"{len(summary['episodes'])}{failed}{limited}"


def _metrics(summary: Mapping[str, Any]) -> list[str]:
    metrics = summary["metrics"]
    shown = []
    for name, form in (
        ("return", "{:.1f}"),
        ("unproductive_action_rate", "{:.0%}"),
        ("writes_per_search", "{:.2f}"),
    ):
        mean = metrics.get(name, {}).get("mean")
        shown.append("–" if mean is None else form.format(mean))
    outcomes = metrics.get("action_outcomes", {})
    missing, invalid = (outcomes.get(name, {}).get("mean") or 0.0 for name in ("missing", "invalid"))
    shown.insert(2, f"{missing:.0%}, {invalid:.0%}" if outcomes else "–")
    return shown
