"""How soon the page over all runs answers: search over 100 episodes, an episode of 100,000 steps, a table of 300 runs.

    python benchmarks/view.py [EPISODES]

Promises: over 100 episodes of 2,000 steps the first answer of a search comes in under 1 s once the index is built; an
episode of 100,000 steps opens in a browser in under 1 s, server and browser on this machine; the table of 300 runs of
ten episodes is answered in under 3 s the first time. Episodes are synthetic, with four calls a step. One episode is
recorded and linked into place as often as needed: the index reads every copy.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import paths
from replay_pages import CHROMIUM, NO_BROWSER, browsing, synthetic
from report_runs import lay_out_run

from traces import RunFolder, write_run
from view.index import Index, Query
from view.library import Library
from view.table import Table

ANSWER_S, OPEN_S, TABLE_S = 1.0, 1.0, 3.0
QUERIES = {
    "a rare word": Query("nosuchword"),
    "a common word": Query("coal"),
    "a common word in lines that were rewarded": Query("coal", kind="line", rewarded=True),
    "recalls of what step 40 wrote": Query(outcome="hit", origin=40),
    "recalls after 1,500 steps": Query(outcome="hit", age=1_500),
}


def searching(folder: Path, episodes: int, steps: int) -> float:
    """Seconds of the slowest first answer."""
    one = synthetic(folder / "one", steps)
    for number in range(episodes):
        run = folder / "runs" / f"run-{number // 10}"
        if not run.exists():
            write_run(RunFolder(run), {"settings": {}})
        target = run / "episodes" / "made" / "default" / f"seed-{number}"
        target.mkdir(parents=True)
        for file in ("steps.jsonl.zst", "journal.jsonl"):
            os.link(one.path / file, target / file)
    index = Index(Library(folder / "runs"))
    began = time.perf_counter()
    index.update()
    state = index.state()
    size = index.path.stat().st_size / 1e6
    print(
        f"index of {episodes} episodes x {steps:,} steps: {state['items']:,} operations and lines, {size:,.0f} MB, "
        f"built in {time.perf_counter() - began:.0f} s"
    )
    slowest = 0.0
    for name, query in QUERIES.items():
        began = time.perf_counter()
        found = index.search(query)
        took = time.perf_counter() - began
        slowest = max(slowest, took)
        print(f"  {name}: {found['count']:,}{'+' if found['more'] else ''} found, first answer in {took:.3f} s")
    return slowest


def opening(folder: Path, steps: int) -> float:
    """Seconds until the page of a long episode is open, the server asked for it the first time."""
    write_run(RunFolder(folder / "long"), {"settings": {}})
    synthetic(folder / "long/episodes/made/default/seed-1", steps)
    command = [sys.executable, "-m", "cli.app", "view", str(folder), "--port", "0"]
    with subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = next(re.finditer(r"http://[\d.]+:\d+", server.stdout.readline())).group()
        with browsing() as browser:
            warm = browser.new_page()
            warm.goto(address)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            page.goto(f"{address}/run/long/episodes/made/default/seed-1?step={steps // 2}")
            page.wait_for_selector("body[data-ready]", timeout=60_000)
            opened = time.perf_counter() - began
        server.send_signal(signal.SIGINT)
    return opened


def table(folder: Path, runs: int) -> float:
    """Seconds until the table of so many runs is there, read the first time."""
    for number in range(runs):
        lay_out_run(folder / f"run-{number}", {("default", seed): 0.5 for seed in range(10)})
    began = time.perf_counter()
    rows = Table(Library(folder)).rows()
    assert len(rows) == runs
    return time.perf_counter() - began


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(prefix="automem-view-") as folder:
        rows = table(Path(folder) / "table", 300)
        print(f"table of 300 runs of ten episodes: {rows:.2f} s")
        answered = searching(Path(folder) / "search", episodes, 2_000)
        opened = 0.0
        if CHROMIUM is None:
            print(f"not measured: {NO_BROWSER}")
        else:
            opened = opening(Path(folder) / "opening", 100_000)
            print(f"an episode of 100,000 steps: open at its middle in {opened:.2f} s")
    promise = f"a search < {ANSWER_S:.0f} s, an episode of 100,000 steps < {OPEN_S:.0f} s"
    print(f"promise: {promise}, the table < {TABLE_S:.0f} s")
    return answered < ANSWER_S and opened < OPEN_S and rows < TABLE_S


if __name__ == "__main__":
    raise SystemExit(not main())
