"""Starting a contained process, from any thread, event loop or not."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from scaffolds.containment.bounds import Bounds
from scaffolds.containment.bubblewrap import CannotContain, command, seccomp_filter


class Started(NamedTuple):
    """A process in its container, and bubblewrap's own, which waits for it outside."""

    pid: int
    outer: subprocess.Popen[bytes]
    end: int
    """Descriptor of the process (pidfd): to signal it, whoever may have its number by now."""
    outer_end: int
    """Descriptor of bubblewrap's; readable when that has ended."""

    @property
    def pipes(self) -> tuple[int, int, int]:
        """Our ends of its standard input, output and error."""
        stdin, stdout, stderr = self.outer.stdin, self.outer.stdout, self.outer.stderr
        if stdin is None or stdout is None or stderr is None:
            raise ValueError("this process was started without pipes")
        return stdin.fileno(), stdout.fileno(), stderr.fileno()


def start(bounds: Bounds) -> Started:
    """Start a contained process. CannotContain if this machine cannot.

    It is the child of a thread that lives as long as this process: a contained process dies with the thread that
    started it (PR_SET_PDEATHSIG). And LangGraph's dev server forbids starting processes on its event loop.
    """
    return _starter(os.getpid()).submit(_start, bounds).result()


@lru_cache(maxsize=1)
def _starter(_: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="containment")


def _start(bounds: Bounds) -> Started:
    reading, writing = os.pipe()
    try:
        outer = _bubblewrap(bounds, writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        pid = _told(reading)
        end = os.pidfd_open(pid)
    except (ValueError, OSError) as error:  # it told nothing, or what it told of has ended
        raise CannotContain(_complaint(outer, error)) from error
    return Started(pid, outer, end, os.pidfd_open(outer.pid))


def _told(reading: int) -> int:
    """The process's number, from the JSON object that bubblewrap writes in pieces. ValueError if it ends without."""
    told = b""
    with os.fdopen(reading, "rb", buffering=0) as information:
        while piece := information.read(4_096):
            told += piece
            with suppress(json.JSONDecodeError):
                return int(json.loads(told)["child-pid"])
    raise ValueError("it ended")


def _bubblewrap(bounds: Bounds, information: int) -> subprocess.Popen[bytes]:
    arguments = [json.dumps({"memory_mb": bounds.memory_mb, "cpu_s": bounds.cpu_s})]
    filter_ = seccomp_filter()
    try:
        return subprocess.Popen(
            command(information, filter_, arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={},
            pass_fds=(information, filter_),
            start_new_session=True,  # Ctrl-C is ours to deal with
        )
    except OSError as error:
        raise CannotContain(f"bubblewrap cannot be started: {error}") from error
    finally:
        os.close(filter_)


def _complaint(outer: subprocess.Popen[bytes], error: Exception) -> str:
    """Why bubblewrap, which may still run, made no container."""
    with suppress(ProcessLookupError):
        os.killpg(outer.pid, signal.SIGKILL)
    _, said = outer.communicate()
    words = " ".join(said.decode(errors="replace").split())[:300]
    return f"bubblewrap makes no container ({words or error}); an administrator may have to allow user namespaces"
