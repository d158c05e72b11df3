"""Signals: the first one ends any command in order and says how to go on, the second leaves at once."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until_ended
from puppet_reviewer import weak_scaffold

from scaffolds import SHIPPED
from traces import RunFolder, TraceReader

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT / "tests" / "kit"
INT, TERM, HUP = int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGHUP)
Json = dict[str, Any]

EVAL = ("eval", "--world", "vault", "--model", "scripted", "--task", "six-doors", "--seeds", "1")
EVOLVE = ("evolve", "--world", "vault", "--task", "one-door", "--model", "scripted", "--reviewer-model", "scripted")
EVOLVE += ("--gate", "mean", "--seeds", "1-2", "--versions", "1")
STUBBORN = "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done"
SLOW_HOOKS = "import time\n\nclass Hooks:\n    def observe(self, view):\n        time.sleep(0.3)\n        return []\n"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{KIT}", "COLUMNS": "160"}


class Stops:
    """Runs that are stopped, all in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs: dict[str, Json] = {}
        self._ended: dict[str, list[int]] = {}

    def plan(self, name: str, words: tuple[str, ...], **how: Any) -> None:
        """Add a run: the words of its command, and the fields of tests/kit/stopped_commands.py."""
        run = {"words": words, "errors": str(self.folder / f"{name}.err"), "stdout": str(self.folder / f"{name}.out")}
        self._runs[name] = {**run, **how}

    def go(self) -> None:
        """Run all that were planned."""
        file = self.folder / "plan.json"
        file.write_text(json.dumps(list(self._runs.values())))
        words = [sys.executable, str(KIT / "stopped_commands.py"), str(file)]
        ended = subprocess.run(
            words, capture_output=True, text=True, check=False, env=environment(), cwd=self.folder, timeout=300
        )
        assert ended.returncode == 0, ended.stderr
        self._ended = dict(zip(self._runs, json.loads(ended.stdout), strict=True))

    def of(self, name: str) -> tuple[int, str]:
        """The exit status of a run that left no child behind, and what it wrote to standard error."""
        status, left = self._ended[name]
        assert left == 0
        return status, (self.folder / f"{name}.err").read_text()

    def go_on(self, name: str) -> str:
        """The command line with which a run is taken up, as the user is told."""
        words = list(self._runs[name]["words"])
        return f"go on with: {shlex.join(['automem', *words])}{'' if '--resume' in words else ' --resume'}"


@pytest.fixture(scope="module")
def stops(tmp_path_factory: pytest.TempPathFactory) -> Stops:
    stops = Stops(tmp_path_factory.mktemp("stops"))
    folder = stops.folder
    foreign = folder / "foreign"
    shutil.copytree(SHIPPED / "vault" / "v0", foreign)
    (foreign / "hooks.py").write_text(SLOW_HOOKS)

    stops.plan("whole", (*EVAL, "--out", "whole"))
    for name, signals in (("eval", [INT]), ("eval-twice", [TERM, TERM])):
        stops.plan(name, (*EVAL, "--out", name), until=f"{name}/episodes/**/steps.jsonl.zst", signals=signals)
        stops.plan(f"{name}-resumed", (*EVAL, "--out", name, "--resume"))
    contained = (*EVAL, "--scaffold", str(foreign), "--out", "contained")
    stops.plan("contained", contained, until="contained/episodes/**/steps.jsonl.zst", signals=[TERM, INT])
    evolve = (*EVOLVE, "--scaffold", str(weak_scaffold(folder / "weak")))
    stops.plan("evolve", (*evolve, "--out", "evolve"), until="evolve/**/steps.jsonl.zst", signals=[INT, INT, INT])
    asked = (*evolve, "--approve", "--out", "asked")
    stops.plan("asked", asked, until="asked.out", says="yes, or no and why", signals=[INT], stdin=True)
    play = ("play", "--world", "vault", "--model", "scripted", "--plain", "--delay", "0.05", "--out", "play")
    stops.plan("play", play, until="play/episodes/**/steps.jsonl.zst", signals=[HUP])
    stops.plan("unread", (*EVAL, "--out", "unread"), stdout=None)
    stops.go()
    return stops


def played(out: Path) -> Json:
    """All of a run that must not depend on what happened to its process."""
    found = {}
    for folder in RunFolder(out).episodes():
        with TraceReader(folder) as reader:
            steps = [(r.step, r.action, r.observation, r.reward, r.notices, r.revision, r.info) for r in reader]
        notebook = {path.name: path.read_bytes() for path in folder.memory.iterdir()}
        found[folder.path.name] = (steps, folder.journal.read_bytes(), notebook)
    return found


def test_the_first_signal_ends_a_command_in_order_and_says_how_to_go_on(stops: Stops) -> None:
    assert stops.of("eval") == (130, f"automem: stopped; {stops.go_on('eval')}\n")
    folder = stops.folder.resolve() / next((stops.folder / "play").glob("episodes/*/*/*")).relative_to(stops.folder)
    status, said = stops.of("play")
    assert status == 128 + HUP
    assert said.startswith("automem: stopped; go on with: automem play --episode ")
    assert Path(said.split()[-1]).resolve() in (folder, ROOT / said.split()[-1])
    assert (stops.folder / "play.out").read_text().splitlines()[-1].startswith("left: ")


def test_two_and_three_signals_leave_no_traceback_and_no_children(stops: Stops) -> None:
    for name, number in (("eval-twice", TERM), ("contained", TERM), ("evolve", INT)):
        status, said = stops.of(name)
        # The first may have ended it already.
        assert (status, said.replace("stopped", "left at once").rstrip(".\n")) == (
            128 + number,
            f"automem: left at once; {stops.go_on(name)}",
        )


@pytest.mark.parametrize("name", ["eval", "eval-twice"])
def test_a_stopped_run_that_is_resumed_ends_like_an_undisturbed_one(stops: Stops, name: str) -> None:
    assert stops.of(f"{name}-resumed") == (0, "")
    assert played(stops.folder / name) == played(stops.folder / "whole")


def test_a_question_at_the_terminal_can_be_left(stops: Stops) -> None:
    status, said = stops.of("asked")
    assert (status, said.strip()) == (130, f"automem: stopped; {stops.go_on('asked')}")


def test_an_output_that_nobody_reads_ends_a_command_quietly(stops: Stops) -> None:
    assert stops.of("unread") == (1, "")


def handled(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that handles signals as commands do; `stopped()` in it sends it one."""
    opening = (
        "import asyncio, hashlib, os, signal, threading, time\nfrom cli import stopping\n"
        "stopped = lambda number=signal.SIGINT: os.kill(os.getpid(), number)\n"
        "stop = stopping.install()\nstop.go_on = 'go on'\n"
    )
    words = [sys.executable, "-c", opening + program]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment(), timeout=60)


def test_a_command_that_does_not_end_by_itself_says_so_and_leaves() -> None:
    ended = handled(
        "stopping.HINT_S, stopping.ENDING_S = 0.1, 0.3\n"
        "threading.Timer(0.1, stopped).start()\nstopping.run(asyncio.to_thread(time.sleep, 50))\n"
    )
    hint = "automem: still ending; Ctrl-C or the same signal again leaves at once."
    assert (ended.returncode, ended.stderr) == (130, f"{hint}\nautomem: left at once; go on.\n")


def test_a_second_signal_is_not_kept_waiting_by_a_library() -> None:
    ended = handled(
        "def twice():\n    stopped(signal.SIGTERM)\n    time.sleep(0.1)\n    stopped(signal.SIGTERM)\n"
        "threading.Timer(0.1, twice).start()\nhashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
    )
    assert (ended.returncode, ended.stderr) == (143, "automem: left at once; go on.\n")


def test_a_child_that_ignores_signals_does_not_survive_the_second() -> None:
    ended = handled(
        "async def train():\n"
        f"    words = ('sh', '-c', {STUBBORN!r})\n"
        "    child = await asyncio.create_subprocess_exec(*words, stdout=-1, start_new_session=True)\n"
        "    await child.stdout.readline()\n    print(child.pid, flush=True)\n    stopped()\n"
        "    try:\n        await child.wait()\n    finally:\n        stopped()\n        await child.wait()\n"
        "stopping.run(train())\n"
    )
    assert (ended.returncode, ended.stderr) == (130, "automem: left at once; go on.\n")
    assert wait_until_ended(int(ended.stdout))


def test_a_stop_that_is_raised_in_a_destructor_is_not_lost() -> None:
    ended = handled(
        "class Object:\n    def __del__(self):\n        stopped()\n        for _ in range(10): pass\n"
        "try:\n    Object()\n    time.sleep(50)\nexcept stopping.Stopped:\n    stop.end()\n"
    )
    assert (ended.returncode, ended.stderr) == (130, "")


def test_a_signal_after_the_work_is_done_leaves_without_a_word() -> None:
    ended = handled("stop.finished = True\nstopped()\ntime.sleep(50)\n")
    assert (ended.returncode, ended.stderr) == (130, "")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    ended = handled(
        "stopping.remove()\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nstop = stopping.install()\n"
        "stopped(signal.SIGHUP)\nstopped(signal.SIGHUP)\ntime.sleep(0.1)\nprint('played on')\n"
    )
    assert (ended.returncode, ended.stdout) == (0, "played on\n")
