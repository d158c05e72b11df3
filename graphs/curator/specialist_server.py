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
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from graphs.curator.players import make_servable, served_name
from graphs.curator.run import Specialization
from graphs.events import emit
from training import TrainingError, TrainingFailure
from training.serving import served_models

SCRIPT = Path(__file__).resolve().parents[2] / "training" / "merge_adapter.py"
LOOK_S = 0.5
"""How often it is asked whether the server answers."""
END_S = 60.0
"""How long a server may take to end, and one of an earlier process to leave its address."""
WATCHED = """
exec 3<&0
trap : TERM
sh -c "$1" 3<&- &
server=$!
{ trap - TERM; cat <&3 >/dev/null; kill -TERM -$$; } &
wait "$server"; status=$?
while [ "$status" -gt 128 ] && kill -0 "$server" 2>/dev/null; do wait "$server"; status=$?; done
exit "$status"
"""
"""Runs a shell's line, and ends its process group once standard input is closed: by us, or by our death."""


@asynccontextmanager
async def served(run: Specialization, adapter: Path | None) -> AsyncIterator[None]:
    """Have a specialist's server answer for it meanwhile; None: the base plays, and there is nothing to do.

    TrainingError for what a server or the merging refuses, TrainingFailure where a server cannot be reached or ends.
    """
    if adapter is None or not run.specialist_server:
        if adapter is not None:
            await asyncio.to_thread(make_servable, run.base, adapter, run.context.base_url)
        yield
        return
    server = MergedSpecialist(run, adapter)
    emit("serving", name=server.name, url=run.specialist_url, log=str(server.log))
    try:
        while True:
            if await asyncio.to_thread(server.ready):
                break
            await asyncio.sleep(LOOK_S)
        yield
    finally:
        await asyncio.to_thread(server.end)


@contextmanager
def served_outside(run: Specialization, adapter: Path) -> Iterator[None]:
    """Likewise, where no graph is running."""
    if not run.specialist_server:
        make_servable(run.base, adapter, run.context.base_url)
        yield
        return
    server = MergedSpecialist(run, adapter)
    try:
        while not server.ready():
            time.sleep(LOOK_S)
        yield
    finally:
        server.end()


class MergedSpecialist:
    """The server of one specialist. Its methods return soon, but for `end`."""

    def __init__(self, run: Specialization, adapter: Path) -> None:
        self.name = served_name(adapter)
        self.log = run.folder.specialist_server / "output.log"
        self._run, self._adapter = run, adapter
        self._weights = run.folder.specialist_server / self.name
        self._process: subprocess.Popen[bytes] | None = None
        self._free_by = time.monotonic() + END_S

    def ready(self) -> bool:
        """Whether it answers as the specialist; it is started where it is not, once its address is free."""
        if self._process is None:
            if self._address_is_free():
                self._start()
            return False
        if self._process.poll() is not None:
            raise self._ended(self._process.returncode)
        try:
            names = served_models(self._run.specialist_url)
        except TrainingFailure:
            return False
        if self.name not in names:
            raise TrainingError(
                f"The specialist's server answers as {', '.join(names)}, not as {self.name}: have `specialist_server` "
                "name its model {name}, for vLLM with --served-model-name {name}."
            )
        return True

    def end(self) -> None:
        """End it, and remove the merged weights."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._weights, ignore_errors=True)

    def _address_is_free(self) -> bool:
        url = self._run.specialist_url
        try:
            others = served_models(url)
        except TrainingFailure:
            return True
        if time.monotonic() < self._free_by:  # an earlier process was killed, and its server is ending
            return False
        raise TrainingError(
            f"A server answers at {url} already, as {', '.join(others)}: end it, or give another `specialist_url`, and "
            "the same port in `specialist_server`."
        )

    def _start(self) -> None:
        shutil.rmtree(self._weights, ignore_errors=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        merge = [sys.executable, str(SCRIPT), str(self._adapter), str(self._weights), "--base", self._run.weights]
        serve = [filled(word, self._weights, self.name) for word in self._run.specialist_server]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                ["sh", "-c", WATCHED, "sh", f"{shlex.join(merge)} && exec {shlex.join(serve)}"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to deal with; and all that it starts is one group with it
            )

    def _ended(self, status: int) -> TrainingError | TrainingFailure:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        last = lines[-1] if lines else "it wrote nothing"
        if last.startswith("merge_adapter: "):
            sentence = last.removeprefix("merge_adapter: ")
            return TrainingError(sentence) if status == 2 else TrainingFailure(sentence)
        return TrainingFailure(
            f"The specialist's server ended with status {status} ({last[:300].rstrip('.')}): {self.log} holds what it "
            "wrote; `specialist_server` can be given anew."
        )


def filled(word: str, folder: Path, name: str) -> str:
    """A word of the command with the folder of the weights and the model's name in it; other braces stay."""
    return word.replace("{folder}", str(folder)).replace("{name}", name)
