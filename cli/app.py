"""automem: the command line, from a program's words to its exit status. `cli.commands` lists the commands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shlex
import sys
from typing import NoReturn

from cli import stopping
from cli.stopping import Stop, Stopped

TRACE_S = 4.0
"""Seconds that the end of a command may take to send traces to LangSmith."""
MESSAGE = 2_000
"""Characters of an error that are shown: some quote what a server or a model said."""
PATH = 200
"""Characters of a path that are shown."""
OF_A_PATH = {errno.ENAMETOOLONG: 2, errno.ELOOP: 2, errno.EACCES: 1, errno.EPERM: 1, errno.EROFS: 1, errno.EIO: 1}
"""The exit status of what the system says of a path that it cannot use. A missing file is not among them: where one can
be missing, its reader says so."""


def main() -> None:
    """Run the command line. Our errors end in one line on stderr and status 2, the machine's failures in status 1.

    A signal ends it in order, in one line and status 128 + the signal's number. `stopping.remove` gives the handling
    of signals back where the process lives on.
    """
    # LangSmith's exit handler would wait for minutes for a server that is away; the last traces are sent below instead.
    os.environ.setdefault("LANGSMITH_USE_DAEMON", "true")
    stop = stopping.install()
    try:
        try:
            _command(stop)
        finally:
            stop.finished = not stop.number
    except SystemExit:
        if not stop.number:
            raise
    except Exception as error:  # noqa: BLE001 - what is none of our kinds is raised again
        _report(error, stop)
    except KeyboardInterrupt:
        if not stop.number:
            raise
    finally:
        if stop.number:
            _end_in_order(stop)
        _send_traces()


def _command(stop: Stop) -> None:
    """The command that the program's words name. Imported here: a signal may come while libraries are loaded."""
    from cli.commands import COMMANDS, app

    words = sys.argv[1:]
    entry = COMMANDS.get(next(iter(words), ""))
    if entry is not None and entry.go_on is not None:
        added = [] if entry.go_on in ("", *words) else [entry.go_on]
        stop.go_on = f"go on with: {shlex.join(['automem', *words, *added])}"
    else:
        stop.go_on = "the same command begins again"
    app()


def _report(error: Exception, stop: Stop) -> None:
    """End with the sentence of an error of ours or the machine's, and raise any other."""
    from graphs.evaluation.playing import Halted
    from graphs.inner_agent.result import MACHINE_FAILURES
    from graphs.settings import OUR_ERRORS
    from training import TrainingFailure

    if stop.number and _by_the_stop(error):
        return
    if isinstance(error, OUR_ERRORS):
        _end(str(error), 2)
    if isinstance(error, (*MACHINE_FAILURES, Halted, TrainingFailure)):
        _end(str(error), 1)
    if isinstance(error, OSError) and error.errno in OF_A_PATH and error.filename is not None:
        _end(f"{str(error.filename)[:PATH]!r} cannot be used: {error.strerror}.", OF_A_PATH[error.errno])
    if stop.number:  # its traceback would hide how to go on
        _end(f"while stopping: {type(error).__name__}: {error}", 1)
    raise error


def _by_the_stop(error: BaseException | None) -> bool:
    """Whether an error is what a library made of being interrupted or cancelled."""
    while error is not None:
        if isinstance(error, Stopped | asyncio.CancelledError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _end(sentence: str, status: int) -> NoReturn:
    from cli.commands import as_options
    from cli.visible_text import one_line

    with contextlib.suppress(OSError):  # stderr is closed: the status says it, too
        sys.stderr.write(f"automem: {one_line(as_options(sentence), MESSAGE)}\n")
    sys.exit(status)


def _end_in_order(stop: Stop) -> NoReturn:
    """Say how to go on, send what there is to send, and exit; a second signal, or ENDING_S, cut this short."""
    stopping.say(f"automem: stopped; {stop.go_on or 'the same command begins again'}")
    _send_traces()
    stop.end()


def _send_traces() -> None:
    """Send what tracing to LangSmith still holds, for at most TRACE_S seconds."""
    export = sys.modules.get("traces.langsmith_export")
    if export is not None:
        export.begin_to_close()
    client = getattr(sys.modules.get("langsmith.run_trees"), "_CLIENT", None)
    if client is not None:
        client.flush(timeout=TRACE_S)
    if export is not None:
        export.close()


if __name__ == "__main__":
    main()
