"""Scripts that a model wrote: what they can do, and that they can do nothing else."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from foreign_scaffold import why_not_contained
from playing import play

from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.script import ScriptBounds, run_script

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = ScriptBounds(wall_s=20)

needs_containment = pytest.mark.skipif(bool(why_not_contained()), reason=why_not_contained() or "contained")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    (run / "a.txt").write_text("hello\n")
    (tmp_path / "secret.txt").write_text("hunter2")
    (run / "link.txt").symlink_to(tmp_path / "secret.txt")
    (run / "up").symlink_to("../")
    (run / "root").symlink_to("/")
    return run


@needs_containment
def test_a_script_reads_its_folders_and_its_input_and_prints(folder):
    code = "import sys\nprint(open('/runs/mine/a.txt').read() + sys.stdin.read())\nprint('é', file=sys.stderr)"
    result = run_script(code, {"mine": folder}, stdin="given ✓", bounds=QUICK)
    assert (result.output, result.error) == ("hello\ngiven ✓\n", "é\n")
    assert (result.exit_code, result.ended, result.sentence) == (0, "ok", "")


@needs_containment
def test_a_long_input_that_nobody_reads_holds_nothing_up(folder):
    result = run_script("print(1)", {}, stdin="x" * 3_000_000, bounds=QUICK)
    assert (result.output, result.ended) == ("1\n", "ok")
    result = run_script("import sys\nprint(len(sys.stdin.read()))", {}, stdin="x" * 3_000_000, bounds=QUICK)
    assert result.output == "3000000\n"


@needs_containment
def test_traces_and_numpy_are_there(tmp_path):
    play(tmp_path, 4)
    code = (
        "from pathlib import Path\nimport numpy\nfrom traces import RunFolder, TraceReader\n"
        "from traces.overview import overview\nfrom memory_fs import files_at\n"
        "for episode in RunFolder(Path('/runs/v1.a1')).episodes():\n"
        "    with TraceReader(episode) as reader:\n"
        "        print(len(reader), reader.step(2).step, overview(reader.outlines()).steps)\n"
        "    print(sorted(files_at(episode.journal)))\n"
        "print(int((numpy.eye(3) @ numpy.full((3, 3), 2)).sum()))"
    )
    result = run_script(code, {"v1.a1": tmp_path / "runs" / "t"}, bounds=QUICK)
    assert result.error == ""
    first, files, last = result.output.splitlines()
    assert (first, last) == ("4 2 4", "18")
    assert "codes.md" in files


@needs_containment
def test_scratch_is_empty_in_memory_and_its_own(folder):
    code = "import os\nprint(os.getcwd(), os.listdir('/tmp'))\nopen('x', 'w').write('y')\nprint(open('/tmp/x').read())"
    for _ in range(2):
        assert run_script(code, {}, bounds=QUICK).output == "/tmp []\ny\n"


REACHING_OUT = {
    "users": ("open('/etc/passwd')", "FileNotFoundError"),
    "the environment": ("import os\nprint(os.environ['AUTOMEM_SECRET'])", "KeyError"),
    "its parent's environment": ("open('/proc/1/environ')", "FileNotFoundError"),
    "the repository": (f"open({str(REPOSITORY / 'pyproject.toml')!r})", "FileNotFoundError"),
    "another package of the repository": ("import graphs", "ModuleNotFoundError"),
    "another installed package": ("import langchain_core", "ModuleNotFoundError"),
    "home": (f"open({str(Path.home() / '.bashrc')!r})", "FileNotFoundError"),
    "writing into a run": ("open('/runs/mine/a.txt', 'a')", "Read-only file system"),
    "making a file in a run": ("open('/runs/mine/new', 'w')", "Read-only file system"),
    "deleting in a run": ("import os\nos.remove('/runs/mine/a.txt')", "Read-only file system"),
    "a link out of a run": ("open('/runs/mine/link.txt')", "FileNotFoundError"),
    "a folder linked upwards": ("open('/runs/mine/up/secret.txt')", "FileNotFoundError"),
    "a folder linked to the root": ("open('/runs/mine/root/etc/passwd')", "FileNotFoundError"),
    "over the traces package": ("import traces\nopen(traces.__file__, 'a')", "Read-only file system|Permission denied"),
    "a program": ("import subprocess\nsubprocess.run(['/bin/sh'])", "PermissionError|BlockingIOError"),
    "a fork bomb": ("import os\nwhile True: os.fork()", "PermissionError"),
    "threads": ("import threading\nthreading.Thread(target=print).start()", "RuntimeError"),
    "a socket": ("import socket\nsocket.socket()", "PermissionError"),
    "killing others": (f"import os\nos.kill({os.getpid()}, 9)", "ProcessLookupError"),
    "more memory": ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError|PermissionError"),
    "a big file": ("open('/tmp/x', 'wb').write(b'x' * (65 << 20))", "File too large"),
    "many files": ("for n in range(99): open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20))", "No space left"),
}


@needs_containment
@pytest.mark.parametrize("name", REACHING_OUT)
def test_nothing_outside_is_reached(folder, monkeypatch, name):
    monkeypatch.setenv("AUTOMEM_SECRET", "hunter2")
    code, says = REACHING_OUT[name]
    result = run_script(code, {"mine": folder}, bounds=QUICK)
    assert result.ended == "error"
    assert any(one in result.error for one in says.split("|")), result.error
    assert "hunter2" not in result.output + result.error
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "link.txt", "root", "up"]
    assert (folder / "a.txt").read_text() == "hello\n"


@needs_containment
def test_a_server_on_this_machine_is_not_reached(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert "PermissionError" in run_script(code, {}, bounds=QUICK).error
        with pytest.raises(BlockingIOError):
            server.accept()


ENDINGS = {
    "memory": ("x = []\nwhile True: x.append(bytearray(1 << 20))", {"memory_mb": 128}, "needed more than the 128 MB"),
    "timeout": ("print('begun')\nwhile True: pass", {"wall_s": 0.5}, "had not ended after 0.5 s"),
    "cpu": ("print('begun')\nwhile True: pass", {"cpu_s": 1}, "used more than 1 s of CPU time"),
    "output": ("while True: print('x' * 1000)", {"output_bytes": 50_000}, "printed more than 50,000 bytes"),
    "killed": ("import ctypes\nctypes.string_at(0)", {}, "ended by SIGSEGV"),
    "error": ("print('begun')\nraise SystemExit(3)", {}, "ended with exit status 3"),
}


@needs_containment
@pytest.mark.parametrize("ended", ENDINGS)
def test_how_a_script_ended_is_told(ended):
    code, bounds, says = ENDINGS[ended]
    result = run_script(code, {}, bounds=ScriptBounds(**{"wall_s": 20, **bounds}))
    assert result.ended == ended
    assert says in result.sentence
    if "begun" in code:
        assert result.output == "begun\n"
    if ended == "output":
        assert len(result.output) == 50_000


@needs_containment
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def f():\n    return 1 / 0\nf()", 'File "script.py", line 2, in f\n    return 1 / 0'),
        ("x = (", "SyntaxError"),
        ("import os\nos.closerange(0, 64)", ""),
        ("print('half \\ud800')", ""),
        ("x = '\ud800'", ""),
    ],
)
def test_a_fault_is_told_without_our_own_frames(code, says):
    result = run_script(code, {}, bounds=QUICK)
    assert any(one in result.error for one in says.split("|"))
    assert "containment" not in result.error
    assert "exec" not in result.error


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\nb", "é", "x" * 101])
def test_a_name_that_is_no_folder_name_is_our_error(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name a folder of a script"):
        run_script("print(1)", {name: tmp_path})


def test_a_folder_that_is_not_there_and_a_script_too_long_are_our_errors(tmp_path):
    with pytest.raises(ValueError, match="nowhere cannot be shown to a script as /runs/a: it does not exist"):
        run_script("print(1)", {"a": tmp_path / "nowhere"})
    with pytest.raises(ValueError, match="the script has 300,000 bytes; 262,144 are allowed"):
        run_script("#" * 300_000, {})


def test_without_bubblewrap_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotContain, match=r"bubblewrap is not installed here .*apt-get install bubblewrap"):
        run_script("print(1)", {})
