"""How the notebook was used: a panel for each measure of the paper's, and all of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from typing import get_args

from cli.report_page.document import Block, Cell, Group, Note, Picture, Pictures, Table, count, signed
from cli.report_page.drawing import Dot, Shape, draw_dots
from cli.report_page.entries import Entry
from traces import METRICS_VERSION
from traces.effects import MemoryKind, Verdict
from traces.published import published
from traces.report_data import Pair
from traces.summary import Figures


def share(value: float) -> str:
    """In percent."""
    return f"{100 * value:.1f} %"


def amount(value: float) -> str:
    """To three figures, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


PANELS: dict[str, tuple[str, Callable[[float], str], str, str]] = {
    "unproductive_action_rate": (
        "Unproductive actions",
        share,
        "%",
        "share of the actions that were stuck or oscillating",
    ),
    "missing_action_rate": ("Missing actions", share, "%", "share of the steps for which no action was written"),
    "invalid_action_rate": (
        "Missing or invalid actions",
        share,
        "%",
        "share of the steps for which no action of the world was written",
    ),
    "redundant_write_rate": ("Redundant writes", share, "%", "share of the writes that added nothing"),
    "empty_search_rate": ("Empty searches", share, "%", "share of the searches that found nothing"),
    "prompt_tokens_per_step": ("Context per step", amount, "tokens", "prompt tokens of all calls of a step"),
    "prompt_characters_per_step": (
        "Context per step",
        amount,
        "characters",
        "prompt characters of all calls of a step",
    ),
    "log_writes_per_search": (
        "LOG writes per search",
        amount,
        "writes / searches",
        "writes for each search, in LOG alone",
    ),
    "writes_per_search": ("Writes per search", amount, "writes / searches", "writes for each search, in LOG and PLAN"),
}
"""By metric (`traces.metrics`): title, how a value is written, unit, what it is. Less is better in all."""

HEALTH: dict[str, tuple[str, Callable[[float], str]]] = {
    "recall_hit_rate": ("Recalls that find something", share),
    "repeated_recall_rate": ("Recalls asked twice in a step", share),
    "never_recalled_rate": ("Writes not recalled within 200 steps", share),
    "stale_recall_rate": ("Recalled lines that a later line contradicts", share),
    "results_prompt_share": ("Answers' share of the prompts", share),
    "lines_per_100_steps": ("Growth of the largest file (lines per 100 steps)", amount),
}
"""By metric (`traces.health`): title, how a value is written."""


def behaviour_blocks(world: str, entries: Sequence[Entry], number: int) -> list[Block]:
    """A set of panels for each version of the definitions: figures of different versions are not comparable.

    `number` names the figures' files, for a world's name may be anything.
    """
    versions = sorted({version for one in entries if one.played for version in one.played.metrics_versions})
    blocks: list[Block] = []
    if len(versions) > 1:
        text = "Measured by different definitions, and therefore reported apart:"
        items = [f"metrics version {version}: {', '.join(_named(entries, version))}" for version in versions]
        blocks.append(Note(text, items, warning=True))
    for version in reversed(versions):
        measured = [
            (one, one.played.behaviour(version))
            for one in entries
            if one.played and version in one.played.metrics_versions
        ]
        pictures = _panels(world, measured, f"world-{number}-metrics-{version}")
        if pictures:
            blocks.append(Pictures(pictures))
        blocks.append(_behaviour_table(measured, version))
        if any(figures[name]["n"] for _, figures in measured for name in HEALTH):
            blocks.append(_health_table(measured, version))
    return [*blocks, *_effects(entries)]


def _effects(entries: Sequence[Entry]) -> list[Block]:
    """How many writes and recalls were measured by leaving them out, and with what verdict."""
    rows = []
    for one, kind in product(entries, get_args(MemoryKind)):
        found = [effect for effect in one.played.effects if effect.kind == kind] if one.played else []
        if one.played is None or not found:
            continue
        verdicts = Counter(effect.progression.verdict for effect in found)
        whole = one.played.count(kind)
        cells = [Cell(f"{kind}s"), Cell("unknown" if whole is None else f"{whole:,}"), _part(len(found), whole)]
        rows.append([Cell(one.name), *cells, *(_part(verdicts[verdict], whole) for verdict in get_args(Verdict))])
    if not rows:
        return []
    note = (
        "Writes and recalls measured by playing on without them (automem counterfactual), with their share of all. "
        "Helpful or harmful: the 95 % interval of the effect on progression leaves out 0."
    )
    return [
        Table(
            "Effects of memory operations",
            ["run", "operations", "all", "measured", *get_args(Verdict)],
            [Group("", rows)],
            note,
        )
    ]


def _part(number: int, whole: int | None) -> Cell:
    return Cell(f"{number:,}", (share(number / whole),) if whole else ())


def _named(entries: Sequence[Entry], version: int) -> list[str]:
    return [one.name for one in entries if one.played and version in one.played.metrics_versions]


def _panels(world: str, measured: Sequence[tuple[Entry, dict[str, Figures]]], name: str) -> list[Picture]:
    """Context in tokens where all rows know them; writes per search in LOG, as the paper has them, where any did."""
    tokens = all(figures["prompt_tokens_per_step"]["n"] for _, figures in measured)
    in_log = any(figures["log_writes_per_search"]["n"] for _, figures in measured)
    context = "prompt_tokens_per_step" if tokens else "prompt_characters_per_step"
    writes = "log_writes_per_search" if in_log else "writes_per_search"
    found = []
    for metric in ("unproductive_action_rate", "redundant_write_rate", "empty_search_rate", context, writes):
        title, written, unit, meaning = PANELS[metric]
        if not any(figures[metric]["n"] for _, figures in measured):
            continue
        dots = [
            _dot(one, figures[metric], written, "ours" if at else "first") for at, (one, figures) in enumerate(measured)
        ]
        effect = published().effect(metric, world)
        note = f"{meaning[0].upper()}{meaning[1:]}; less is better." + (f" Published: {effect}." if effect else "")
        axis = f"{unit}, mean ± standard error"
        found.append(draw_dots(f"{name}-{metric.replace('_', '-')}", title, axis, dots, note=note))
    return found


def _dot(entry: Entry, figures: Figures, written: Callable[[float], str], shape: Shape) -> Dot:
    mean, error = figures["mean"], figures["se"] or 0.0
    if mean is None:
        return Dot(entry.name, None, 0.0, "none", shape)
    scale = 100 if written is share else 1
    return Dot(entry.name, scale * mean, scale * error, written(mean), shape, address=entry.address)


def _behaviour_table(measured: Sequence[tuple[Entry, dict[str, Figures]]], version: int) -> Table:
    metrics = [name for name in PANELS if any(figures[name]["n"] for _, figures in measured)]
    rows = [
        [
            _named_cell(one, version),
            *(_metric_cell(PANELS[name][1], name, figures, _first(measured, one)) for name in metrics),
        ]
        for one, figures in measured
    ]
    columns = [PANELS[name][0] + (f" ({name.split('_')[1]})" if "per_step" in name else "") for name in metrics]
    change = "; below it the change from the first row of the same tasks and seeds" if len(measured) > 1 else ""
    older = "" if version == METRICS_VERSION else f", which is not today's ({METRICS_VERSION})"
    note = (
        f"Mean ± standard error over the episodes that have the measure{change}. Metrics version {version}{older}. "
        "A dash: nothing to measure, such as no search at all. Failed and damaged episodes are not in it."
    )
    return Table("Behaviour", ["run", *columns], [Group("", rows)], note)


def _health_table(measured: Sequence[tuple[Entry, dict[str, Figures]]], version: int) -> Table:
    """How well memory works, one line a run."""
    metrics = [name for name in HEALTH if any(figures[name]["n"] for _, figures in measured)]
    rows = [
        [_named_cell(one, version), *(_metric_cell(HEALTH[name][1], name, figures, figures) for name in metrics)]
        for one, figures in measured
    ]
    note = "Mean ± standard error over the episodes that have the measure; definitions in traces/health.py."
    return Table("Memory health", ["run", *(HEALTH[name][0] for name in metrics)], [Group("", rows)], note)


def _first(measured: Sequence[tuple[Entry, dict[str, Figures]]], of: Entry) -> dict[str, Figures]:
    """The figures of the first row that was to play what this one was: on other seeds a change may be the seeds'."""
    return next(figures for one, figures in measured if _planned(one) == _planned(of))


def _planned(one: Entry) -> set[Pair]:
    return set(one.played.planned) if one.played else set()


def _named_cell(entry: Entry, version: int) -> Cell:
    measured = (
        [one for one in entry.played.results if one.metrics.get("metrics_version") == version] if entry.played else []
    )
    return Cell(entry.name, (count(sum(one.scored for one in measured), "episode"),))


def _metric_cell(
    written: Callable[[float], str], name: str, figures: dict[str, Figures], first: dict[str, Figures]
) -> Cell:
    mean, error, before = figures[name]["mean"], figures[name]["se"], first[name]["mean"]
    if mean is None:
        return Cell("–")
    small = () if figures is first or not before else (f"{signed(100 * (mean / before - 1), 0)} %",)
    value = (
        f"{100 * mean:.1f} ± {100 * (error or 0):.1f} %"
        if written is share
        else f"{written(mean)} ± {amount(error or 0)}"
    )
    return Cell(value, small)
