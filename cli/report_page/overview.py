"""The paper's table: what is published, and, clearly apart, what was measured here."""

from __future__ import annotations

from collections.abc import Sequence

from cli.report_page.document import Block, Cell, Group, Note, Section, Table, count, percent
from cli.report_page.entries import Entry
from traces.published import published
from traces.report_data import Score

CAUSES = 20
"""Failed episodes, and damaged ones, that are listed by name and cause."""


def overview(entries: Sequence[Entry]) -> Section:
    """One row for each agent, one column for each world that was played."""
    worlds = sorted({one.world for one in entries})
    ours = [_row(one, worlds) for one in entries]
    groups = [Group("ours, measured here", ours), *_published(worlds)]
    paper = published()
    note = (
        "Mean ± standard error over episodes (population standard deviation / √n), as the paper reports it. "
        "Where episodes failed or are damaged, the second line counts them as 0: neither ever raises a score."
    )
    if len(groups) > 1:
        note += f" Published: {paper.source}; {paper.condition}."
    blocks: list[Block] = [Table("Progression (%)", ["agent", *worlds], groups, note)]
    if unpublished := [world for world in worlds if not paper.of(world)]:
        blocks.append(Note(f"Nothing is published for: {', '.join(unpublished)}."))
    blocks += _failures(entries) + _damage(entries) + _unverifiable(entries)
    return Section("Results", blocks)


def honesty(entries: Sequence[Entry]) -> list[Note]:
    """What a reader must know before the first figure: who played, and what is not there yet."""
    notes = []
    scripted = [one.name + ("" if one.scripted == "all" else " (in part)") for one in entries if one.scripted != "none"]
    if scripted:
        text = (
            "Played by a scripted player: rules, no language model. These rows show what the notebook and the harness "
            "do, not how well a model plays; do not read them as results beside the published ones."
        )
        everywhere = all(one.scripted == "all" for one in entries)
        notes.append(Note(text, ["all rows of ours"] if everywhere else scripted, warning=True))
    partial = [
        f"{one.name}: {one.played.missing} of {count(len(one.played.planned), 'episode')} not ended{_so_far(one)}"
        for one in entries
        if one.played and (one.played.missing or one.played.under_way)
    ]
    if partial:
        text = "Still being played, or stopped: these rows are partial, and their figures will change."
        notes.append(Note(text, partial, warning=True))
    return notes


def _so_far(entry: Entry) -> str:
    """What its episodes without a result have recorded: ", 7 steps and 53 model calls so far"."""
    found = entry.played.under_way if entry.played else ()
    steps, calls = sum(one.steps for one in found), sum(one.model_calls for one in found)
    damaged = "".join(f"; {one.damage}" for one in found if one.damage)
    return f", {count(steps, 'step')} and {count(calls, 'model call')} of them so far{damaged}" if found else ""


def score_cell(score: Score) -> Cell:
    """Both means where episodes failed or are damaged; how many there were, and which of them a ceiling stopped."""
    apart = [f"{number} {word}" for number, word in ((score.failed, "failed"), (score.damaged, "damaged")) if number]
    if not score.finished and not apart:
        return Cell("–", ("no episode has ended",))
    small = [" + ".join([count(score.finished, "episode"), *apart])]
    if apart:
        words = " and ".join(word.split()[1] for word in apart)
        small.append(f"{percent(score.mean_with_zeros, score.error_with_zeros)} with {words} as 0")
    if score.limited:
        small.append(f"{score.limited} limited: stopped by a ceiling, counted as far as played")
    return Cell(percent(score.mean, score.error), tuple(small))


def _row(entry: Entry, worlds: Sequence[str]) -> list[Cell]:
    cells = [score_cell(entry.score) if world == entry.world else Cell("") for world in worlds]
    about = (entry.player, ", ".join(entry.about), *_protocol(entry))
    links = (("open", entry.address),) if entry.address else ()
    return [Cell(entry.name, about, links), *cells]


def _protocol(entry: Entry) -> list[str]:
    if not published().of(entry.world):
        return []
    return ["on the paper's protocol" if entry.on_protocol else "not on the paper's protocol"]


def _published(worlds: Sequence[str]) -> list[Group]:
    groups: dict[str, list[list[Cell]]] = {}
    for row in published().rows:
        if any(world in row.figures for world in worlds):
            cells = [Cell(percent(*row.figures[world]) if world in row.figures else "") for world in worlds]
            groups.setdefault(row.group, []).append([Cell(row.agent), *cells])
    return [Group(f"published: {title}", rows, "published") for title, rows in groups.items()]


def _failures(entries: Sequence[Entry]) -> list[Block]:
    lines = []
    for entry in entries:
        for one in entry.played.failed if entry.played else []:
            cause = f"({one.failure.where}): {one.failure.sentence}" if one.failure else "(no cause was recorded)"
            lines.append(f"{entry.name}: {one.task}, seed {one.seed} failed at step {one.steps + 1} {cause}")
    return _listed("Episodes that a failure of the machine ended:", lines)


def _damage(entries: Sequence[Entry]) -> list[Block]:
    lines = [
        f"{entry.name}: {one.task}, seed {one.seed}: {one.failure.sentence if one.failure else 'no cause is known'}"
        for entry in entries
        for one in (entry.played.damaged if entry.played else [])
    ]
    return _listed("Damaged episodes, whose files are not what they were when they ended, in no score:", lines)


def _unverifiable(entries: Sequence[Entry]) -> list[Block]:
    lines = [
        f"{entry.name}: {count(entry.played.unverifiable, 'episode')}"
        for entry in entries
        if entry.played and entry.played.unverifiable
    ]
    title = "Not verifiable: results of an earlier version hold nothing that the files could be compared with."
    return [Note(title, lines)] if lines else []


def _listed(title: str, lines: Sequence[str]) -> list[Block]:
    if not lines:
        return []
    more = [f"and {len(lines) - CAUSES} more"] if len(lines) > CAUSES else []
    return [Note(title, [*lines[:CAUSES], *more], warning=True)]
