"""One world: progression beside what is published, differences seed by seed, behaviour, cost."""

from __future__ import annotations

from collections.abc import Sequence

from cli.report_page.behaviour import behaviour_blocks
from cli.report_page.document import Block, Cell, Group, Picture, Pictures, Section, Table, percent
from cli.report_page.drawing import Dot, draw_dots
from cli.report_page.entries import Entry
from cli.report_page.overview import score_cell
from cli.report_page.pairs import compare, paired_blocks, paired_picture
from traces.published import published
from traces.records import ServerUse
from traces.report_data import Cost


def world_section(world: str, entries: Sequence[Entry], number: int) -> Section:
    """The sections of one world. `number` names its figures' files, for a world's name may be anything."""
    comparisons, alone = compare(entries)
    pictures = _progression(world, entries, f"world-{number}-progression")
    pictures += paired_picture(comparisons, f"world-{number}-paired")
    blocks: list[Block] = [Pictures(pictures)] if pictures else []
    blocks += paired_blocks(comparisons, alone)
    blocks += _tasks(entries)
    blocks += behaviour_blocks(world, entries, number)
    blocks += _cost(entries)
    blocks += _servers(entries)
    return Section(f"World: {world}", blocks)


def _progression(world: str, entries: Sequence[Entry], name: str) -> list[Picture]:
    dots = []
    for number, one in enumerate(entries):
        if one.score.mean_with_zeros is None:
            continue
        failed = f", {one.score.failed} failed" if one.score.failed else ""
        player = {"all": "no language model", "part": "in part scripted"}.get(one.scripted, one.player)
        dots.append(
            Dot(
                f"{one.name} ({player}{failed})",
                one.score.mean_with_zeros,
                one.score.error_with_zeros or 0.0,
                percent(one.score.mean_with_zeros, one.score.error_with_zeros),
                "ours" if number else "first",
                one.score.mean if one.score.failed else None,
                one.address,
            )
        )
    note = "Bars are standard errors."
    if any(dot.other is not None for dot in dots):
        note += " Failed episodes count 0; the small ring is the mean without them."
    drawn = [row for row in published().of(world) if row.drawn]
    if drawn:
        note += f" Published figures: {published().source}, under other conditions (see the table)."
    for row in drawn:
        mean, error = row.figures[world]
        agent = row.agent if "AutoMem" in row.agent or "-" in row.agent else f"Qwen2.5-32B, {row.agent}"
        dots.append(Dot(agent, mean, error, percent(mean, error), "published"))
    if not dots:
        return []
    title, axis = f"Progression in {world}", "progression (%), mean ± standard error"
    return [draw_dots(name, title, axis, dots, heading="published", note=note)]


def _tasks(entries: Sequence[Entry]) -> list[Block]:
    tasks = dict.fromkeys(task for one in entries if one.played for task in one.played.by_task)
    played = [one for one in entries if one.played]
    if len(tasks) < 2:
        return []
    rows = []
    for task in tasks:
        scores = [one.played.by_task.get(task) if one.played else None for one in played]
        rows.append([Cell(task), *(score_cell(score) if score else Cell("") for score in scores)])
    return [Table("By task (%)", ["task", *(one.name for one in played)], [Group("", rows)])]


def _cost(entries: Sequence[Entry]) -> list[Block]:
    costs = [(one, one.played.cost) for one in entries if one.played]
    if not costs:
        return []
    rows = [[Cell(one.name), *map(Cell, _cost_words(cost))] for one, cost in costs]
    columns = (
        "run",
        "steps",
        "model calls",
        "prompt tokens",
        "of these cached",
        "completion tokens",
        "US $",
        "minutes",
    )
    note = (
        "Of all episodes as far as they were played, also of failed ones and of those without a result. Minutes: the "
        "episodes' own added up, though some are played side by side. unknown: a server did not report the tokens of "
        "every call. A dash: no tokens, or no price of a model."
    )
    return [Table("Cost", columns, [Group("", rows)], note)]


def _servers(entries: Sequence[Entry]) -> list[Block]:
    """What each server did in the runs that had several."""
    groups = [
        Group(
            one.name,
            [[Cell(url.partition("//")[2]), *map(Cell, _server_words(use))] for url, use in one.played.servers.items()],
        )
        for one in entries
        if one.played and one.played.servers
    ]
    if not groups:
        return []
    columns = ("server", "calls", "prompt tokens", "of these cached", "new tokens", "new tokens/s of a call", "errors")
    note = "Errors are failed attempts of calls that were answered in the end, by this server or another."
    return [Table("Servers", columns, groups, note)]


def _server_words(use: ServerUse) -> list[str]:
    completion, seconds = use["completion"], use["seconds"]
    return [
        f"{use['calls']:,}",
        _count(use["prompt"]),
        _cached(use["prompt"], use["cached"]),
        _count(completion),
        "unknown" if completion is None else f"{completion / seconds:,.1f}" if seconds else "–",
        f"{use['errors']:,}",
    ]


def _cached(prompt: float | None, cached: float | None) -> str:
    return f"{100 * cached / prompt:.0f} %" if prompt and cached is not None else _count(cached)


def _count(tokens: float | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}" if tokens else "–"


def _cost_words(cost: Cost) -> list[str]:
    return [
        f"{cost.steps:,}",
        f"{cost.model_calls:,}",
        _count(cost.prompt),
        _cached(cost.prompt, cost.cached),
        _count(cost.completion),
        f"{'≥ ' if cost.dollars_so_far else ''}{cost.dollars:,.2f}" if cost.dollars is not None else "–",
        f"{cost.wall_s / 60:,.1f}",
    ]
