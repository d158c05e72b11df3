"""Every command of automem is stopped at random instants by two or three signals, some a hundred times in all.

    python benchmarks/stops.py [RUNS] [SEED]      (100 and 1 by default; some minutes)

Promises, for each run: it ends within 10 s of its last signal; its status is 128 + a signal that was sent (or 0 and its
usual one if it had just finished); standard error has no traceback; no process that it started is left. What can be
resumed is, after every fifth stop, and ends with the same steps, notebooks and journals as an undisturbed run.

Instants count from when the command handles signals: the interpreter's own start, some 20 ms before, cannot be helped.
"""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paths
import psutil

from scaffolds import SHIPPED
from traces import EpisodeFolder, TraceReader

sys.path.insert(0, str(paths.ROOT / "tests" / "kit"))
from puppet_reviewer import weak_scaffold
from specializing import OPTIONS, RECIPE, small_scaffold
from tiny_model import make_tiny_model

RUNS, SEED = 100, 1
BOUND_S = 10.0
LATEST_S = 8.0
"""No first signal comes later."""
RESUMED = 5
"""One stop of so many is followed by a resume, where the command has one."""
SIGNALS = (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C twice as often as the others."""
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("LANG")},
    **{"PYTHONPATH": str(paths.ROOT), "LANGSMITH_ENDPOINT": "http://127.0.0.1:9", "LANGSMITH_API_KEY": "none"},
}


@dataclass
class Command:
    """A command that is stopped."""

    name: str
    words: Sequence[str]
    """Without --out."""
    out: bool = True
    """Whether it takes --out."""
    resumes: bool = False
    status: int = 0
    """With which it ends undisturbed."""
    seconds: float = 0.0
    """What it takes undisturbed, from when it handles signals."""
    whole: dict[str, Any] = field(default_factory=dict)

    def words_for(self, out: Path, *more: str) -> list[str]:
        """The whole command line, its results in `out`."""
        place = ["--out", str(out)] if self.out else []
        return [sys.executable, "-m", "cli.app", *self.words, *place, *more]


def commands(folder: Path) -> list[Command]:
    """What is stopped, smallest settings."""
    foreign = folder / "foreign"
    shutil.copytree(SHIPPED / "vault" / "v0", foreign)
    (foreign / "hooks.py").write_text("class Hooks:\n    def observe(self, view):\n        return []\n")
    recipe, tiny, demo = folder / "tiny.toml", make_tiny_model(folder / "tiny"), folder / "demo.toml"
    recipe.write_text(RECIPE)
    demo.write_text('[[play]]\nworld = "vault"\nseeds = [1, 2]\nsteps = 80\n')
    played = folder / "played"
    vault = ("--world", "vault", "--model", "scripted")
    subprocess.run(
        [sys.executable, "-m", "cli.app", "eval", *vault, "--seeds", "1", "--task", "six-doors", "--out", str(played)],
        check=True, env=ENVIRONMENT, cwd=folder, capture_output=True,
    )  # fmt: skip
    episode = str(next(played.glob("episodes/*/*/*")))
    evolve = (
        "evolve",
        *vault,
        "--reviewer-model",
        "scripted",
        "--task",
        "one-door",
        "--gate",
        "mean",
        "--seeds",
        "1-4",
    )
    special = (
        "specialize",
        "--world",
        "vault",
        "--task",
        "one-door",
        "--gameplay-model",
        "scripted",
        "--iterations",
        "1",
    )
    special += ("--scaffold", str(small_scaffold(folder / "small")), "--recipe", str(recipe), "--max-steps", "12")
    special += ("--base", f"embedded+weights={tiny}+dtype=float32+tokens=8", "--train-options", shlex.join(OPTIONS))
    special += ("--train-seeds", "1-4", "--validation-seeds", "11", "--eval-seeds", "21")
    crafter = ("--world", "crafter", "--model", "scripted", "--max-steps", "150", "--seeds", "1-2")
    return [
        Command("eval", ["eval", *crafter], resumes=True),
        Command("eval, contained", ["eval", *vault, "--seeds", "1-4", "--scaffold", str(foreign)], resumes=True),
        Command(
            "evolve", [*evolve, "--scaffold", str(weak_scaffold(folder / "weak")), "--attempts", "2"], resumes=True
        ),
        Command("specialize", special, resumes=True),
        Command("play", ["play", *vault, "--plain", "--task", "six-doors", "--delay", "0.02"]),
        Command("fork", ["fork", episode, "--step", "5"]),
        Command("demo", ["demo", "--only", "play", "--settings", str(demo)]),
        Command("report", ["report", str(played)]),
        Command("langsmith push", ["langsmith", "push", str(played)], out=False, status=1),
    ]


def started(words: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """A command that handles signals already."""
    process = subprocess.Popen(
        words, cwd=folder, env=ENVIRONMENT, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while process.poll() is None and not _handles_signals(process.pid):
        time.sleep(0.002)
    return process


def _handles_signals(process: int) -> bool:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("SigCgt"):
            return bool(int(line.split()[1], 16) >> (signal.SIGALRM - 1) & 1)
    return False


def stopped(command: Command, folder: Path, out: Path, chance: random.Random) -> str:
    """Stop a run once; what is wrong with how it ended, empty if nothing."""
    process = started(command.words_for(out), folder)
    time.sleep(chance.uniform(0, min(1.05 * command.seconds, LATEST_S)))
    family = {*psutil.Process(process.pid).children(recursive=True)} if process.poll() is None else set()
    sent = [chance.choice(SIGNALS) for _ in range(chance.choice((2, 3)))]
    for number in sent:
        if process.poll() is None:
            family |= {*psutil.Process(process.pid).children(recursive=True)}
            as_terminal = number is not signal.SIGTERM and chance.random() < 0.5
            (os.killpg if as_terminal else os.kill)(process.pid, number)
        time.sleep(chance.choice((0.0, 0.01, 0.1, 0.3)))
    try:
        _, said = process.communicate(timeout=BOUND_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"still there {BOUND_S:g} s after {[one.name for one in sent]}"
    status, text = process.returncode, said.decode(errors="replace")
    ended = f"status {status} after {[one.name for one in sent]}"
    if status not in {command.status, *(128 + one for one in sent), *(-one for one in sent)}:
        return f"{ended}: {text}"
    if "Traceback" in text or "Exception ignored" in text or "Fatal" in text:
        return f"{ended}: {text}"
    if left := [one for one in psutil.wait_procs(family, timeout=2)[1] if one.is_running()]:
        return f"{ended}: {left} are left"
    TALLY[status] = TALLY.get(status, 0) + 1
    LAST.update({command.name: text.strip().splitlines()[-1] if text.strip() else ""})
    return ""


TALLY: dict[int, int] = {}
LAST: dict[str, str] = {}


def resumed(command: Command, folder: Path, out: Path) -> str:
    """Resume a stopped run; what differs from the undisturbed one, empty if nothing."""
    ended = subprocess.run(
        command.words_for(out, "--resume"), cwd=folder, env=ENVIRONMENT, capture_output=True, check=False
    )
    if ended.returncode != command.status:
        return f"resumed, it ended with {ended.returncode}: {ended.stderr.decode()}"
    found = played_in(out)
    different = [name for name in {*found, *command.whole} if found.get(name) != command.whole.get(name)]
    return f"resumed, {different[0]} is another" if different else ""


def played_in(out: Path) -> dict[str, Any]:
    """All that was played in a folder, by episode: all of it that must not depend on what happened to the process."""
    found = {}
    for steps in sorted(out.rglob("steps.jsonl.zst")):
        folder = EpisodeFolder(steps.parent)
        with TraceReader(folder) as reader:
            read = [(r.step, r.action, r.observation, r.reward, r.notices, r.revision, r.info) for r in reader]
        notebook = {path.name: path.read_bytes() for path in folder.memory.iterdir()}
        found[str(steps.parent.relative_to(out))] = (read, folder.journal.read_bytes(), notebook)
    return found


def undisturbed(command: Command, folder: Path, out: Path) -> None:
    """Measure a command that nobody stops, and keep what it made."""
    process = started(command.words_for(out), folder)
    began = time.monotonic()
    _, said = process.communicate()
    command.seconds = time.monotonic() - began
    if process.returncode != command.status:
        raise SystemExit(f"{command.name} ended with {process.returncode}: {said.decode()}")
    command.whole = played_in(out) if command.resumes else {}


def main() -> int:
    """Stop them all in turn; 1 if a promise is broken."""
    runs, seed = (int(given) for given in [*sys.argv[1:], *(str(RUNS), str(SEED))[len(sys.argv) - 1 :]])
    chance, broken, resumes = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        asked = commands(folder)
        for command in asked:
            undisturbed(command, folder, folder / f"whole {command.name}")
            print(f"{command.name}: {command.seconds:.1f} s undisturbed", flush=True)
        for number in range(runs):
            command = asked[number % len(asked)]
            out = folder / f"run-{number}"
            wrong = stopped(command, folder, out, chance)
            if not wrong and command.resumes and number // len(asked) % RESUMED == 0:
                wrong, resumes = resumed(command, folder, out), resumes + 1
            broken += bool(wrong)
            if wrong:
                print(f"{command.name}, run {number}: {wrong}", flush=True)
            shutil.rmtree(out, ignore_errors=True)
            if (number + 1) % 10 == 0:
                print(f"{number + 1} runs stopped, {broken} broke a promise, {resumes} resumed", flush=True)
    for name, line in LAST.items():
        print(f"{name}, in the end: {line}")
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(TALLY.items()))
    print(f"{runs} runs stopped, {broken} broke a promise, {resumes} resumed; statuses {statuses}")
    return int(broken > 0)


if __name__ == "__main__":
    raise SystemExit(main())
