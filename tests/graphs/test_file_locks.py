"""The lock that every writer of a shared file takes: on any file system, and while another run holds it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_models import embedded_weights
from graphs.curator.training import lock_training
from graphs.evaluation.graph import play_sync
from graphs.reviewer import lineage
from graphs.reviewer.lineage import LineageRecord
from graphs.run_lock import LOCK, run_lock
from graphs.settings import SettingsError
from memory_fs import MemoryFS, NotebookFailure

IN_USE = "is in use by another run: wait for its end."


def notebook(folder: Path) -> bool:
    with MemoryFS(folder / "memory", journal=folder / "journal") as notes:
        return notes.append("log.md", "one").revision == 1


def loop(folder: Path) -> bool:
    with run_lock(folder):
        return True


def evaluation(folder: Path) -> bool:
    (folder / "run.json").touch()
    return play_sync({"out": str(folder), "plan": [], "settings": {}, "results": []}) == {"results": []}


def attempts(folder: Path) -> bool:
    return lineage.append(folder, LineageRecord(name="v0", kind="start", status="start"))


def training(folder: Path, say: Callable[[str], None] = print) -> bool:
    async def hold() -> bool:
        async with lock_training(folder / "adapter.lock", say):
            return True

    return asyncio.run(hold())


def weights(folder: Path) -> bool:
    return embedded_weights.get_weights(print) == folder


CALLERS = {
    notebook: "journal",
    loop: LOCK,
    evaluation: "run.json",
    attempts: lineage.FILE,
    training: "adapter.lock",
    weights: ".weights.lock",
}
"""What takes a lock, and the file in its folder that is locked."""


@pytest.fixture(autouse=True)
def _outside_a_graph_and_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package's `graph` hides its module of that name.
    monkeypatch.setattr(sys.modules["graphs.evaluation.graph"], "get_stream_writer", lambda: print)
    monkeypatch.setenv("AUTOMEM_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded_weights, "find_weights", lambda: None)
    monkeypatch.setattr(embedded_weights, "_fetched", lambda cache, say: cache)


@pytest.mark.parametrize("error", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
@pytest.mark.parametrize("caller", CALLERS)
def test_a_file_system_without_locks_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caller: Callable[[Path], bool], error: int
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert caller(tmp_path)


@pytest.mark.parametrize("caller", [notebook, loop, evaluation])
def test_what_another_run_uses_is_refused_in_one_sentence(tmp_path: Path, caller: Callable[[Path], bool]) -> None:
    held = os.open(tmp_path / CALLERS[caller], os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises((SettingsError, NotebookFailure), match=IN_USE) as refused:
        caller(tmp_path)
    assert str(refused.value).startswith(str(tmp_path))
    os.close(held)
    assert caller(tmp_path)


@pytest.mark.parametrize("caller", [attempts, weights])
def test_a_short_write_waits_for_the_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caller: Callable[[Path], bool]
) -> None:
    held = os.open(tmp_path / CALLERS[caller], os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    flock, waited = fcntl.flock, []

    def then_free(descriptor: int, operation: int) -> None:
        with pytest.raises(BlockingIOError):
            flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        waited.append(operation)
        os.close(held)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", then_free)
    assert caller(tmp_path)
    assert waited == [fcntl.LOCK_EX]


def test_a_training_says_that_it_waits_for_an_earlier_one(tmp_path: Path) -> None:
    held = os.open(tmp_path / CALLERS[training], os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    said: list[Any] = []

    def say(line: str) -> None:
        said.append(line)
        os.close(held)

    assert training(tmp_path, say)
    assert said == [f"{tmp_path / 'adapter'} {IN_USE}"]
