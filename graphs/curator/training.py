"""One training in a process of its own: training/sft_specialist.py, its output reported, resumed after a kill.

The process holds a lock that it inherits. If this process is killed, the training goes on, and a resumed run waits for
its end: no two trainings write to one folder, and nothing that was trained is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from graphs.curator.run import Specialization
from memory_fs.file_lock import InUse, lock
from training import TrainingError, TrainingFailure
from training.metrics import Metrics, read_metrics
from training.recipe import LoraConfiguration

SCRIPT = Path(__file__).resolve().parents[2] / "training" / "sft_specialist.py"
RESTARTS = 2
"""Times that a training which a signal ended (out of memory, report) is resumed from its last checkpoint."""
LINE = 1 << 16
"""Bytes of a line that are kept together."""
END_S = 5.0
"""How long a training that is asked to end may take."""
LOOK_S = 0.5
"""How often a training of an earlier process is looked for."""


async def train(
    run: Specialization, dataset: Path, configuration: LoraConfiguration, output: Path, report: Callable[[str], None]
) -> Metrics:
    """Train, unless it is done; `report` gets each line of output.

    TrainingError for what cannot be trained (its words come from the script), TrainingFailure where the machine fails.
    """
    await asyncio.to_thread(lambda: output.parent.mkdir(parents=True, exist_ok=True))
    async with lock_training(output.with_name(f"{output.name}.lock"), report) as descriptor:
        for _ in range(1 + RESTARTS):
            if finished := await asyncio.to_thread(read_metrics, output):
                return finished
            status, last = await _run(command(run, dataset, configuration, output), descriptor, report)
            if status >= 0:
                break
            report(f"ended by signal {-status}; it is resumed from its last checkpoint")
    if status == 0 and (finished := await asyncio.to_thread(read_metrics, output)):
        return finished
    sentence = last.removeprefix("sft_specialist: ") or f"it ended with status {status} and no message"
    raise TrainingError(sentence) if status == 2 else TrainingFailure(f"The training in {output} failed: {sentence}")


def command(run: Specialization, dataset: Path, configuration: LoraConfiguration, output: Path) -> list[str]:
    """The command line of a training."""
    settings = configuration.model_dump(mode="json")
    targets = settings["target_modules"]
    settings["target_modules"] = targets if isinstance(targets, str) else ",".join(targets)
    options = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    paths = ["--dataset", str(dataset), "--base", run.weights, "--output", str(output)]
    return [*(run.launcher or [sys.executable]), str(SCRIPT), *paths, *options, *run.train_options, "--resume"]


async def _run(words: list[str], descriptor: int, report: Callable[[str], None]) -> tuple[int, str]:
    """Run a command that inherits the lock's descriptor; its exit status and its last line."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(descriptor,),
            env={**os.environ, "TQDM_DISABLE": "1"},  # bars of other libraries are no lines
            start_new_session=True,  # Ctrl-C is ours to deal with; and a launcher's processes are one group with it
        )
    except OSError as error:
        raise TrainingFailure(f"The training cannot be started with {words[0]!r}: {error.strerror}.") from error
    assert process.stdout is not None
    last = ""
    try:
        async for text in _lines(process.stdout):
            last = text
            report(text)
        return await process.wait(), last
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a training and what its launcher started, asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_S)
            return


async def _lines(output: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines that hold something; one of more than LINE bytes, such as a library's list of names, in parts."""
    held = b""
    while part := await output.read(LINE):
        *lines, held = (held + part).split(b"\n")
        if len(held) >= LINE:
            lines, held = [*lines, held], b""
        for line in lines:
            if text := line.decode(errors="replace").strip():
                yield text
    if text := held.decode(errors="replace").strip():
        yield text


@asynccontextmanager
async def lock_training(path: Path, report: Callable[[str], None]) -> AsyncIterator[int]:
    """Hold the lock of a training: its descriptor. Waits for a training that an earlier process has left behind."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        waiting = False
        while True:
            try:
                lock(descriptor, path.with_suffix(""))
                break
            except InUse as error:
                if not waiting:
                    report(str(error))
                waiting = True
                await asyncio.sleep(LOOK_S)
        yield descriptor
    finally:
        os.close(descriptor)
