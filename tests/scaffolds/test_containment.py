"""Containment itself: what is needed for it, what it is made of, and that nothing of it stays behind."""

import gc
import itertools
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import alive, wait_until_ended

from memory_fs import MemoryFS
from scaffolds import SHIPPED, HookFailure, Scaffold, ScaffoldError, View
from scaffolds.containment import bubblewrap
from scaffolds.containment.bubblewrap import interpreter_places
from worlds import make_world

VIEW = View(step=3, observation={"long": "l", "short": "s"}, action=None, actions=("Do",), world="w", task="t")
HOOKS = "class Hooks:\n    def observe(self, view):\n        return [str(view.step)]\n"
ROOT = Path(__file__).resolve().parents[2]
TELLS_OF_NO_PROCESS = (
    "fd=$(echo \"$@\" | sed 's/.*--info-fd \\([0-9]*\\).*/\\1/'); "
    'eval "echo \'{\\"child-pid\\": 999999999}\' >&$fd"; exec sleep 60'
)


def install(folder: Path, script: str) -> None:
    """Puts a program of the name of bubblewrap's into a folder."""
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "bubblewrap is not installed here .*apt-get install bubblewrap"),
        (
            "echo 'bwrap: No permissions to create new namespace' >&2; exit 1",
            "bubblewrap makes no container .*No permissions to create new namespace.*allow user namespaces",
        ),
        ("exit 1", "bubblewrap makes no container"),
        (TELLS_OF_NO_PROCESS, "bubblewrap makes no container"),
    ],
)
def test_where_code_cannot_be_contained_it_is_refused_with_what_to_do(
    make_scaffold, tmp_path, monkeypatch, script, says
):
    programs = tmp_path / "bin"
    programs.mkdir()
    if script:
        install(programs, script)
    monkeypatch.setenv("PATH", f"{programs}" if script is None else f"{programs}:/usr/bin:/bin")
    folder = make_scaffold({"hooks.py": HOOKS})
    with pytest.raises(
        ScaffoldError, match=rf"{folder}: .*\(hooks\.py\).*cannot be contained here: {says}.*set `trust_sc"
    ):
        Scaffold.load(folder)
    assert Scaffold.load(folder, trust_code=True).hooks().observe(VIEW) == ["3"]
    assert Scaffold.load("examples/every_entry_point").hooks() is not None


def test_contained_code_sees_the_modules_its_own_world_offers_and_no_others(make_scaffold, needs_containment):
    hooks = f"from worlds.map_reading import read_map\n{HOOKS}"
    assert Scaffold.load(make_scaffold({"hooks.py": hooks}, base="nethack/v0", name="dungeon")).contained
    with pytest.raises(ScaffoldError, match="No module named 'worlds"):
        Scaffold.load(make_scaffold({"hooks.py": hooks}))


def test_a_machine_whose_system_calls_are_not_known_is_refused(make_scaffold, needs_containment, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ScaffoldError, match=r"system calls of this machine \(riscv64\) are not known"):
        Scaffold.load(make_scaffold({"hooks.py": HOOKS}))


def test_bubblewrap_gone_between_loading_and_playing_fails_the_episode(
    make_scaffold, needs_containment, monkeypatch, tmp_path
):
    scaffold = Scaffold.load(make_scaffold({"hooks.py": HOOKS}))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HookFailure, match="its code cannot be contained: bubblewrap is not installed") as caught:
        scaffold.hooks()
    assert caught.value.kind == "containment"


def test_a_vocabulary_without_an_episode_can_be_shown_but_not_used(make_scaffold, needs_containment, tmp_path):
    shutil.copytree(SHIPPED / "examples/every_entry_point", tmp_path / "mine")
    words = Scaffold.load(tmp_path / "mine").vocabulary("LOG", make_world("crafter").actions)
    upsert = words.get("upsert_map")
    assert upsert.help.startswith("Set the one line")
    with MemoryFS(tmp_path / "notebook") as notebook, pytest.raises(RuntimeError, match=r"Scaffold\.vocabulary"):
        upsert.run(notebook, upsert.arguments(coordinate="1,2", description="x"))


def test_a_scaffold_is_asked_for_its_declarations_once(make_scaffold, needs_containment, monkeypatch):
    folder = make_scaffold({"hooks.py": HOOKS})
    Scaffold.load(folder)
    monkeypatch.setenv("PATH", "")
    assert Scaffold.load(folder).contained
    (folder / "hooks.py").write_text(HOOKS + "\n")
    with pytest.raises(ScaffoldError, match="bubblewrap is not installed"):
        Scaffold.load(folder)


def test_a_process_outlives_the_thread_that_asked_for_it(make_scaffold, begin, needs_containment):
    scaffold, made = Scaffold.load(make_scaffold({"hooks.py": HOOKS})), []
    thread = threading.Thread(target=lambda: made.append(begin(scaffold)))
    thread.start()
    thread.join()
    time.sleep(0.05)  # PR_SET_PDEATHSIG would have struck by now
    assert made[0].observe(VIEW) == ["3"]


def test_a_machine_that_was_put_to_sleep_is_not_held_against_the_code(attack, monkeypatch):
    hooks = attack("def observe(self, view):\n    import time\n    time.sleep(0.3)\n    return ['awake']")
    leaping = itertools.count(0, 1_000)
    monkeypatch.setattr("scaffolds.containment.wire.time", SimpleNamespace(monotonic=lambda: float(next(leaping))))
    assert hooks.observe(VIEW) == ["awake"]


def test_a_runner_that_is_forgotten_is_closed(make_scaffold, needs_containment):
    hooks = Scaffold.load(make_scaffold({"hooks.py": HOOKS})).hooks()
    pid = hooks.pid
    assert alive(pid)
    del hooks
    gc.collect()
    assert not alive(pid)


def test_closing_twice_is_no_fault_and_a_closed_runner_says_so(make_scaffold, begin, needs_containment):
    hooks = begin(Scaffold.load(make_scaffold({"hooks.py": HOOKS})))
    hooks.close()
    hooks.close()
    with pytest.raises(HookFailure, match=r"hooks\.py: observe, step 3: its contained process is closed"):
        hooks.observe(VIEW)


def test_no_descriptor_stays_open(make_scaffold, needs_containment):
    scaffold = Scaffold.load(make_scaffold({"hooks.py": HOOKS}))
    scaffold.hooks().close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        scaffold.hooks().close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_survives_ours(make_scaffold, needs_containment, how):
    code = HOOKS.replace("return", "while view.step == 4: pass\n        return")
    folder = make_scaffold({"hooks.py": code})
    program = (
        "import sys; from scaffolds import *; from dataclasses import replace\n"
        f"view = {VIEW!r}; hooks = Scaffold.load({str(folder)!r}).hooks(); hooks.observe(view)\n"
        "print(hooks.pid, flush=True); hooks.observe(replace(view, step=4))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, text=True) as ours:
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        assert alive(pid)
        ours.send_signal(how)
    assert wait_until_ended(pid)


def test_a_repository_among_the_systems_files_is_hidden(attack, monkeypatch):
    monkeypatch.setattr(bubblewrap, "_SYSTEM", (*bubblewrap._SYSTEM, str(ROOT.parent)))
    hooks = attack(f"def observe(self, view):\n    import os\n    return os.listdir({str(ROOT)!r})", answer_s=5)
    assert hooks.observe(VIEW) == []
    write = f"def observe(self, view):\n    open({str(ROOT / 'x')!r}, 'w')"
    with pytest.raises(HookFailure, match="Read-only file system"):
        attack(write, name="writer").observe(VIEW)


def test_the_interpreter_is_found_without_the_virtual_environment():
    places = interpreter_places(Path(sys.executable).resolve())
    assert not [place for place in places if place.is_relative_to(sys.prefix)] or sys.prefix == sys.base_prefix
    assert any((place / "os.py").is_file() for place in places)


def verdict(program: bytes, architecture: int, number: int) -> int:
    """What a seccomp filter returns for a system call: the few instructions of BPF that ours is made of."""
    lines = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        code, if_so, if_not, operand = lines[at]
        if code == 0x20:
            value = {0: number, 4: architecture}[operand]
        elif code == 0x06:
            return operand
        else:
            held = value == operand if code == 0x15 else value >= operand
            at += if_so if held else if_not
        at += 1


@pytest.mark.parametrize("machine", bubblewrap.DENIED)
def test_the_filter_denies_what_is_listed_and_nothing_else(machine):
    program = bubblewrap.seccomp_program(machine)
    architecture = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    denied = set(bubblewrap.DENIED[machine].values())
    for number in range(600):
        assert verdict(program, architecture, number) == (0x00050001 if number in denied else 0x7FFF0000)
    assert verdict(program, architecture, 0x40000000 + 1) == 0x00050001, "the second numbering of x86_64"
    assert verdict(program, 0x40000003, 1) == 0x80000000, "32-bit calls have other numbers: the process is killed"
