"""What automem eval shows while it runs: on a terminal, over a pipe, and not at all; with few episodes and many."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from in_process import Run
from pty_screen import PtyScreen
from rich.console import Console

from cli.progress import LiveProgress
from cli.progress_table import duration, progress_table, totals
from cli.progress_tally import Tally

AUTOMEM = str(Path(sys.executable).with_name("automem"))
EVAL = (AUTOMEM, "eval", "--world", "vault", "--model", "scripted", "--task", "three-doors")
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


WELL = {"health": {"recall_hit_rate": 0.75, "stale_recall_rate": None}}


class Clock:
    """A clock that stands still until it is set on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def event(what: str, seed: int = 1, step: int = 0, **other: Any) -> Any:
    tokens = {"prompt": other.pop("prompt", 0), "completion": 0, "cached": 0}
    told = {
        "event": what,
        "task": "maze",
        "seed": seed,
        "step": step,
        "tokens": tokens,
        "servers": {},
        "out": [],
        "health": {},
    }
    return {**told, "progression": 0.0, "cost": None, "status": "playing", "note": "", **other}


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# What is added up


def test_speeds_count_what_this_process_has_played(clock: Clock) -> None:
    tally = Tally(100, clock, planned=1)
    tally.take(event("began", step=40, prompt=4_000, cost=1.0))  # taken up where another process left it
    assert (tally.left_s, tally.tokens_per_s) == (None, 0.0)
    clock.now += 10
    tally.take(event("step", step=60, prompt=5_000, cost=1.25))
    one = next(iter(tally.playing.values()))
    assert (tally.tokens, tally.tokens_per_s, tally.tokens_per_s_of(one)) == (5_000, 100.0, 100.0)
    assert (tally.left_s_of(one), tally.left_s) == (20.0, 20.0)
    assert (tally.share, tally.cost) == (0.6, 1.25)


def test_what_is_left_is_judged_by_the_length_of_the_episodes_that_ended(clock: Clock) -> None:
    tally = Tally(100, clock, planned=4)
    for seed in (1, 2):
        tally.take(event("began", seed))
    clock.now += 10
    tally.take(event("ended", 1, 20, status="finished", progression=0.5))
    assert tally.left_s == (20 + 2 * 20) / 2.0  # one being played and two to come, at two steps a second
    tally.take(event("step", 2, 80))
    assert tally.left_s == (10 + 2 * 20) / 10.0  # the long one is half way to its limit
    tally.take(event("ended", 2, 80, status="failed", progression=0.9))
    assert (tally.progression, dict(tally.ended)) == (0.5, {"finished": 1, "failed": 1})
    assert tally.share == 0.5


def test_episodes_that_were_finished_before_count_but_not_as_speed(clock: Clock) -> None:
    tally = Tally(100, clock, planned=2)
    tally.take(event("ended", 1, 50, status="finished", prompt=900, cost=2.0))
    clock.now += 5
    assert (tally.share, tally.tokens, tally.tokens_per_s, tally.left_s, tally.cost) == (0.5, 900, 0.0, None, 2.0)


def test_a_cost_is_told_only_where_every_model_has_a_price(clock: Clock) -> None:
    tally = Tally(100, clock)
    tally.take(event("step", 1, 1, cost=0.5))
    assert tally.cost == 0.5
    tally.take(event("step", 2, 1, cost=None))
    assert tally.cost is None
    assert "$" not in totals(tally)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (273_600, "3 d 4 h")],
)
def test_durations_are_shown_as_on_a_clock(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_memory_health_is_the_mean_of_the_episodes_that_have_a_figure(clock: Clock) -> None:
    tally = Tally(100, clock, planned=3)
    for seed, (hits, stale) in enumerate([(1.0, 0.5), (0.5, None), (None, None)]):
        health = {"recall_hit_rate": hits, "stale_recall_rate": stale}
        tally.take(event("step" if seed else "ended", seed, status="finished", health=health))
    assert (tally.health["recall_hit_rate"], tally.health["stale_recall_rate"]) == (0.75, 0.5)
    assert "memory: recalls 75% hit" in totals(tally)
    assert "memory" not in totals(tally, health=False)
    assert totals(tally).endswith(" · memory: recalls 75% hit, 50% of lines stale")


# The table


@pytest.mark.parametrize(("width", "height"), [(100, 24), (80, 24), (200, 60), (60, 10), (20, 5)])
def test_two_hundred_episodes_fit_on_any_screen(clock: Clock, width: int, height: int) -> None:
    tally = Tally(2_000, clock, planned=200)
    for seed in range(120):
        tally.take(event("began", seed))
        clock.now += 0.5
        tally.take(event("step", seed, seed + 1, prompt=2_000 * seed, progression=seed / 200, cost=seed / 100, **WELL))
    for seed in range(20):
        tally.take(event("ended", seed, 40, status="finished" if seed else "failed", prompt=9_000, cost=0.1))
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    console.print(progress_table(tally, width, height))
    lines = CODES.sub("", written(console)).splitlines()
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    told = next(number for number, line in enumerate(lines) if line.startswith("20 of 200 ended"))
    assert re.match(r"and \d+ more being", lines[told - 1])
    assert told >= len(lines) - 2
    if width == 200:
        assert lines[-1].startswith("20 of 200 ended (1 failed) · 12 % · 1:00, about 10:2")
        assert lines[-1].endswith(" left · progression 0.0 % · 14.1M tokens, 235k/s · $71.50 · memory: recalls 75% hit")
        assert re.search(r"maze +20 +━*.* 21/2000 +10.0 % +75% +– +\d+k? +\$0.2000 +\d+:\d\d:\d\d", lines[1])


def test_several_servers_have_a_line_with_what_each_did_for_this_process(clock: Clock) -> None:
    def use(calls: int, tokens: int, errors: int = 0) -> Any:
        return {"calls": calls, "prompt": tokens, "completion": 0, "cached": 0, "seconds": 1.0, "errors": errors}

    tally = Tally(100, clock, planned=2)
    tally.take(event("began", servers={"http://a:1/v1": use(50, 70_000)}))
    clock.now += 10
    tally.take(event("step", servers={"http://a:1/v1": use(54, 72_000), "http://b:1/v1": use(4, 500, 2)}))
    tally.take(event("began", 2, out=["http://b:1/v1"]))
    tally.take(event("ended", 2, servers={"http://b:1/v1": use(1, 500)}, out=["http://b:1/v1"], status="finished"))
    console = Console(file=io.StringIO(), width=100)
    console.print(progress_table(tally, 100, 24))
    shown = written(console).splitlines()[-1].strip()
    assert shown == "a:1 4 calls, 200 tokens/s · b:1 5 calls, 100 tokens/s, 2 errors, out"
    assert totals(tally).endswith(" · 1 server out")


def test_names_are_not_markup() -> None:
    tally = Tally(10)
    tally.take({**event("step"), "task": "[red]maze\x1b[2J"})
    console = Console(file=io.StringIO(), width=100)
    console.print(progress_table(tally, 100, 20))
    assert "[red]maze␛[2J " in written(console)


# Lines


def test_lines_come_with_every_end_every_twentieth_and_every_half_minute(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    with LiveProgress(console, Tally(100, clock)) as progress:
        progress.plan(2)
        progress.show(event("began"))
        for step in range(1, 101):
            clock.now += 2
            progress.show(event("step", step=step))
            progress.tick()
        lines = written(console).splitlines()
        assert len(lines) == 10  # one per five per cent of the whole
        assert lines[0] == "0 of 2 ended · 5 % · 0:20, about 6:20 left"
        progress.show(event("ended", step=100, status="finished", note="solved \x1b[2J", progression=1.0))
        assert written(console).splitlines()[10:] == ["maze seed 1: step 100, 100.0 % finished: solved ␛[2J"]
        for _ in range(100):  # nothing happens for a while
            clock.now += 1
            progress.tick()
    assert len(written(console).splitlines()) == 11 + 3


def test_quick_episodes_do_not_flood_a_pipe(clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=80)
    with LiveProgress(console, Tally(100, clock)) as progress:
        progress.plan(200)
        for seed in range(200):
            clock.now += 0.01
            for step in range(0, 101, 10):
                progress.show(event("step", seed, step))
            progress.show(event("ended", seed, 100, status="finished"))
            progress.tick()
    assert len(written(console).splitlines()) == 200 + 1  # two seconds: one line of totals


def test_quiet_says_nothing(clock: Clock) -> None:
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal)
        with LiveProgress(console, Tally(100, clock), quiet=True) as progress:
            progress.show(event("step", step=50))
            clock.now += 100
            progress.tick()
            progress.show(event("ended", step=60, status="failed", note="no such key"))
        assert written(console) == ""


# For real


def test_on_a_terminal_a_table_lives_above_the_lines_that_stay_and_goes_at_the_end(tmp_path: Path) -> None:
    command = [*EVAL, "--seeds", "1-6", "--concurrency", "3", "--out", str(tmp_path / "run")]
    with PtyScreen(command, columns=100, rows=24) as terminal:
        terminal.wait_for("of 6 ended")
        assert terminal.wait(60) == 0
        shown = terminal.output.decode()
    text = CODES.sub("", shown)
    assert re.search(r"three-doors +\d +━*[╸╺]?━* +\d+/100 +\d+\.\d %", text)
    assert len(re.findall(r"three-doors seed \d: step \d+, 100.0 % finished: solved", text)) == 6
    end = shown[shown.rindex("of 6 ended") :]
    assert "\x1b[2K" in end  # what was alive is wiped away
    assert "\x1b[?25h" in end  # and the cursor is back
    assert "100.00 ± 0.00" in end
    assert "written: " in end


def test_over_a_pipe_there_are_plain_lines_and_with_quiet_only_the_result(automem: Run, tmp_path: Path) -> None:
    command = [*EVAL[1:], "--seeds", "1-2", "--out", str(tmp_path / "run")]
    for more, lines in (((), 2), (("--resume",), 2), (("--resume", "--quiet"), 0)):
        code, printed, _ = automem(*command, *more)
        assert code == 0
        assert "\x1b" not in printed
        assert len(re.findall(r"three-doors seed \d: step \d+, 100.0 % finished: solved", printed)) == lines
        assert "100.00 ± 0.00" in printed
    assert printed.startswith("vault: vault/v0, scripted (no language model)")
