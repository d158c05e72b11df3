"""Open a search with its checkpoints on disk, in its run folder: stopped or killed anywhere, it goes on from there."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

from graphs.resumable import OpenRun, Resumable, opened
from graphs.reviewer.context import Context
from graphs.reviewer.graph import STEP_LIMIT, build
from graphs.reviewer.laying_out import lay_out
from graphs.reviewer.state import Input, Output

SEARCH = Resumable(
    name="reviewer",
    build=partial(build, held=True),
    lay_out=lay_out,
    outputs=tuple(Output.__annotations__),
    step_limit=STEP_LIMIT,
)


def open_search(given: Input, context: Context | None = None) -> AbstractAsyncContextManager[OpenRun]:
    """A search for the length of an `async with` block; `given` says where it lies and what is asked for.

    With `resume` in it a search that was stopped or killed goes on where it stood. Raises our errors, also where
    another run drives the search.
    """
    return opened(SEARCH, given, context)
