"""Stands where Python is started for a training (`launcher`): the same script in its own process, without the wait.

    python tests/kit/warm_training.py serve SOCKET
    python -S -E tests/kit/warm_training.py SOCKET training/sft_specialist.py --dataset … --output …

The first has imported what a training imports (five seconds, more than a tiny training takes) and forks a process for
each of the second, which hands it its folder, environment and open files, the lock among them, and ends as it ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MOST_FILES = 16


@contextmanager
def warm_launcher(folder: str) -> Iterator[list[str]]:
    """The launcher, for the length of a `with` block; whatever still trains then is ended."""
    import subprocess
    from pathlib import Path

    root, path = Path(__file__).resolve().parents[2], f"{folder}/socket"
    with subprocess.Popen(
        [sys.executable, __file__, "serve", path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root), "TQDM_DISABLE": "1"},
        start_new_session=True,
    ) as serving:
        assert serving.stdout is not None
        try:
            assert serving.stdout.readline() == b"ready\n"
            yield [sys.executable, "-S", "-E", __file__, path]
        finally:
            os.killpg(serving.pid, signal.SIGKILL)


def launch(path: str, words: list[str]) -> None:
    """Have a script run with its words, and end as it ended."""
    files = [0, 1, 2, *(number for number in range(3, 256) if _is_open(number))]
    given = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [b"?"], files)
        server.sendall(json.dumps(given).encode() + b"\n")
        status = int(server.makefile().readline())
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def serve(path: str) -> None:
    """Import, say so, and fork for whoever connects."""
    import gc

    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the script does, before torch is imported
    import matplotlib.figure  # noqa: F401
    import peft  # noqa: F401

    import training.trainer  # noqa: F401

    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        os.write(1, b"ready\n")
        while True:
            client, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                break
            client.close()
    _attend(client)


def _attend(client: socket.socket) -> None:
    """Run the script in a child, and tell the client how it ended: its exit status, or the signal below zero."""
    import runpy

    _, files, *_ = socket.recv_fds(client, 1, MOST_FILES)
    given = json.loads(client.makefile().readline())
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        client.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    client.close()
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
        os.close(file)
    os.chdir(given["folder"])
    os.environ.clear()
    os.environ.update(given["environment"])
    sys.argv = given["words"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        launch(sys.argv[1], sys.argv[2:])
