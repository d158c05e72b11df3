"""The same tasks and seeds played by two: differences pair by pair, with the interval that chance leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.report_page.document import Block, Cell, Group, Note, Picture, Table, count, signed
from cli.report_page.drawing import Strip, draw_strips
from cli.report_page.entries import Entry
from graphs.evaluation.statistics import Paired, all_subsets, pair_up, spared_subsets
from traces.report_data import Pair
from view.library import episode_address

ERROR = 0.05
"""Each end of an interval is wrong with this probability at most: between them lies a share of at least 90 %."""
SHOWN = 200
"""Pairs of one comparison that the page lists; the files of the run hold all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of ours with an earlier one, over the pairs that both have ended."""

    first: Entry
    other: Entry
    paired: Paired
    failed: int
    """Pairs in which an episode failed; it counts 0."""
    both_finished: Paired | None
    """The same without those; None where there are none, or nothing would be left."""
    caveats: tuple[str, ...]

    @property
    def interval(self) -> tuple[float, float] | None:
        """In percentage points; None where there are too few pairs."""
        if spared_subsets(ERROR, all_subsets(len(self.paired.differences))) == 0:
            return None
        low, high = self.paired.interval
        return 100 * low, 100 * high


def compare(entries: Sequence[Entry]) -> tuple[list[Comparison], list[str]]:
    """Each of a world's rows with the first before it that played the same pairs, else with the first that shares any.

    One of its own run is taken before others: a version is compared with its start, a specialist with its base, and
    then with its control. Also the names of those that share none with any other.
    """
    played = [one for one in entries if one.played is not None]
    first_of = {other.name: _reference(played[:number], other) for number, other in enumerate(played)}
    compared_with = {first.name for first in first_of.values() if first is not None}
    found = [_compared(first, one) for one in played if (first := first_of[one.name]) is not None]
    found += [_compared(control, one) for one in played for control in played if _is_control(control, one)]
    alone = [name for name, first in first_of.items() if first is None and name not in compared_with]
    return found, alone if len(played) > 1 else []


def paired_picture(comparisons: Sequence[Comparison], name: str) -> list[Picture]:
    """The differences drawn, if there are any. `name`: of the figure's files."""
    strips = [
        Strip(
            one.other.name,
            one.first.name,
            f"{signed(100 * one.paired.mean_difference)} points, {_interval_words(one)}, {_pairs(one)}",
            [100 * pair.gain for pair in one.paired.differences],
            [_spot(one, pair.task, pair.seed) for pair in one.paired.differences],
            100 * one.paired.mean_difference,
            one.interval,
        )
        for one in comparisons
    ]
    note = (
        "A dot is one task and seed, and opens its episode in automem view; the diamond is their mean, the bar its "
        f"interval: each end is wrong with a probability of at most {100 * ERROR:.0f} % (exact sign-flip subsets of "
        "the pairs). Failed episodes count 0."
    )
    return [draw_strips(name, "Differences by seed", strips, note=note)] if strips else []


def paired_blocks(comparisons: Sequence[Comparison], alone: Sequence[str]) -> list[Block]:
    """What `compare` found: the table, and the single pairs."""
    blocks: list[Block] = [_table(comparisons), *map(_single, comparisons)] if comparisons else []
    if alone:
        blocks.append(Note("Not compared, for no other row here played the same task and seed:", alone))
    return blocks


def _reference(earlier: Sequence[Entry], other: Entry) -> Entry | None:
    sharing = [one for one in earlier if _ended(one) & _ended(other)]
    return min(sharing, key=lambda one: (one.run != other.run, _planned(one) != _planned(other)), default=None)


def _is_control(control: Entry, one: Entry) -> bool:
    return one.against == control.name and one.run == control.run and bool(_ended(one) & _ended(control))


def _ended(one: Entry) -> set[Pair]:
    return set(one.played.progressions) if one.played else set()


def _planned(one: Entry) -> set[Pair]:
    return set(one.played.planned) if one.played else set()


def _compared(first: Entry, other: Entry) -> Comparison:
    assert first.played is not None
    assert other.played is not None
    before, after = first.played.progressions, other.played.progressions
    shared = sorted(before.keys() & after.keys())
    failed = {(one.task, one.seed) for one in (*first.played.failed, *other.played.failed)} & set(shared)
    left = [pair for pair in shared if pair not in failed]
    return Comparison(
        first,
        other,
        _paired(before, after, shared),
        len(failed),
        _paired(before, after, left) if failed and left else None,
        tuple(_caveats(first, other, len(shared))),
    )


def _paired(before: Mapping[Pair, float], after: Mapping[Pair, float], pairs: Sequence[Pair]) -> Paired:
    return pair_up({pair: before[pair] for pair in pairs}, {pair: after[pair] for pair in pairs}, error=ERROR)


def _caveats(first: Entry, other: Entry, shared: int) -> list[str]:
    assert first.played is not None
    assert other.played is not None
    one, two = first.played, other.played
    found = []
    left_out = len(set(one.planned) | set(two.planned)) - shared
    if left_out:
        found.append(f"{count(left_out, 'pair')} left out: not played, not ended, or damaged, in one of both")
    for setting, words in (("effective_max_steps", "step limits"), ("protocol", "protocols")):
        if one.configuration.get(setting) != two.configuration.get(setting):
            values = f"{one.configuration.get(setting)} and {two.configuration.get(setting)}"
            found.append(f"different {words}: {values}")
    options = [
        settings.get("world_options") if isinstance(settings := run.configuration.get("settings"), dict) else None
        for run in (one, two)
    ]
    if options[0] != options[1]:
        found.append("different options of the world")
    return found


def _table(comparisons: Sequence[Comparison]) -> Table:
    rows = []
    for one in comparisons:
        paired = one.paired
        better = sum(pair.gain > 0 for pair in paired.differences)
        worse = sum(pair.gain < 0 for pair in paired.differences)
        without = one.both_finished
        small = (
            ()
            if without is None
            else (f"{signed(100 * without.mean_difference)} without the {count(one.failed, 'pair')} with a failure",)
        )
        rows.append(
            [
                Cell(_minus(one), one.caveats),
                Cell(signed(100 * paired.mean_difference), small),
                Cell(_interval_words(one)),
                Cell(f"{paired.chance:.2g}"),
                Cell(f"{better} / {worse} / {len(paired.differences) - better - worse}"),
            ]
        )
    note = "Chance: how likely a gain at least this large is for two that play alike."
    columns = ("differences in progression", "mean (points)", "interval", "chance", "better / worse / equal")
    return Table("Paired differences", columns, [Group("", rows)], note)


def _single(one: Comparison) -> Table:
    rows = [
        [
            Cell(f"{pair.task}, seed {pair.seed}", links=_episodes(one, pair.task, pair.seed)),
            Cell(f"{100 * pair.before:.2f}"),
            Cell(f"{100 * pair.after:.2f}"),
            Cell(signed(100 * pair.gain)),
        ]
        for pair in one.paired.differences[:SHOWN]
    ]
    more = len(one.paired.differences) - len(rows)
    note = f"{count(more, 'pair')} more are not listed. " if more else ""
    note += "Links open the episodes in automem view, as it serves the folder around the runs on this machine."
    columns = ("task and seed", one.first.name, one.other.name, "difference")
    return Table(f"Pair by pair: {_minus(one)}", columns, [Group("", rows)], note, folded=True)


def _episodes(one: Comparison, task: str, seed: int) -> tuple[tuple[str, str], ...]:
    """Where automem view shows the two episodes of a pair."""
    found = []
    for word, entry in (("first", one.first), ("other", one.other)):
        if entry.played is not None:
            found.append((word, episode_address(entry.played.run.path, entry.world, task, seed)))
    return tuple(found)


def _spot(one: Comparison, task: str, seed: int) -> tuple[str, str]:
    """What the dot of a pair is called, and the later of its episodes."""
    return f"{task}, seed {seed} of {one.other.name}", _episodes(one, task, seed)[-1][1]


def _minus(one: Comparison) -> str:
    return f"{one.other.name} minus {one.first.name}"


def _pairs(one: Comparison) -> str:
    return count(len(one.paired.differences), "pair")


def _interval_words(one: Comparison) -> str:
    if one.interval is None:
        return "too few pairs"
    return f"{signed(one.interval[0])} … {signed(one.interval[1])}"
