"""Runs to be shown, and a real server that shows them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playing import play
from report_runs import lay_out_run
from trace_files import effect_of

from lab.folder import LabFolder, Sweep, write_sweep
from traces import RunFolder
from traces.effects import write_effect
from view.server import Site, application

HOSTILE = "<img src=x onerror='window.pwned = 1'><script>window.pwned = 1</script>\u202egnp.exe"


def runs_of_every_fate(folder: Path) -> Path:
    """before and after: made up, paired. before-lab: two effects in before. played: an episode of 12 steps at most.

    torn: no JSON.
    """
    pairs = [("one-door", seed) for seed in range(1, 7)]
    lay_out_run(folder / "before", dict.fromkeys(pairs, 0.25), cost=0.5)
    better: dict[tuple[str, int], float | None] = {pair: 0.5 + pair[1] / 100 for pair in pairs}
    better |= {("one-door", 5): 0.0, ("one-door", 6): None}
    lay_out_run(folder / "after", better, fates={("one-door", 5): "failed"}, cause=HOSTILE)
    measured = RunFolder(folder / "before")
    for step, low, high in ((3, -0.2, -0.1), (5, 0.1, 0.2)):
        write_effect(measured.episode("vault", "one-door", 1), effect_of(step, low=low, high=high))
    lab = LabFolder(folder / "before-lab")
    lab.begin(measured)
    write_sweep(lab.sweep_file("writes", 200), Sweep(samples=16, operations=2, ended=True))
    play(folder.parent, 12, thread="played", world="vault", task="one-door", seed=3)
    (folder / "torn").mkdir()
    (folder / "torn" / "run.json").write_text("{")
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A real server of a folder, for as long as it is used."""
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    site = Site(folder)
    app = application(site, {f"127.0.0.1:{port}", f"localhost:{port}"})
    site.index.start()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        site.close()
        bound.close()
