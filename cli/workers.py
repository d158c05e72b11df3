"""Workers for a command: options, and the block within which they play."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import typer

Workers: TypeAlias = Annotated[
    int | None, typer.Option(min=1, max=10_000, help="Play on N worker processes. (default: in this process)")
]
RayAddress: TypeAlias = Annotated[
    str | None,
    typer.Option("--ray", metavar="HOST:PORT|auto", help="Workers on a running Ray cluster, one per CPU by default."),
]
Shared: TypeAlias = Annotated[
    bool, typer.Option("--shared", help="The workers see this machine's folders: they write the run folder themselves.")
]


@contextmanager
def played_on(workers: int | None, ray: str | None, shared: bool) -> Iterator[None]:
    """Within this block workers play the episodes, if an option asks for them."""
    if workers is None and ray is None:
        if shared:
            raise typer.BadParameter("--shared goes with --workers or --ray.")
        yield
        return
    from cluster.player import workers as started

    with started(workers, ray, shared=shared):
        yield
