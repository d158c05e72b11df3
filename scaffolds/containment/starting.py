"""Start a contained process from any thread or event loop, and stop it."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from scaffolds.containment.bubblewrap import CannotContain, hooks_command, seccomp_filter
from scaffolds.containment.wire import Bounds

_DEATH_MS = 5_000
"""How long the kernel may take to end a killed process; usually a millisecond."""

Command = Callable[[int, int], list[str]]
"""Makes bubblewrap's command line from two file descriptors (see `bubblewrap.command`)."""


class Started(NamedTuple):
    """A process in its container, and bubblewrap's own, which waits for it outside."""

    pid: int
    outer: subprocess.Popen[bytes]
    end: int
    """Descriptor of the process (pidfd), which signals this process even if its id was reused."""
    outer_end: int
    """Descriptor of bubblewrap's; readable when that has ended."""

    @property
    def pipes(self) -> tuple[int, int, int]:
        """The parent's ends of its standard input, output and error."""
        stdin, stdout, stderr = self.outer.stdin, self.outer.stdout, self.outer.stderr
        if stdin is None or stdout is None or stderr is None:
            raise ValueError("this process was started without pipes")
        return stdin.fileno(), stdout.fileno(), stderr.fileno()


def start(bounds: Bounds, modules: Sequence[str]) -> Started:
    """Start a process for a scaffold's code, which may import `modules`. CannotContain if this machine cannot."""
    arguments = [json.dumps({"memory_mb": bounds.memory_mb, "cpu_s": bounds.cpu_s})]
    return launch(lambda information, filter_: hooks_command(information, filter_, arguments, modules))


def launch(command: Command) -> Started:
    """Start a contained process. CannotContain if this machine cannot.

    It is the child of a thread that lives as long as this process: a contained process dies with the thread that
    started it (PR_SET_PDEATHSIG). And LangGraph's dev server forbids starting processes on its event loop.
    """
    return _starter(os.getpid()).submit(_launch, command).result()


@lru_cache(maxsize=1)
def _starter(_: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="containment")


def _launch(command: Command) -> Started:
    reading, writing = os.pipe()
    try:
        outer = _bubblewrap(command, writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        pid = _read_pid(reading)
        end = os.pidfd_open(pid)
    except (ValueError, OSError) as error:  # bubblewrap wrote no id, or that process has ended
        raise CannotContain(_complaint(outer, error)) from error
    return Started(pid, outer, end, os.pidfd_open(outer.pid))


def _read_pid(reading: int) -> int:
    """The process id, from the JSON object that bubblewrap writes in pieces. ValueError if it ends without one."""
    read = b""
    with os.fdopen(reading, "rb", buffering=0) as information:
        while piece := information.read(4_096):
            read += piece
            with suppress(json.JSONDecodeError):
                return int(json.loads(read)["child-pid"])
    raise ValueError("it ended")


def _bubblewrap(command: Command, information: int) -> subprocess.Popen[bytes]:
    filter_ = seccomp_filter()
    try:
        return subprocess.Popen(
            command(information, filter_),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={},
            pass_fds=(information, filter_),
            start_new_session=True,  # Ctrl-C is handled by the parent
        )
    except OSError as error:
        raise CannotContain(f"bubblewrap cannot be started: {error}") from error
    finally:
        os.close(filter_)


def stop(started: Started) -> None:
    """Kill what is in the container, wait for bubblewrap to end, and close the pipes.

    It uses no time.sleep, and so no `Popen.wait(timeout)`, which LangGraph's dev server forbids on an event loop.
    """
    outer = started.outer
    for pipe in (outer.stdin, outer.stdout, outer.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(started.end, signal.SIGKILL)
    if not has_ended(started.outer_end, _DEATH_MS):
        outer.kill()
    outer.wait()
    os.close(started.end)
    os.close(started.outer_end)


def has_ended(process: int, most_ms: int) -> bool:
    """Whether a process (its pidfd) ends within so many milliseconds."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(most_ms))


def ending(status: int) -> str:
    """The exit status that bubblewrap passes on, in words."""
    try:
        return f"it was ended by {signal.Signals(status - 128).name}"
    except ValueError:
        return f"it ended with exit status {status}"


def _complaint(outer: subprocess.Popen[bytes], error: Exception) -> str:
    """Why bubblewrap made no container; it may still run."""
    with suppress(ProcessLookupError):
        os.killpg(outer.pid, signal.SIGKILL)
    _, error_output = outer.communicate()
    words = " ".join(error_output.decode(errors="replace").split())[:300]
    return f"bubblewrap makes no container ({words or error}); an administrator may have to allow user namespaces"
