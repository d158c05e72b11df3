"""A specialist made ready to play: an adapter in the base's servers, or merged, on a server that is started for it.

The command of such a server is the user's (`specialist_server`). It serves one specialist, while that is evaluated; its
output is in the run's folder. It ends with this process, however this process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from graphs.curator.players import make_servable, served_name
from graphs.curator.run import Specialization
from graphs.evaluation.playing import Halted
from graphs.events import emit
from training import TrainingError, TrainingFailure
from training.serving import served_models

SCRIPT = Path(__file__).resolve().parents[2] / "training" / "merge_adapter.py"
LOOK_S = 0.5
"""How often it is asked whether the server answers."""
TELL_S = 30.0
"""How often it is said that it does not."""
END_S = 60.0
"""How long a server may take to end when asked, and one of an earlier process to leave its address."""
WATCHED = """
exec 3<&0
trap : TERM
sh -c "$1" 3<&- &
server=$!
{ trap '' TERM; cat <&3 >/dev/null; kill -TERM -$$; sleep "$2"; kill -KILL -$$; } &
wait "$server"; status=$?
while [ "$status" -gt 128 ] && kill -0 "$server" 2>/dev/null; do wait "$server"; status=$?; done
exit "$status"
"""
"""Runs a shell's line ($1), and ends its process group once standard input is closed: by us, or by our death. What does
not end when asked is killed after some seconds ($2)."""
Tell = Callable[[dict[str, str]], None]


def _tell_graph(facts: dict[str, str]) -> None:
    emit("serving", **facts)


@asynccontextmanager
async def served(run: Specialization, adapter: Path | None, tell: Tell = _tell_graph) -> AsyncIterator[None]:
    """Have a specialist's server answer for it meanwhile; None: the base plays, and there is nothing to do.

    `tell` is given the fields of the event `serving`; outside of a graph another one than the default. TrainingError
    for what a server or the merging refuses, TrainingFailure where a server cannot be reached or ends, also while it is
    played on.
    """
    if adapter is None or not run.specialist_server:
        if adapter is not None:
            await asyncio.to_thread(make_servable, run.base, adapter, run.context.base_url)
        yield
        return
    server = await asyncio.to_thread(MergedSpecialist, run, adapter, tell)
    try:
        server.tell()
        while True:
            if await asyncio.to_thread(server.ready):
                break
            server.tell()
            await asyncio.sleep(LOOK_S)
        yield
    except Halted as halted:
        raise server.failure() or halted from halted
    finally:
        await asyncio.to_thread(server.end)


def clear(run: Specialization) -> None:
    """Remove the merged weights that a killed run has left. The caller holds the run's lock."""
    shutil.rmtree(run.folder.specialist_server / "weights", ignore_errors=True)


class MergedSpecialist:
    """The server of one specialist. Its methods return soon, but for `end`."""

    def __init__(self, run: Specialization, adapter: Path, tell: Tell) -> None:
        self.name = served_name(adapter)
        self.log = run.folder.specialist_server / "output.log"
        self._run, self._adapter, self._tell = run, adapter.resolve(), tell
        self._weights = (run.folder.specialist_server / "weights" / self.name).resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._free_by = time.monotonic() + END_S
        self._told = float("-inf")
        self._state = "it is started"
        self._over, self._starting = False, threading.Lock()

    def tell(self) -> None:
        """Report how far it is, now and then."""
        if time.monotonic() - self._told >= TELL_S:
            self._told = time.monotonic()
            last = self._last_line() if self._process is not None else ""
            url, log = self._run.specialist_url, str(self.log)
            self._tell({"name": self.name, "url": url, "log": log, "state": self._state, "last": last})

    def ready(self) -> bool:
        """Whether it answers as the specialist; it is started where it is not, once its address is free."""
        if self._process is None:
            if self._address_is_free():
                self._start()
            return False
        if failure := self.failure():
            raise failure
        try:
            names = served_models(self._run.specialist_url)
        except TrainingFailure as none:
            self._state = str(none).rstrip(".")
            return False
        if self.name not in names:
            raise TrainingError(
                f"The specialist's server answers as {', '.join(names)}, not as {self.name}: have `specialist_server` "
                "name its model {name}, for vLLM with --served-model-name {name}."
            )
        return True

    def failure(self) -> TrainingError | TrainingFailure | None:
        """Why it ended by itself; None where it has not."""
        status = None if self._process is None else self._process.poll()
        if status is None:
            return None
        last = self._last_line() or "it wrote nothing"
        if last.startswith("merge_adapter: "):
            sentence = last.removeprefix("merge_adapter: ")
            return TrainingError(sentence) if status == 2 else TrainingFailure(sentence)
        return TrainingFailure(
            f"The specialist's server ended with status {status} ({last.rstrip('.')}): {self.log} holds what it wrote; "
            "where its command is at fault, give another `specialist_server`."
        )

    def end(self) -> None:
        """End it, and remove the merged weights."""
        with self._starting:
            self._over = True
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        clear(self._run)

    def _address_is_free(self) -> bool:
        url = self._run.specialist_url
        try:
            others = served_models(url)
        except TrainingFailure:
            return True
        self._state = f"{url} is in use by {', '.join(others)}"
        if time.monotonic() < self._free_by:  # an earlier process was killed, and its server is ending
            return False
        raise TrainingError(
            f"A server answers at {url} already, as {', '.join(others)}: end it, or give another `specialist_url`, and "
            "the same port in `specialist_server`."
        )

    def _start(self) -> None:
        merge = [sys.executable, str(SCRIPT), str(self._adapter), str(self._weights), "--base", self._run.weights]
        serve = [filled(word, self._weights, self.name) for word in self._run.specialist_server]
        with self._starting:  # not after `end`, where this is called in a thread of a cancelled task
            if self._over:
                return
            clear(self._run)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as output:
                self._process = subprocess.Popen(
                    ["sh", "-c", WATCHED, "sh", f"{shlex.join(merge)} && exec {shlex.join(serve)}", str(END_S)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is ours to deal with; and all that it starts is one group with it
                )

    def _last_line(self) -> str:
        with self.log.open("rb") as output:
            output.seek(max(0, self.log.stat().st_size - 4096))
            lines = [line.strip() for line in output.read().decode(errors="replace").splitlines()]
        return next((line[:300] for line in reversed(lines) if line), "")


def filled(word: str, folder: Path, name: str) -> str:
    """A word of the command with the folder of the weights and the model's name in it; other braces stay."""
    return word.replace("{folder}", str(folder)).replace("{name}", name)
