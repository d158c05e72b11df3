"""Runs one Python script that a model wrote, contained as scaffold code is: a process of its own under bubblewrap.

It sees the interpreter with its standard library, `numpy`, `orjson`, `zstandard`, and this project's
packages `traces` and `memory_fs`, so that `from traces import TraceReader` reads what is mounted; nothing else of the
repository or of the virtual environment. The given folders are mounted read-only under /runs; links cannot lead out of
them. /tmp is empty, in memory, and bounded. There is no network, no environment, no second process or thread.
"""

import json
import os
import re
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from scaffolds.containment.bubblewrap import HOME, command
from scaffolds.containment.inside.limits import OUT_OF_MEMORY
from scaffolds.containment.starting import Started, ending, launch, stop

_ROOT = Path(__file__).resolve().parents[2]
_OURS = ("traces", "memory_fs")
_OTHERS = ("orjson", "numpy", "zstandard")
_RUNNER = ("limits", "script")
_NAME = re.compile(r"(?!\.{1,2}$)[\w.-]{1,100}", re.ASCII)
_CHUNK = 65_536

Ended = Literal["ok", "error", "timeout", "cpu", "memory", "output", "killed"]
"""ok: status 0; error: an exception or another status; a limit by its name; killed: by another signal."""


@dataclass(frozen=True, slots=True)
class ScriptBounds:
    """Limits of one script, which is stopped at the first it reaches."""

    wall_s: float = 60.0
    """Seconds from start to end. Reading 20,000 steps whole takes about 5 s."""
    cpu_s: int = 60
    """CPU seconds, of the one thread it has."""
    memory_mb: int = 1024
    """Address space. Python with numpy takes about 150 MB of it."""
    scratch_mb: int = 64
    """What /tmp may hold, in all and in one file."""
    output_bytes: int = 1024 * 1024
    """What it may print, to standard output and error together."""
    source_bytes: int = 256 * 1024
    """Of the script itself, as UTF-8."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """The result of a script."""

    output: str
    """Its standard output, also where it was stopped."""
    error: str
    """Its standard error, which ends with the traceback of an exception."""
    exit_code: int | None
    """Its exit status; None where it was stopped or ended by a signal."""
    ended: Ended
    sentence: str
    """How it ended, in words; empty where it ended by itself with status 0."""


class _Collected(NamedTuple):
    output: bytes
    error: bytes
    stopped: Literal["timeout", "output"] | None


def run_script(
    source: str,
    read_only: Mapping[str, Path],
    *,
    stdin: str = "",
    bounds: ScriptBounds | None = None,
) -> ScriptResult:
    """Run `source` as a script, with the folders (or files) `read_only` at /runs/NAME, and wait for its end.

    ValueError for a name that is none, a place that does not exist or a script that is too long; CannotContain where
    this machine cannot contain code, with what to install. Anything the script does is part of the result.
    """
    bounds = bounds or ScriptBounds()
    code = source.encode(errors="backslashreplace")
    if len(code) > bounds.source_bytes:
        raise ValueError(f"the script has {len(code):,} bytes; {bounds.source_bytes:,} are allowed")
    files = {**_packages(), **_mounted(read_only)}
    arguments = [json.dumps({"limits": _limits(bounds), "source_bytes": len(code)})]
    scratch = bounds.scratch_mb * 1024 * 1024
    started = launch(lambda information, filter_: command(information, filter_, files, "script", arguments, scratch))
    try:
        collected = _collect(started, code + stdin.encode(errors="backslashreplace"), bounds)
    finally:
        stop(started)
    return _result(collected, started.outer.returncode, bounds)


def _limits(bounds: ScriptBounds) -> dict[str, int]:
    size = bounds.scratch_mb * 1024 * 1024
    return {"memory_mb": bounds.memory_mb, "cpu_s": bounds.cpu_s, "file_bytes": size, "open_files": 256}


def _mounted(read_only: Mapping[str, Path]) -> dict[str, Path]:
    for name, path in read_only.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a folder of a script: use letters, digits, '.', '_' and '-'")
        if not path.exists():
            raise ValueError(f"{path} cannot be shown to a script as /runs/{name}: it does not exist")
    return {f"/runs/{name}": path.resolve() for name, path in read_only.items()}


def _packages() -> dict[str, Path]:
    """What a script can import in addition to the standard library, and what runs it: path inside, and outside."""
    places = {f"{HOME}/{name}": _ROOT / name for name in _OURS}
    for name in _OTHERS:
        spec = find_spec(name)
        folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
        if folder is not None:
            libraries = folder.with_name(f"{name}.libs")  # shared libraries of a wheel
            places |= {f"{HOME}/{one.name}": one for one in (folder, libraries) if one.exists()}
    inside = Path("scaffolds", "containment", "inside")
    return places | {f"{HOME}/{inside}/{name}.py": _ROOT / inside / f"{name}.py" for name in _RUNNER}


def _collect(started: Started, given: bytes, bounds: ScriptBounds) -> _Collected:
    """Feed standard input and collect the output until the process ends or must be stopped."""
    stdin, stdout, stderr = started.pipes
    poll = select.poll()
    for descriptor, event in ((stdin, select.POLLOUT), *((one, select.POLLIN) for one in (stdout, stderr))):
        os.set_blocking(descriptor, False)
        poll.register(descriptor, event)
    poll.register(started.outer_end, select.POLLIN)
    printed = {stdout: bytearray(), stderr: bytearray()}
    rest, until, reading = memoryview(given), time.monotonic() + bounds.wall_s, {stdout, stderr}
    stopped: Literal["timeout", "output"] | None = None
    ended = False
    while not stopped and (reading or not ended):
        ready = dict(poll.poll(max(0.0, until - time.monotonic()) * 1_000))
        if stdin in ready:
            rest = _feed(started, poll, stdin, rest)
        for descriptor in reading & ready.keys():
            if read := os.read(descriptor, _CHUNK):
                printed[descriptor] += read
            else:
                reading = reading - {descriptor}
                poll.unregister(descriptor)
        if started.outer_end in ready and not ended:
            ended = True
            poll.unregister(started.outer_end)
        if sum(map(len, printed.values())) > bounds.output_bytes:
            stopped = "output"
        elif not ready and time.monotonic() >= until:
            stopped = "timeout"
    return _Collected(bytes(printed[stdout]), bytes(printed[stderr]), stopped)


def _feed(started: Started, poll: select.poll, stdin: int, rest: memoryview) -> memoryview:
    """Write what the pipe takes; close it at the end, or when the script has closed its end."""
    try:
        rest = rest[os.write(stdin, rest[:_CHUNK]) :]
    except BrokenPipeError:
        rest = rest[:0]
    if not rest and started.outer.stdin is not None:
        poll.unregister(stdin)
        started.outer.stdin.close()
    return rest


def _result(collected: _Collected, status: int, bounds: ScriptBounds) -> ScriptResult:
    output, error = (part.decode(errors="replace") for part in collected[:2])
    half = bounds.output_bytes
    ended: Ended
    if collected.stopped == "output":
        return ScriptResult(output[:half], error[:half], None, "output", f"It printed more than {half:,} bytes.")
    if collected.stopped == "timeout":
        return ScriptResult(output, error, None, "timeout", f"It had not ended after {bounds.wall_s:g} s.")
    if status == 0:
        return ScriptResult(output, error, 0, "ok", "")
    if status == OUT_OF_MEMORY:
        sentence = f"It needed more than the {bounds.memory_mb:,} MB of memory it may use."
        return ScriptResult(output, error, status, "memory", sentence)
    if status == 128 + signal.SIGKILL:
        sentence = f"It used more than {bounds.cpu_s} s of CPU time, or this machine ran out of memory."
        return ScriptResult(output, error, None, "cpu", sentence)
    words = ending(status)
    ended = "killed" if "SIG" in words else "error"
    return ScriptResult(output, error, None if ended == "killed" else status, ended, f"I{words[1:]}.")
