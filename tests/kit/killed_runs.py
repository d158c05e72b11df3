"""Play a run in processes that are killed again and again, and go on with it each time; a program of its own.

    python tests/kit/killed_runs.py OUT SEED KILLS WORLD TASK STEPS [sweep|controls]

Imports once, then forks: a killed run costs a fraction of a second. Half of the kills come from outside at a random
instant, half from inside, in the middle of a random write (half of its bytes are on disk). Prints how many kills there
were; the run in OUT is finished then. Of a sweep of counterfactuals or of control arms, the output of the last process
is in OUT/shown.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from typer.testing import CliRunner

from graphs.evaluation import graph
from graphs.evaluation.state import Input
from graphs.settings import Context
from worlds import world_entry


def play(out: Path, world: str, task: str, steps: int) -> None:
    """Begin the run, or go on with it."""
    seeds = [1, 2]
    request = Input(
        world=world, tasks=[task], seeds=seeds, model="scripted", out=str(out), resume=(out / "run.json").exists()
    )
    asyncio.run(graph.ainvoke(request, context=Context(max_steps=steps)))


def sweep(out: Path, world: str, task: str, steps: int) -> None:
    """Measure the writes of the evaluation in OUT/played, or go on with that."""
    lab = out / "lab"
    words = ["counterfactual", out / "played", "--sweep", "writes", "--samples", 1, "--horizon", steps, "--out", lab]
    command(out, *words, "--budget", "calls=60", *(["--resume"] if lab.exists() else []))


def controls(out: Path, world: str, task: str, steps: int) -> None:
    """Play two arms, or go on with them."""
    arms = out / "arms"
    words = ["controls", "--world", world, "--task", task, "--model", "scripted", "--seeds", "1-2", "--out", arms]
    words += ["--arms", "on,off", "--max-steps", steps, "--no-check", "--quiet"]
    command(out, *words, *(["--resume"] if arms.exists() else []))


def command(out: Path, *words: object) -> None:
    """Run a command and keep what it shows."""
    from cli.commands import app

    shown = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "160"}, catch_exceptions=False)
    (out / "shown").write_text(shown.output)


PLAY = {"": play, "sweep": sweep, "controls": controls}


def die_in_write(number: int) -> None:
    """Kill this process in the middle of its `number`-th write to a file."""
    written = 0
    write = os.write

    def torn(descriptor: int, data: bytes) -> int:
        nonlocal written
        written += 1
        if written == number:
            write(descriptor, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(descriptor, data)

    os.write = torn  # type: ignore[assignment]


def prepare(world: str) -> None:
    """Import what a run imports when it uses it, and leave all of it out of the collections of garbage to come."""
    entry = world_entry(world)
    for place in (entry.factory, str(entry.player), "chat_models.scripted_player"):
        import_module(place.split(":")[0])
    gc.freeze()


def main() -> None:
    """Kill until `kills` is reached, then let the run end."""
    out, world, task = Path(sys.argv[1]), sys.argv[4], sys.argv[5]
    chance, wanted, steps = random.Random(int(sys.argv[2])), int(sys.argv[3]), int(sys.argv[6])
    what = "".join(sys.argv[7:])
    if what:
        import_module("cli.commands")
        import_module("cli.counterfactual" if what == "sweep" else "cli.controls")
    prepare(world)
    kills = 0
    while True:
        from_inside = chance.random() < 0.5
        child = os.fork()
        if child == 0:
            if kills < wanted and from_inside:
                die_in_write(chance.randint(1, 16))
            PLAY[what](out, world, task, steps)
            os._exit(0)
        if kills < wanted and not from_inside:
            time.sleep(chance.uniform(0.0, 0.5 if what else 0.12))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            break
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"a run ended with status {status} after {kills} kills")
        kills += 1
    sys.stdout.write(f"{kills}\n")


if __name__ == "__main__":
    main()
