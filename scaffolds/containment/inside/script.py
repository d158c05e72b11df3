"""Runs one script inside the container: its text comes first on standard input, the rest is the script's own input."""

import builtins
import json
import linecache
import os
import sys
import traceback
from io import TextIOWrapper

from scaffolds.containment.inside.limits import OUT_OF_MEMORY, limit

NAME = "script.py"


def main() -> None:
    """Take limits and the length of the script from the command line, then run it as `__main__`."""
    os.environ.clear()  # bubblewrap and Python set PWD and LC_CTYPE
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's, which would complain that it may start no threads
    given = json.loads(sys.argv[1])
    limit(**given["limits"])
    source = _read(given["source_bytes"])
    sys.argv = [NAME]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # What was printed is not lost where the script is stopped, and half a character ends no script.
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # as without -S
    linecache.cache[NAME] = (len(source), None, source.splitlines(keepends=True), NAME)
    try:
        exec(compile(source, NAME, "exec"), {"__name__": "__main__", "__file__": NAME})  # noqa: S102
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a script raises ends it here, as it would end Python
        _fail(error)


def _read(length: int) -> str:
    """The first `length` bytes of standard input, and not one more."""
    parts: list[bytes] = []
    while length and (part := os.read(0, length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts).decode()


def _fail(error: BaseException) -> None:
    """Print the traceback, without our own frames, and end."""
    memory = isinstance(error, MemoryError)
    shown = error.__traceback__.tb_next if error.__traceback__ else None
    error.__traceback__ = None if memory else shown  # what filled the memory is let go
    traceback.print_exception(error, limit=-20)
    sys.exit(OUT_OF_MEMORY if memory else 1)
