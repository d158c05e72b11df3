"""What an evaluation shows on a terminal while it runs: the episodes being played, as many as fit, and the totals."""

from __future__ import annotations

from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.play_panels import BETWEEN, health_words, short
from cli.progress_tally import Tally
from cli.visible_text import one_line
from graphs.evaluation.player import player

BESIDE = 7
"""Rows of a screen that are not an episode's: headings, totals, and some of what was said before."""

NARROW = 90
"""Columns below which bars are left out."""

ROOMY = 110
"""Columns from which the memory's health has two of the table: recalls that hit, and stale lines among those shown."""

UNKNOWN = "–"


def progress_table(tally: Tally, width: int, height: int) -> RenderableType:
    """The episodes being played and the totals, for a terminal of that size."""
    playing = list(tally.playing.values())
    shown = playing[: max(1, height - BESIDE)]
    table = Table(box=None, pad_edge=False, header_style="dim", width=width)
    table.add_column("task", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("seed", justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column("", width=20)
    roomy = width >= ROOMY
    for heading in ("step", "progression", *(("hits", "stale") if roomy else ()), "tokens/s", "cost", "left ≤"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in shown:
        bar = [ProgressBar(tally.max_steps, one.step, width=20)] if width >= NARROW else []
        table.add_row(
            Text(one_line(one.task, 100)),
            str(one.seed),
            *bar,
            f"{one.step}/{tally.max_steps}",
            f"{100 * one.progression:.1f} %",
            *((percent(one.health.get(name)) for name in ("recall_hit_rate", "stale_recall_rate")) if roomy else ()),
            speed(tally.tokens_per_s_of(one)),
            dollars(one.cost),
            duration(tally.left_s_of(one)),
        )
    hidden = len(playing) - len(shown)
    more = [_line(f"and {hidden} more being played", "dim")] if hidden else []
    totals = [_line(line, "bold") for line in _packed(_totals(tally), width)[:2]]
    return Group(table, *more, *totals, *(_line(line, "") for line in _packed(_servers(tally), width)[:2]))


def _packed(parts: list[str], width: int) -> list[str]:
    """These parts, set apart by dots, on lines of at most `width` cells where they are not longer themselves."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(BETWEEN) + len(part) <= width:
            lines[-1] += BETWEEN + part
        else:
            lines.append(part)
    return lines


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def totals(tally: Tally, *, health: bool = True) -> str:
    """The whole evaluation on one line; what is not known is left out, and the memory's `health` unless asked for."""
    return BETWEEN.join(_totals(tally, health=health))


def _totals(tally: Tally, *, health: bool = True) -> list[str]:
    ended = tally.ended.total()
    apart = ", ".join(f"{tally.ended[word]} {word}" for word in ("failed", "damaged") if tally.ended[word])
    parts = [f"{ended} of {tally.episodes} ended" + (f" ({apart})" if apart else "")]
    parts.append(f"{100 * tally.share:.0f} %")
    parts.append(duration(tally.elapsed_s))
    if tally.left_s is not None and ended < tally.episodes:
        parts[-1] += f", about {duration(tally.left_s)} left"
    if workers := player().workers:
        parts.append(f"{workers}, {speed(tally.steps_per_s)} steps/s")
    if tally.progression is not None:
        parts.append(f"progression {100 * tally.progression:.1f} %")
    if tally.tokens:
        parts.append(f"{short(tally.tokens)} tokens, {speed(tally.tokens_per_s)}/s")
    if tally.cost:
        parts.append(dollars(tally.cost))
    if health and (well := health_words(tally.health)):
        parts.append(f"memory: {well}")
    if tally.out:
        parts.append(f"{len(tally.out)} server{'s' * (len(tally.out) > 1)} out")
    return parts


def _servers(tally: Tally) -> list[str]:
    """What each of several servers does; nothing of a single one."""
    parts = []
    for url, use in sorted(tally.servers.items()):
        words = [f"{urlsplit(url).netloc} {short(int(use['calls'] or 0))} calls"]
        if use["completion"] is not None and tally.elapsed_s:
            words.append(f"{speed(((use['prompt'] or 0) + use['completion']) / tally.elapsed_s)} tokens/s")
        words += [f"{use['errors']} errors"] if use["errors"] else []
        parts.append(", ".join([*words, *(["out"] if url in tally.out else [])]))
    return parts


def percent(rate: float | None) -> str:
    """A rate in little space."""
    return UNKNOWN if rate is None else f"{rate:.0%}"


def speed(per_s: float) -> str:
    """Tokens per second in little space."""
    return UNKNOWN if not per_s else short(round(per_s)) if per_s >= 10 else f"{per_s:.1f}"


def dollars(cost: float | None) -> str:
    """US dollars; a dash where there is no price."""
    return UNKNOWN if cost is None else f"${cost:,.2f}" if cost >= 1 else f"${cost:.4f}"


def duration(seconds: float | None) -> str:
    """As a clock shows it: 0:07, 12:34, 1:02:03, 3 d 4 h."""
    if seconds is None:
        return UNKNOWN
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
