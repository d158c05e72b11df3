"""A run of loop 2 in lines: what is collected, curated, trained and played, and the final table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.outer_loop import COMMON_LINES, WIDTH, Event, Events, faults, percent
from cli.visible_text import one_line
from memory_fs.results import plural
from traces.report_data import who


def print_final(console: Console, found: Mapping[str, Any]) -> None:
    """The final table with the models of each player below it, and what its seeds can and cannot show.

    `found`: the file that `graphs.curator.evaluating.write_table` wrote. It fits into 80 columns.
    """
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    episodes = plural(rows[0]["episodes"], "episode")
    console.print(_final_table(rows, f"Seeds never played before, {episodes} a player; winner {found['winner']}"))
    lines = [
        f"curated by {who(found['curated_by'])}, traces of {who(found['traces_played_by'])}",
        *(f"{row['player']}: memory {_model(row['memory'])}, actions {_model(row['gameplay'])}" for row in rows),
        *readings(found),
    ]
    for line in lines:
        console.print(one_line(line, 2_000), markup=False, highlight=False, soft_wrap=True)


def readings(found: Mapping[str, Any]) -> list[str]:
    """What the differences in a final table show, a sentence each."""
    chosen = found.get("selection")
    lines = [reading(row) for row in found["rows"] if row["interval"] is not None]
    return [*lines, selection(chosen)] if chosen else lines


def reading(row: Mapping[str, Any]) -> str:
    """What a player's difference from the base shows, and what it does not."""
    low, high = row["interval"]
    episodes = plural(row["episodes"], "episode")
    if low <= 0 <= high:
        few = "" if (low, high) != (-1.0, 1.0) else f"; so few give no interval at all, at least {FEWEST} do"
        return f"{row['player']}: {episodes} cannot show whether it differs from the base: the interval holds 0{few}."
    better = "better" if low > 0 else "worse"
    return f"{row['player']}: {better} than the base on seeds like these {row['episodes']}: the interval leaves out 0."


def selection(found: Mapping[str, Any]) -> str:
    """What choosing the turns did, against as many drawn by chance."""
    low, high = found["interval"]
    shown = "the interval holds 0" if low <= 0 <= high else "the interval leaves out 0"
    return (
        f"the selection: specialist less random-turns {100 * found['difference']:+.2f} %, {100 * low:+.2f} … "
        f"{100 * high:+.2f}: {shown}; better on {plural(found['better'], 'episode')}, worse on {found['worse']}."
    )


FEWEST = 5
"""Pairs that give an interval at an error of 5 % a side: of the 2 ** 5 subsets of their differences one is spared."""


def _final_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("player", overflow="fold")
    for heading in (
        "progression\n(%)",
        "less base\npaired (%)",
        "its interval\n(95 % a side)",
        "writes/\nsearch",
        "valid\nturns",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        gain, interval = row["difference"], row["interval"]
        table.add_row(
            row["player"],
            f"{100 * row['mean']:.2f} ± {100 * row['standard_error']:.2f}"
            + (f"\n{row['failed']} failed, as 0" if row["failed"] else ""),
            "–" if gain is None else f"{100 * gain:+.2f}",
            "–" if interval is None else f"{100 * interval[0]:+.2f} … {100 * interval[1]:+.2f}",
            _measure(row["measures"], "log_writes_per_search", "{:.2f}"),
            _measure(row["measures"], "valid_turns", "{:.0%}"),
        )
    return table


def _question(question: Event) -> list[str]:
    known = ("ask", "answers", "how", "step")
    return [one_line(f"  {name}: {value}", 2_000) for name, value in question.items() if name not in known]


def _began(event: Event) -> list[str]:
    settings = event["settings"]
    begins = "goes on" if event["resumed"] else "begins"
    seeds = ", ".join(f"{len(settings[f'{name}_seeds'])} {name}" for name in ("train", "validation", "final"))
    return [
        f"The run in {event['out']} {begins}: {who(settings['model'])} plays {settings['world']}, "
        f"{who(settings['curator_model'])} curates, {settings['base']} is trained; seeds: {seeds}."
    ]


def serving(event: Event) -> str:
    """How far the server of a specialist is."""
    last = f"; it last wrote: {event['last']}" if event["last"] else f"; output: {event['log']}"
    return one_line(f"serving {event['name']} at {event['url']}: {event['state']}{last}", 600)


def _playing(event: Event) -> list[str]:
    memory, gameplay = event["who"]
    players = _model(memory) + (f" + {_model(gameplay)}" if gameplay else "")
    return [f"{event['name']}: {players} playing {plural(event['episodes'], 'episode')}"]


def _played(event: Event) -> list[str]:
    measured = ", ".join(_measured(name, value) for name, value in event["measures"].items())
    return [f"{event['name']}: {percent(event)} over {plural(event['episodes'], 'episode')}; {measured}"]


def _measured(name: str, value: float) -> str:
    """A share of turns in percent, anything else as a number."""
    return f"{name.replace('_', ' ')} {value:{'.0%' if name.startswith('valid') else '.2f'}}"


def _candidates(event: Event) -> list[str]:
    counts = ", ".join(f"{count} {routine}" for routine, count in event["routines"].items())
    return [f"{event['count']} candidates: {counts}"]


def _curating(event: Event) -> list[str]:
    return [f"curating{', to mend what was found' if event['faults'] else ''}", *faults(event)]


def _curated(event: Event) -> list[str]:
    return [one_line(f"curation {'finished' if event['finished'] else 'broken off'}: {event['reason']}", 2_000)]


def _certified(event: Event) -> list[str]:
    if event["faults"]:
        return [f"not certified: {one_line(event['faults'][0], 400)} ({len(event['faults'])} faults)"]
    dropped = ", ".join(f"{count} {why}" for why, count in event["dropped"].items())
    return [f"certified: {event['examples']} examples" + (f"; dropped: {dropped}" if dropped else "")]


def _trained(event: Event) -> list[str]:
    return [
        f"{event['name']}: {event['examples']} examples, {event['steps']} steps, loss {event['first_loss']:.3f} → "
        f"{event['last_loss']:.3f}, {event['seconds']:.0f} s"
    ]


def _ended(event: Event) -> list[str]:
    best = f"best: {event['winner']}, {event['adapter']}" if event["winner"] else "nothing was trained"
    return ["", one_line(event["reason"], 2_000), best]


def _model(spec: str) -> str:
    """A model in short: an adapter's folder by its last names."""
    base, _, adapter = spec.partition("+adapter=")
    return who(base.partition("+")[0]) + (f"+{'/'.join(adapter.split('/')[-3:])}" if adapter else "")


def _measure(measures: Mapping[str, float], name: str, form: str) -> str:
    return form.format(measures[name]) if name in measures else "–"


EVENTS = Events(
    begins_play="playing",
    always=("warning", "refused", "ended"),
    lines={
        **COMMON_LINES,
        "began": _began,
        "copying": lambda event: [one_line(f"collect: nothing is played: the traces in {event['traces']}", WIDTH)],
        "serving": lambda event: [serving(event)],
        "playing": _playing,
        "played": _played,
        "candidates": _candidates,
        "iteration": lambda event: ["", f"iteration {event['iteration']} of {event['iterations']}"],
        "curating": _curating,
        "curated": _curated,
        "certified": _certified,
        "training": lambda event: ["  " + one_line(f"{event['name']}: {event['line']}", WIDTH)],
        "trained": _trained,
        "refused": lambda event: [one_line(f"not trained: {event['reason']}", 2_000)],
        "recorded": lambda event: [one_line(f"ledger: {event['name']} {event['note']}", 400)],
        "final": lambda event: [],
        "ended": _ended,
    },
    question=_question,
)
