"""Open a run of loop 2 with its checkpoints on disk, in its run folder."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

from graphs.curator.context import Context
from graphs.curator.graph import STEP_LIMIT, build
from graphs.curator.laying_out import lay_out
from graphs.curator.state import Input, Output
from graphs.resumable import OpenRun, Resumable, opened

CURATOR = Resumable(
    name="curator",
    build=partial(build, held=True),
    lay_out=lay_out,
    outputs=tuple(Output.__annotations__),
    step_limit=STEP_LIMIT,
)


def open_specialization(given: Input, context: Context | None = None) -> AbstractAsyncContextManager[OpenRun]:
    """A run for the length of an `async with` block; `given` says where it lies and what is asked for.

    With `resume` in it a run that was stopped or killed goes on where it stood. Raises our errors, also where another
    run drives it.
    """
    return opened(CURATOR, given, context)
