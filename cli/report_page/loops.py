"""The two loops: a search's versions and attempts, and a specialist's trainings, as their own files record them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cli.lineage import spent_of
from cli.lineage import title as search_title
from cli.lineage_tree import ending, outcome, score, score_on_holdout, spent_words
from cli.report_page.document import Block, Cell, Group, Note, Picture, Pictures, Section, Table, percent
from cli.report_page.drawing import Dot, Shape, draw_dots, draw_versions
from cli.report_page.entries import Run, final_table
from cli.specialize_lines import readings
from graphs.curator.folders import SpecializationFolder
from graphs.curator.run import Specialization
from graphs.curator.verification import ledger_faults, table_faults
from graphs.reviewer.lineage import LineageRecord
from graphs.reviewer.lineage import read as read_lineage
from graphs.reviewer.search import Search
from graphs.reviewer.verification import lineage_faults
from graphs.settings import SettingsError
from traces import TraceDamaged, read_run
from traces.report_data import short_model, who
from traces.summary import mean_and_error
from traces.verification import Fault
from training.ledger import LedgerEntry
from training.ledger import read as read_ledger
from view.library import run_address

ATTEMPTS = 100
"""Attempts and trainings that are listed; a search has 30, a run of loop 2 ten, unless more were asked for."""


def figures_at_odds(run: Run) -> list[Fault]:
    """Where the records of a loop are not what the episodes beside them give."""
    if run.search is not None:
        found = list(lineage_faults(run.search, read_lineage(run.path)))
    elif run.specialization is not None:
        found = _faults(run.specialization, read_ledger(run.specialization.ledger))
    else:
        found = []
    return [fault for fault in found if fault.damage]


def loop_sections(run: Run, number: int) -> list[Section]:
    """What a search or a run of loop 2 adds to its rows. `number` names its figures' files."""
    if run.search is not None:
        section = _search(run.search, run.name, number)
    elif run.specialization is not None:
        section = _specialization(run.specialization, run.name, number)
    else:
        return []
    return [replace(section, blocks=[*section.blocks, *_damage(figures_at_odds(run))])]


def _search(search: Search, name: str, number: int) -> Section:
    records = read_lineage(search.folder.path)
    blocks: list[Block] = []
    if any(one.mean is not None for one in records):
        note = (
            "Bars are standard errors. Gate seeds decide what is kept; hold-out seeds were never played before. "
            "Attempts that were not kept lie between the version they were made from and the one they aimed at."
        )
        blocks.append(Pictures([draw_versions(f"search-{number}-versions", name, search.folder.path, records, note)]))
        blocks.append(_versions(records))
    blocks += _attempts(records)
    spent, left_out = spent_of(search, records)
    lines = [*outcome(records), f"Spent in all: {spent_words(spent)}.", *left_out] if records else []
    blocks += [Note(line) for line in lines]
    blocks.append(Note(ending(records) if records else "The start has not been evaluated yet."))
    return Section(f"Loop 1: {name}", blocks, lead=search_title(search))


def _versions(records: Sequence[LineageRecord]) -> Table:
    rows = [
        [Cell(f"v{one.version}", (one.name,)), Cell(score(one)), Cell(score_on_holdout(records, one))]
        for one in records
        if one.version is not None and one.kind in ("start", "attempt")
    ]
    columns = ("version", "gate seeds", "hold-out seeds")
    note = "Progression, mean ± standard error, failed episodes as 0. A version was chosen on the gate seeds."
    return Table("Versions", columns, [Group("", rows)], note)


def _attempts(records: Sequence[LineageRecord]) -> list[Block]:
    tried = [one for one in records if one.kind == "attempt"]
    if not tried:
        return []
    rows = [
        [
            Cell(one.name),
            Cell(one.parent or "–"),
            Cell(one.status, (one.reason,) if one.reason else ()),
            Cell(score(one)),
        ]
        for one in tried[:ATTEMPTS]
    ]
    more = f"{len(tried) - ATTEMPTS} more are not listed." if len(tried) > ATTEMPTS else ""
    columns = ("attempt", "made from", "what became of it", "gate seeds")
    return [Table("Attempts", columns, [Group("", rows)], more, words=columns[1:3], folded=True)]


def _specialization(folder: SpecializationFolder, name: str, number: int) -> Section:
    entries = read_ledger(folder.ledger)
    blocks: list[Block] = []
    if pictures := _trainings(folder.path, entries, name, number):
        blocks.append(Pictures(pictures))
    if entries:
        blocks.append(_ledger(entries))
    else:
        blocks.append(Note("Nothing has been trained or measured yet: the ledger is empty.", warning=True))
    if winner := (table := final_table(folder)).get("winner"):
        blocks.append(Note(f"Chosen on the validation seeds and played on the final ones: {winner}.", _readings(table)))
    else:
        blocks.append(Note("The final seeds have not been played to their end yet.", warning=True))
    return Section(f"Loop 2: {name}", blocks, lead=_about(folder))


def _readings(table: Mapping[str, object]) -> list[str]:
    """What the final table shows; nothing where it is damaged, which is said elsewhere."""
    try:
        return readings(table)
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def _faults(folder: SpecializationFolder, entries: Sequence[LedgerEntry]) -> list[Fault]:
    try:
        run = Specialization.read(folder.path)
    except (SettingsError, TraceDamaged) as error:
        return [Fault(folder.run, f"nothing here can be verified: {error}")]
    return [*ledger_faults(run, entries), *table_faults(run, entries)]


def _damage(faults: Iterable[Fault]) -> list[Block]:
    lines = [f"{fault.file.name}: {fault.what}" for fault in faults]
    more = [f"and {len(lines) - ATTEMPTS} more"] if len(lines) > ATTEMPTS else []
    title = "Damaged: figures here are not what the episodes beside them give."
    return [Note(title, [*lines[:ATTEMPTS], *more], warning=True)] if lines else []


def _about(folder: SpecializationFolder) -> str:
    """Which models played, were trained and curated."""
    found = read_run(folder)
    kept = found.get("configuration", {}).get("specialization", {}) if found else {}
    model, base, curator = (str(kept.get(key, "?")) for key in ("model", "base", "curator_model"))
    return (
        f"{kept.get('world', '?')}, traces of {who(short_model(model))}, trained: {short_model(base)}, "
        f"curated by {who(curator)}"
    )


def _trainings(run: Path, entries: Sequence[LedgerEntry], name: str, number: int) -> list[Picture]:
    dots: list[Dot] = []
    for one in entries:
        figures = mean_and_error([100 * value for seeds in one.progression.values() for value in seeds.values()])
        if figures["mean"] is not None and not one.role.startswith("final"):
            mean, error = figures["mean"], figures["se"] or 0.0
            evaluation = one.artifacts.get("evaluation", "")
            address = run_address(run / evaluation) if evaluation else ""
            shape: Shape = "ours" if dots else "first"
            dots.append(Dot(f"{one.run} ({one.role})", mean, error, percent(mean, error), shape, address=address))
    if not dots:
        return []
    note = (
        "The untrained base and each trained specialist on the validation seeds. Bars are standard errors; failed "
        "episodes count 0."
    )
    title = f"Trainings of {name}"
    axis = "progression (%), mean ± standard error"
    return [draw_dots(f"specialist-{number}-trainings", title, axis, dots, note=note)]


def _ledger(entries: Sequence[LedgerEntry]) -> Table:
    rows = []
    for one in entries[:ATTEMPTS]:
        lora = one.configuration
        figures = mean_and_error([100 * value for seeds in one.progression.values() for value in seeds.values()])
        loss = f"{one.first_loss:.3f} → {one.last_loss:.3f}" if None not in (one.first_loss, one.last_loss) else "–"
        rows.append(
            [
                Cell(one.run, tuple(text for text in (one.role, one.note) if text and text != one.run)),
                Cell(f"{one.examples:,}" if lora else "–"),
                Cell(f"{lora.rank} / {lora.learning_rate:g} / {lora.epochs}" if lora else "–"),
                Cell(loss),
                Cell(percent(figures["mean"], figures["se"]), (f"n {figures['n']}",) if figures["n"] else ()),
                Cell(_measure(one, "log_writes_per_search", "{:.2f}")),
                Cell(_measure(one, "valid_turns", "{:.2f}")),
                Cell(f"{one.tokens:,}" if lora else "–"),
                Cell(f"{one.seconds / 60:.1f}" if lora else "–"),
            ]
        )
    columns = (
        *("training", "examples", "rank / rate / epochs", "loss", "progression (%)", "LOG writes per search"),
        *("valid turns", "tokens trained on", "minutes"),
    )
    note = (
        "Specialists are chosen on the validation seeds; rows called final are of the final seeds. Progression: mean ± "
        "standard error, failed episodes as 0."
    )
    return Table("Ledger", columns, [Group("", rows)], note)


def _measure(entry: LedgerEntry, name: str, form: str) -> str:
    return form.format(entry.measures[name]) if name in entry.measures else "–"
