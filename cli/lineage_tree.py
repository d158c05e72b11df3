"""A search's lineage on a terminal: a tree of versions and attempts, then what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.visible_text import one_line
from graphs.reviewer.evaluating import Spent
from graphs.reviewer.lineage import LineageRecord, Node, best, tree
from graphs.settings import CEILINGS

WHY = 300
"""Characters of a reason and of what changed in an area: a model wrote some of it, and may have written much."""
STYLES = {"accepted": "bold green", "start": "bold", "rejected": "yellow", "measured": "cyan"}
"""By status; what broke or was refused is red."""


def print_tree(console: Console, records: Sequence[LineageRecord], title: str, spent: Spent) -> None:
    """The tree, the table of kept versions, what luck would do, and what was spent in all."""
    console.print(Text(one_line(title, WHY), style="bold"))
    start = tree(records)
    if start is None:
        console.print("The start has not been evaluated yet: nothing to show.", markup=False, highlight=False)
        return
    console.print(_branch(start))
    console.print()
    console.print(_table(records))
    for line in (*outcome(records), f"spent in all: {spent_words(spent)}", ending(records)):
        console.print(Text(line), soft_wrap=True)


def score(record: LineageRecord) -> str:
    """ "25.00 ± 5.50 %"; a dash where it was not evaluated."""
    if record.mean is None:
        return "–"
    return f"{100 * record.mean:.2f} ± {100 * (record.standard_error or 0):.2f} %"


def spent_words(spent: Mapping[str, Mapping[str, float]]) -> str:
    """What each model cost: "reviewer 12 calls, 34,000 tokens, $0.25, 3.1 min; player …"."""
    said = []
    for who, amounts in spent.items():
        calls, tokens, cost, minutes = (amounts.get(name, 0.0) for name in CEILINGS)
        if not any((calls, tokens, cost, minutes)):
            continue
        money = f", ${cost:,.2f}" if cost else ""
        counted = f", {tokens:,.0f} tokens" if tokens else ""  # none where the server reports none
        said.append(f"{one_line(who, 20)} {calls:,.0f} calls{counted}{money}, {minutes:,.1f} min")
    return "; ".join(said) or "nothing"


def _branch(node: Node) -> Tree:
    branch = Tree(_label(node.record), guide_style="dim")
    for record in node.measured:
        branch.add(_measured(record))
    for attempt in node.attempts:
        branch.add(_branch(attempt))
    return branch


def _label(record: LineageRecord) -> Text:
    style = STYLES.get(record.status, "red")
    version = f" → v{record.version}" if record.kind == "attempt" and record.version is not None else ""
    label = Text.assemble(
        (one_line(record.name, 40) + version, "bold"), "  ", (record.status, style), "  ", score(record)
    )
    lines = [record.reason] if record.reason else []
    lines += [f"{area}: {'; '.join(what)}" for area, what in record.changes.items()]
    if record.kind == "attempt" or record.spent:
        lines.append(f"spent: {spent_words(record.spent)}")
    for line in lines:
        label.append("\n" + one_line(line, WHY), style="dim")
    return label


def _measured(record: LineageRecord) -> Text:
    what = "hold-out seeds" if record.kind == "holdout" else f"control of {one_line(record.name, 40)}: itself again"
    label = Text.assemble((what, STYLES.get(record.status, "red")), "  ", score(record))
    if record.reason:
        label.append("\n" + one_line(record.reason, WHY), style="dim")
    return label


def _table(records: Sequence[LineageRecord]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("version", "from", "gate seeds", "hold-out seeds"):
        table.add_column(heading, justify="left" if heading in ("version", "from") else "right")
    for record in records:
        if record.version is not None and record.kind in ("start", "attempt"):
            table.add_row(
                f"v{record.version}", one_line(record.name, 40), score(record), score_on_holdout(records, record)
            )
    return table


def score_on_holdout(records: Sequence[LineageRecord], version: LineageRecord) -> str:
    """A version's score on the hold-out seeds; a dash where it was not played there."""
    held = [one for one in records if one.kind == "holdout" and one.parent == f"v{version.version}"]
    return score(held[-1]) if held else "–"


def outcome(records: Sequence[LineageRecord]) -> list[str]:
    """How far the best version is above the start, on seeds it was chosen on and on others, and how far luck goes."""
    top, verdicts = best(records), [one.verdict for one in records if one.verdict and one.kind == "attempt"]
    start = next((one for one in records if one.kind == "start"), None)
    if top is None or start is None or not verdicts:
        return []
    lines = []
    if top is not start and top.mean is not None and start.mean is not None:
        gain = f"v{top.version} is {100 * (top.mean - start.mean):+.2f} points from v0 on the gate seeds, where it was"
        lines.append(f"{gain} chosen{_held_gain(records, top)}.")
    luck, attempts = verdicts[-1].get("luck"), verdicts[-1].get("attempt")
    if isinstance(luck, float):
        lines.append(
            f"Keeping any higher mean, noise alone would be expected to show {100 * luck:+.2f} points on the gate "
            f"seeds after {attempts} attempts."
        )
    return lines


def _held_gain(records: Sequence[LineageRecord], top: LineageRecord) -> str:
    held = {one.parent: one for one in records if one.kind == "holdout" and one.mean is not None}
    before, after = held.get("v0"), held.get(f"v{top.version}")
    if before is None or after is None:
        return ""
    gain = f"; {100 * ((after.mean or 0.0) - (before.mean or 0.0)):+.2f} on the hold-out seeds"
    held_up = after.verdict or {}
    low, high = held_up.get("interval", (-1.0, 1.0))
    if (low, high) == (-1.0, 1.0):
        return gain
    return f"{gain} ({100 * low:+.2f} to {100 * high:+.2f}, each end at {100 * held_up['confidence']:.4g} %)"


def ending(records: Sequence[LineageRecord]) -> str:
    """Why the search ended and what its best version is, or that it has not ended."""
    last = records[-1]
    if last.kind != "end":
        return "The search has not ended: it runs, or was stopped and can go on with --resume."
    top = best(records)
    return f"ended: {one_line(last.reason, WHY)} Best: v{top.version if top else 0}."
