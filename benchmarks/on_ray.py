"""Workers on Ray: steps per second against one process, what waits for a slow server, and a large run.

    python benchmarks/on_ray.py [speed] [slow] [large]

Promises, on 2 cores: two workers play >= 1.8 x the steps per second of one process against a server without latency;
400 episodes keep its slots busy >= 95 % of the time at a latency of 300 ms; the head takes <= 3 % of the workers' CPU
time; a waiting episode takes <= 3 MB; 1,000 episodes of 50 steps: memory flat within 10 %, resumed
<= 20 s after a kill of the head. (A script named cluster.py would hide the package of that name: Ray puts a script
folder on the path of its workers.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paths  # before anything of the repository
from slotted_server import busy, slotted_server

from cli.stopping import descendants

SPEEDUP, BUSY, HEAD, MEMORY_MB, FLAT, RESUME_S = 1.8, 0.95, 0.03, 3.0, 1.1, 20.0
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(processes: list[int]) -> float:
    """CPU seconds (user and system) of processes and their threads."""
    total = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_mb(process: int) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def evaluate(out: Path, url: str, episodes: int, steps: int, concurrency: int, first: int = 1_000) -> dict[str, Any]:
    """Play Crafter; wall and CPU seconds of this process, steps."""
    from graphs.evaluation import graph
    from graphs.evaluation.state import Input
    from graphs.settings import Context

    given = Input(
        world="crafter",
        tasks=["default"],
        seeds=list(range(first, first + episodes)),
        model="vllm:stub",
        out=str(out),
        concurrency=concurrency,
    )
    context = Context(max_steps=steps, base_url=url, timeout_s=600.0)
    began, cpu = time.perf_counter(), time.process_time()
    state = asyncio.run(graph.ainvoke(given, context=context))
    assert state["status"] == "finished", state["reason"]
    played = sum(one["steps"] for one in state["summary"]["episodes"])
    return {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "steps": played}


def speed(player: Any) -> bool:
    """Steps per second of two workers and of one process, in turn; the best of each."""
    from graphs.evaluation.player import THIS_PROCESS, played_by

    rates: dict[str, float] = {"one": 0.0, "two": 0.0}
    costs: dict[str, float] = {}
    with slotted_server(1, 0.0) as url:
        for number in range(4):
            with played_by(THIS_PROCESS):
                one = evaluate(paths.scratch() / "one", url, 16, 40, 16)
            before = cpu_s(player.processes)
            two = evaluate(paths.scratch() / "two", url, 32, 40, 32)
            if not number:  # each warms up
                continue
            rates["one"] = max(rates["one"], one["steps"] / one["wall_s"])
            rates["two"] = max(rates["two"], two["steps"] / two["wall_s"])
            costs["one"] = 1e3 * one["cpu_s"] / one["steps"]
            costs["worker"] = 1e3 * (cpu_s(player.processes) - before) / two["steps"]
            costs["head"] = 1e3 * two["cpu_s"] / two["steps"]
    ratio = rates["two"] / rates["one"]
    print(
        f"one process {rates['one']:.0f}, two workers {rates['two']:.0f} steps/s: {ratio:.2f} x (promise >= {SPEEDUP})"
    )
    print(
        f"CPU per step: one process {costs['one']:.1f} ms, worker {costs['worker']:.1f} ms, head {costs['head']:.2f} ms"
    )
    return ratio >= SPEEDUP


def slow(player: Any) -> bool:
    """400 episodes that wait for a slow server most of the time."""
    episodes, slots = 400, 64
    with slotted_server(slots, 0.3) as url:
        evaluate(paths.scratch() / "warm", url, 16, 5, 16)
        memory = sum(map(memory_mb, player.processes))
        run = paths.scratch() / "slow"
        found: dict[str, Any] = {}
        watch = threading.Thread(target=_watch, args=(player, url, run, episodes, found))
        watch.start()
        evaluate(run, url, episodes, 25, episodes)
        watch.join()
    per_episode = (found["memory_mb"] - memory) / episodes
    print(f"{episodes} episodes, {slots} slots of 300 ms: busy {found['busy']:.1%} (promise >= {BUSY:.0%})")
    print(f"head {found['head']:.1%} of the workers' CPU time (promise <= {HEAD:.0%})")
    print(f"a waiting episode takes {per_episode:.2f} MB (promise <= {MEMORY_MB:g})")
    return found["busy"] >= BUSY and found["head"] <= HEAD and per_episode <= MEMORY_MB


def _watch(player: Any, url: str, run: Path, episodes: int, found: dict[str, Any]) -> None:
    """Measure from when all episodes have begun until the first ends."""
    while len(list(run.glob("episodes/*/*/*/steps.jsonl.zst"))) < episodes:
        time.sleep(0.5)
    first, cpu, head = busy(url), cpu_s(player.processes), time.process_time()
    while not list(run.glob("episodes/*/*/*/episode.json")):
        last, cpu_now, head_now = busy(url), cpu_s(player.processes), time.process_time()
        found["memory_mb"] = sum(map(memory_mb, player.processes))
        time.sleep(0.5)
    found["busy"] = (last["busy_s"] - first["busy_s"]) / (64 * (last["at"] - first["at"]))
    found["head"] = (head_now - head) / (cpu_now - cpu)


def large() -> bool:
    """1,000 episodes of 50 steps by the command line, whose head is killed when 600 have ended."""
    out = paths.scratch() / "large"
    with slotted_server(1, 0.0) as url:
        words = [sys.executable, "-m", "cli.app", "eval", "--world", "crafter", "--model", "vllm:stub", "--quiet"]
        words += ["--base-url", url, "--seeds", "1-1000", "--max-steps", "50", "--concurrency", "100", "--no-check"]
        words += ["--out", str(out), "--workers", "2"]
        began = time.perf_counter()
        head = subprocess.Popen(words, cwd=paths.ROOT)
        before_kill = _until(out, head, 600)
        head.send_signal(signal.SIGKILL)
        head.wait()
        before = _bytes(out)
        killed = time.perf_counter()
        head = subprocess.Popen([*words, "--resume"], cwd=paths.ROOT)
        while _bytes(out) == before and head.poll() is None:
            time.sleep(0.1)
        resumed, cost = time.perf_counter() - killed, cpu_s([head.pid, *descendants(head.pid)])
        after_kill = _until(out, head, 1_000)
        head.wait()
    ended = len(list(out.glob("episodes/*/*/*/episode.json")))
    print(f"1,000 episodes of 50 steps: {ended} ended in {time.perf_counter() - began:.0f} s, status {head.returncode}")
    flat = True
    for of, means in (("before the kill", before_kill), ("after it", after_kill)):
        shown = ", ".join(f"{number}: {mean:.0f}" for number, mean in means.items())
        print(f"{of}, mean MB of head and workers while so many had ended: {shown}")
        _, second, *_, last = means.values()
        flat &= last <= FLAT * second
    print(f"resumed {resumed:.1f} s after the kill of the head (promise <= {RESUME_S:g}), {cost:.1f} s of CPU time")
    return ended == 1_000 and resumed <= RESUME_S and flat and (out / "summary.json").exists()


def _until(out: Path, head: subprocess.Popen[bytes], episodes: int) -> dict[int, float]:
    """Wait until so many episodes have ended; mean memory of the head and its workers in every hundred of them.

    In a process's first hundred the episodes begin together and hold little.
    """
    found: dict[int, list[float]] = {}
    while head.poll() is None:
        ended = len(list(out.glob("episodes/*/*/*/episode.json")))
        if ended >= episodes:
            break
        with contextlib.suppress(OSError):  # a process that has just ended
            names = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in descendants(head.pid)}
            workers = [pid for pid, name in names.items() if name.startswith("ray::Worker")]
            if len(workers) == 2:
                found.setdefault(ended // 100 * 100, []).append(memory_mb(head.pid) + sum(map(memory_mb, workers)))
        time.sleep(1)
    return {number: sum(rates) / len(rates) for number, rates in found.items()}


def _bytes(out: Path) -> int:
    return sum(path.stat().st_size for path in out.glob("episodes/*/*/*/steps.jsonl.zst"))


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    from cluster.player import workers

    asked = sys.argv[1:] or ["speed", "slow", "large"]
    measured = [measure for name, measure in (("speed", speed), ("slow", slow)) if name in asked]
    kept = True
    if measured:
        with workers(2, None, shared=False) as player:
            for measure in measured:
                kept &= measure(player)
    if "large" in asked:
        kept &= large()
    return kept


if __name__ == "__main__":
    raise SystemExit(not main())
