"""One long episode of NetHack in one process: memory, trace, and taking it up again after a kill.

    python benchmarks/nethack_episode.py [STEPS]      (20,000 by default)

Promises: memory after the last step is at most 30 MB above that at a tenth of the way; a step takes at most 1 KB of
trace on average, one of the last 1,000 at most 1.3 x one of the first 1,000; any step is read in 5 ms of CPU; an
episode killed at its last step stands there again, by replay, within 30 s for 20,000 steps.

The scripted explorer (rules, no language model) seldom lives for 2,000 turns. So that one honest game lasts 20,000
steps, the player here is a cautious variant of it: it stays on the level it starts on, and makes a move of the
explorer's in one step of twelve only, or when something hostile is beside it; in the others it looks about (`look`,
`inventory`, `esc`), which takes no time in the game. It still writes and recalls in every step.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import paths  # noqa: F401 - before anything of the repository

import worlds.registry as registry
from traces import TraceReader
from worlds.players import Decision, Prompt, sections
from worlds.players.dungeon_player import DungeonPolicy
from worlds.players.dungeon_sight import read_sight

STEPS, SEED = 20_000, 3
MEMORY_MB, GROWTH, RESUME_S = 30, 1.3, 30.0
STEP_BYTES, READ_MS = 1_024, 5.0
STRETCH = 1_000
MOVES = 12
"""One step in so many is the explorer's; 150 steps without a turn of the game would end the episode."""
LOOKS = ("look", "inventory", "esc")


class CautiousPolicy:
    """The explorer of the dungeons, which mostly looks about and never goes down."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """What the explorer would do, but for the steps in which nothing is open and nothing near: then a look."""
        decisions = DungeonPolicy().decide(prompt)
        return [self._instead(prompt, *one) if one[0] == "act" else one for one in decisions]

    def _instead(self, prompt: Prompt, name: str, arguments: dict[str, object]) -> Decision:
        parts = sections(prompt.text)
        sight, sent = read_sight(parts["Now"]), parts.get("Action sent", "").strip()
        if arguments["action"] in ("down", "2"):  # neither the stairs nor twenty turns at once
            return name, {"action": "search" if prompt.step % MOVES == 0 else LOOKS[prompt.step % len(LOOKS)]}
        if sight is None or sight.asked or sight.page or sight.at is None or sent == "travel":
            return name, arguments
        threatened = any(not creature.startswith("tame ") for creature in sight.creatures.values())
        if threatened or arguments["action"] == "pray" or prompt.step % MOVES == 0:
            return name, arguments
        return name, {"action": LOOKS[prompt.step % len(LOOKS)]}


def register() -> None:
    """Put the cautious player in the explorer's place, in this process."""
    entry = replace(registry.world_entry("nethack"), player="nethack_episode:CautiousPolicy")
    registry.BUILT_IN = (*(one for one in registry.BUILT_IN if one.name != "nethack"), entry)


def state() -> dict[str, float]:
    """Memory and CPU of this process so far."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 2**20, "cpu_s": time.process_time()}


def episode(place: Path, steps: int) -> tuple[Any, Any]:
    """(settings, folder) of the episode. It may take one step more, so that it is not over at the kill."""
    from graphs.settings import EpisodeSettings
    from traces import RunFolder

    register()
    settings = EpisodeSettings(
        world="nethack", task="NetHackChallenge-v0", seed=SEED, model="scripted", scaffold="nethack/v0",
        max_steps=steps + 1,
    )  # fmt: skip
    return settings, RunFolder(place / "run").episode("nethack", settings.task, SEED)


async def play(place: Path, steps: int) -> None:
    """Play, print what the process amounts to at a tenth of the way and at the end, and die without a word."""
    from graphs.evaluation.episode import step_config
    from graphs.inner_agent.graph import graph
    from graphs.inner_agent.sessions import SESSIONS
    from graphs.inner_agent.state import Input

    settings, folder = episode(place, steps)
    session = SESSIONS.hold(settings, folder)
    for step in range(1, steps + 1):
        await graph.ainvoke(Input(episode=str(folder.path), steps=1), step_config(session))
        if step in (steps // 10, steps):
            print(json.dumps(state() | session.position.info["statistics"]), flush=True)
        if session.position.over:
            raise SystemExit(f"The episode ended at step {step} ({session.position.end_reason}): choose a seed.")
    os.kill(os.getpid(), signal.SIGKILL)


def resume(place: Path, steps: int) -> float:
    """Seconds of CPU to stand at the last step again."""
    from graphs.inner_agent.opening import open_session

    settings, folder = episode(place, steps)
    began = time.process_time()
    session = open_session(settings, folder)
    spent = time.process_time() - began
    stood = session.position.step
    session.close()
    if stood != steps + 1:
        raise SystemExit(f"The episode was taken up at step {stood}, not {steps + 1}.")
    return spent


def read_s(reader: TraceReader, number: int) -> float:
    """CPU seconds that reading one step takes, after another one far away."""
    reader.step(1 + (number + len(reader) // 2) % len(reader))
    began = time.process_time()
    reader.step(number)
    return time.process_time() - began


def main() -> bool:
    """Print the figures; whether the promises are kept."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    with tempfile.TemporaryDirectory(prefix="automem-nethack-") as name:
        place = Path(name)
        command = [sys.executable, __file__, "play", name, str(steps)]
        played = subprocess.run(command, capture_output=True, text=True, check=False)
        if played.returncode != -signal.SIGKILL:
            raise SystemExit(played.stderr or played.stdout)
        early, end = map(json.loads, played.stdout.splitlines())
        spent = resume(place, steps)
        with TraceReader(episode(place, steps)[1]) as reader:
            sizes = [reader.stored_bytes(number) for number in range(1, len(reader) + 1)]
            reads = [read_s(reader, number) for number in random.Random(0).sample(range(1, len(reader) + 1), 200)]
    grown = end["memory_mb"] - early["memory_mb"]
    first, last = sum(sizes[:STRETCH]) / STRETCH, sum(sizes[-STRETCH:]) / STRETCH
    limit = RESUME_S * steps / STEPS
    print(f"{steps:,} steps, {end['turn']:,} turns of the game; the player is cautious: one move in {MOVES} steps")
    print(
        f"memory: {early['memory_mb']:.0f} MB after {steps // 10:,} steps, {grown:+.1f} MB after {steps:,} "
        f"(promise <= {MEMORY_MB})"
    )
    read_ms = 1e3 * statistics.median(reads)
    growth = f"{last / first:.2f} x the first {STRETCH:,} (promise <= {GROWTH})"
    mean = sum(sizes) / len(sizes)
    print(f"trace: {mean:.0f} bytes per step (promise <= {STEP_BYTES:,}); {last:.0f} in the last {STRETCH:,}, {growth}")
    print(f"reading one step anywhere in it: {read_ms:.1f} ms of CPU (promise <= {READ_MS})")
    print(
        f"resume after a kill: {spent:.1f} s of CPU (promise < {limit:.0f}), {steps / spent:,.0f} steps a second, "
        f"{(end['cpu_s'] / spent):.1f} x quicker than playing"
    )
    small = mean <= STEP_BYTES and last / first <= GROWTH and read_ms <= READ_MS
    return grown <= MEMORY_MB and small and spent < limit


if __name__ == "__main__":
    if sys.argv[1:2] == ["play"]:
        asyncio.run(play(Path(sys.argv[2]), int(sys.argv[3])))
    raise SystemExit(not main())
