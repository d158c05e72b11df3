"""A notebook whose process dies at any instant is, reopened, what its journal says: nothing done is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import notebook_script
import pytest
from notebook_model import NotebookModel

from memory_fs import MemoryFS


def on_disk(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


class Killed(BaseException):
    """The process ends here."""


class Killer:
    """Lets some system calls through, cuts the next one short, then ends everything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: int, share: float) -> None:
        self.left = calls
        self.share = share
        for name in ("write", "pwrite", "ftruncate", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, self.around(getattr(os, name)))

    def around(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: object, **options: object) -> int:
            self.left -= 1
            if self.left >= 0:
                return real(*arguments, **options)
            if self.left == -1 and len(arguments) > 1 and isinstance(arguments[1], bytes):
                fd, data, *rest = arguments
                real(fd, data[: int(len(data) * self.share)], *rest)
            raise Killed

        return call


SCRIPT: list[tuple[object, ...]] = [
    ("append", "log.md", "one\ntwo\nthree"),
    ("upsert", "map.md", "3,4", "tree"),
    ("append", "levels/mines.md", "dark"),
    ("upsert", "map.md", "5,5", "water"),
    ("upsert", "map.md", "3,4", "an old oak"),
    ("upsert", "map.md", "3,4", "x"),
    ("write", "log.md", "one\nand\nthree"),
    ("write", "log.md", "short"),
    ("append", "log.md", "after"),
    ("restore", 3),
    ("create", "empty.md"),
    ("restore", 0),
    ("append", "levels/deep/mines.md", "again"),
]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_death_at_any_system_call_leaves_a_whole_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    model = NotebookModel()
    for name, *arguments in SCRIPT:
        assert getattr(model, str(name))(*arguments) == "written"
    for calls in range(60):
        root = tmp_path / f"memory{calls}"
        with monkeypatch.context() as patch:
            fs = MemoryFS(root)
            Killer(patch, calls, share)
            try:
                for name, *arguments in SCRIPT:
                    getattr(fs, str(name))(*arguments)
            except Killed:
                done = fs.revision
            else:
                break
        again = MemoryFS(root)
        assert again.revision in (done, done + 1)
        assert on_disk(root) == again.at(again.revision) == model.texts(again.revision)
        assert not root.with_name(root.name + ".found").exists()
        again.close()
    else:
        pytest.fail("the script has more system calls than were tried")
    assert calls > len(SCRIPT)


def test_death_while_seeding_leaves_all_starting_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{i}.md": f"one\n{i}" for i in range(9)}
    for calls in range(12):
        fs = MemoryFS(tmp_path / f"memory{calls}")
        with monkeypatch.context() as patch:
            Killer(patch, calls, 0.5)
            with pytest.raises(Killed):
                fs.seed(files)
        again = MemoryFS(fs.root)
        assert again.revision == (calls > 0)
        assert on_disk(fs.root) == (files if calls else {})


def test_death_while_rewinding_leaves_the_one_revision_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for calls in range(4):
        fs = MemoryFS(tmp_path / f"memory{calls}")
        for i in range(9):
            fs.append(f"log{i % 2}.md", f"step {i}")
        late, early = fs.at(9), fs.at(4)
        with monkeypatch.context() as patch:
            Killer(patch, calls, 0.5)
            with pytest.raises(Killed):
                fs.rewind(4)
        again = MemoryFS(fs.root)
        assert again.revision == (4 if calls else 9)
        assert on_disk(fs.root) == again.at(again.revision) == (early if calls else late)


def test_kill_9_at_random_instants_loses_nothing_acknowledged(tmp_path: Path) -> None:
    random.seed(5)
    root = tmp_path / "memory"
    done, kills = 0, 25
    for _ in range(kills):
        player = subprocess.Popen([sys.executable, notebook_script.__file__, str(root)], stdout=subprocess.PIPE)
        assert player.stdout is not None
        acknowledged = len(player.stdout.read(1))
        time.sleep(random.random() * 0.03)
        player.kill()
        acknowledged += len(player.stdout.read())
        player.wait()
        player.stdout.close()
        with MemoryFS(root) as fs:
            assert fs.revision in (done + acknowledged, done + acknowledged + 1)
            done = fs.revision
            assert on_disk(root) == fs.at(done)
    assert done > kills
    assert not (tmp_path / "memory.found").exists()
    model = NotebookModel()
    for number in range(1, done + 1):
        name, *arguments = notebook_script.call(number)
        assert getattr(model, name)(*arguments) == "written"
    assert on_disk(root) == model.texts()
