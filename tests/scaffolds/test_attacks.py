"""Contained code that means harm: it is stopped, its episode fails with the reason, and the others go on.

Every attack is a method of `Hooks` in a scaffold that lies outside the repository.
"""

import os
import socket
import time
from pathlib import Path

import pytest
from processes import alive

from scaffolds import HookFailure, Scaffold, ScaffoldError, View
from scaffolds.containment import Bounds

VIEW = View(step=3, observation={"long": "l", "short": "s"}, action=None, actions=("Do",), world="w", task="t")
REPOSITORY = Path(__file__).resolve().parents[2]


def observe(body: str) -> str:
    return "def observe(self, view):\n" + "".join(f"    {line}\n" for line in body.split("\n"))


ENDLESS = {
    "memory": ("x = []\nwhile True:\n    x.append(bytearray(1 << 20))", "hooks", r"hooks\.py:5: observe.*MemoryError"),
    "one huge block": ("x = bytearray(1 << 40)", "hooks", r"hooks\.py:3: observe.*MemoryError"),
    "standard output": ("while True:\n    print('x' * 1000)", "output", "printed more than 1,048,576 bytes"),
    "standard error": (
        "import os\nwhile True:\n    os.write(2, b'x' * 1000)",
        "output",
        "printed more than 1,048,576 bytes",
    ),
    "sleep": ("import time\ntime.sleep(1000)", "unresponsive", r"hooks\.py: observe, step 3: it did not answer within"),
    "busy loop": ("while True:\n    pass", "unresponsive", "it did not answer within 1 s"),
    "slowly": (
        "while True:\n    print('.')\n    import time; time.sleep(0.01)",
        "unresponsive",
        "it did not answer within 1 s",
    ),
    "waiting for input": (
        "import os\nos.read(3, 1 << 20)\nos.read(3, 1)",
        "unresponsive",
        "it did not answer within 1 s",
    ),
    "fork bomb": (
        "import os\nwhile True:\n    os.fork()",
        "hooks",
        r"hooks\.py:5: observe.*PermissionError: \[Errno 1\]",
    ),
    "threads": ("import threading\nwhile True:\n    threading.Thread(target=print).start()", "hooks", "RuntimeError"),
    "recursion": ("def f(): f()\nf()", "hooks", "RecursionError"),
    "open files": ("import os\nkept = [os.pipe() for _ in range(1000)]", "hooks", "Too many open files"),
}
REACHING_OUT = {
    "a program": ("import subprocess\nsubprocess.run(['/bin/sh', '-c', 'id'])", "PermissionError|BlockingIOError"),
    "a program left behind": (
        "import os, sys\nos.posix_spawn(sys.executable, ['x'], {})",
        "PermissionError|BlockingIOError",
    ),
    "the environment": ("import os\nreturn [os.environ['AUTOMEM_SECRET']]", "KeyError: 'AUTOMEM_SECRET'"),
    "users": ("return [open('/etc/passwd').read()]", "FileNotFoundError"),
    "its parent's environment": ("return [open('/proc/1/environ').read()]", "FileNotFoundError"),
    "the repository": (f"return [open({str(REPOSITORY / 'README.md')!r}).read()]", "FileNotFoundError"),
    "home": (f"return [open({str(Path.home() / '.bashrc')!r}).read()]", "FileNotFoundError"),
    "writing outside": ("open('/tmp/x', 'w')", "FileNotFoundError"),
    "writing at the root": ("open('/x', 'w')", "Read-only file system"),
    "writing over the interpreter": (
        "import os\nos.open(os.__file__, os.O_WRONLY)",
        "Read-only file system|Permission denied",
    ),
    "writing over our runner": ("open('/automem/scaffolds/hooks.py', 'a')", "Read-only file system|Permission denied"),
    "a file in memory": ("import os\nos.memfd_create('x')", "PermissionError"),
    "a pair of sockets": ("import socket\nsocket.socketpair()", "PermissionError"),
    "killing its parent": (f"import os, signal\nos.kill({os.getpid()}, signal.SIGKILL)", "ProcessLookupError"),
    "killing everybody": ("import os, signal\nos.kill(-1, signal.SIGKILL)", "ProcessLookupError"),
    "mounting": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.mount(b'none', b'/automem', b'tmpfs', 0, None): raise OSError(ctypes.get_errno(), 'mount')",
        "PermissionError",
    ),
    "new namespaces": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'unshare')",
        "PermissionError",
    ),
    "more memory": ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError|PermissionError"),
    "the notebook's folder": ("import memory_fs\nmemory_fs.MemoryFS('/')", "AttributeError"),
    "the harness": ("import graphs.inner_agent.sessions", "ModuleNotFoundError"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_code_without_end_is_stopped_and_other_episodes_go_on(attack, other, name):
    body, kind, says = ENDLESS[name]
    hooks = attack(observe(body))
    with pytest.raises(HookFailure, match=says) as caught:
        hooks.observe(VIEW)
    assert caught.value.kind == kind
    hooks.close()
    assert not alive(hooks.pid)
    assert len(other.observe(VIEW)) == 1


@pytest.mark.parametrize("name", REACHING_OUT)
def test_nothing_outside_is_reached(attack, other, monkeypatch, name):
    monkeypatch.setenv("AUTOMEM_SECRET", "hunter2")
    body, says = REACHING_OUT[name]
    hooks = attack(observe(body))
    with pytest.raises(HookFailure, match=rf"hooks\.py:\d+: observe, step 3: .*({says})"):
        hooks.observe(VIEW)
    assert len(other.observe(VIEW)) == 1


def test_no_file_and_no_variable_of_ours_is_to_be_found_anywhere(attack, monkeypatch, tmp_path):
    monkeypatch.setenv("AUTOMEM_SECRET", "hunter2")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "steps.jsonl.zst").write_text("{}")
    body = (
        "import os\nfound = []\nfor folder, folders, files in os.walk('/'):\n"
        "    found += [os.path.join(folder, file) for file in files]\n"
        "top = sorted(os.listdir('/'))\n"
        "mine = [path for path in found if not path.startswith(('/usr/lib', '/lib', '/nix')) and '/python3' not in path"
        " and '/lib/' not in path]\n"
        "return [str(top), str(dict(os.environ)), str(os.getcwd()), *mine]"
    )
    top, environment, here, *files = attack(observe(body), answer_s=30).observe(VIEW)
    assert not {"tmp", "work", "proc", "sys", "dev", "var", "run"} & set(eval(top))
    assert (environment, here) == ("{}", "/")
    automem = [path for path in files if path.startswith("/automem/")]
    assert set(files) - set(automem) <= {"/etc/ld.so.cache"}
    assert len(automem) == 11
    assert not [path for path in files if str(tmp_path) in path or "steps.jsonl.zst" in path]


def test_a_server_on_this_machine_is_not_reached(attack):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        hooks = attack(observe(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"))
        with pytest.raises(HookFailure, match=r"hooks\.py:4: observe, step 3: PermissionError"):
            hooks.observe(VIEW)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import os\nos._exit(0)", "it ended with exit status 0"),
        ("import os\nos._exit(3)", "it ended with exit status 3"),
        ("import ctypes\nctypes.string_at(0)", "it was ended by SIGSEGV"),
        ("import os\nos.closerange(0, 64)\nwhile True: pass", "it did not answer within 1 s"),
        ("import os\nos.execv('/usr/lib/nothing', ['x'])", "FileNotFoundError"),
        ("import os, sys\nos.write(2, b'oh no')\nos._exit(1)", r"it ended with exit status 1 \(oh no\)"),
    ],
)
def test_a_process_that_ends_is_said_to_have_ended(attack, body, says):
    hooks = attack(observe(body))
    with pytest.raises(HookFailure, match=rf"hooks\.py:?\d*: observe, step 3: .*{says}"):
        hooks.observe(VIEW)
    hooks.close()
    assert not alive(hooks.pid)


def test_an_episode_has_so_much_cpu_time_and_no_more(attack):
    hooks = attack(
        observe("import time\nuntil = time.time() + 0.4\nwhile time.time() < until: pass\nreturn []"), cpu_s=1
    )
    with pytest.raises(HookFailure, match="it was ended by SIGKILL"):
        [hooks.observe(VIEW) for _ in range(20)]


def test_working_on_between_calls_is_noticed(attack):
    body = (
        "import signal, time\ndef burn(*_):\n    while True: pass\n"
        "signal.signal(signal.SIGALRM, burn)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nreturn []"
    )
    hooks = attack(observe(body), idle_cpu_s=0.05)
    assert hooks.observe(VIEW) == []
    time.sleep(0.5)
    with pytest.raises(HookFailure, match=r"used 0\.\d s of CPU time between two calls|did not answer"):
        hooks.observe(VIEW)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("while True: pass\n", r"running its code \(hooks\.py\) in a container: it did not answer within"),
        ("import os\nos._exit(0)\n", "it ended with exit status 0"),
        ("x = bytearray(1 << 40)\n", r"hooks\.py:1: running this file raised MemoryError"),
        ("x = " + "(" * 50_000 + "\n", r"hooks\.py:1: this is no Python"),
        ("x = " + "-" * 200_000 + "1\n", r"hooks\.py: this is no Python: MemoryError"),
        ("import os\nos.kill(1, 9)\nos.fork()\n", r"hooks\.py:3: running this file raised PermissionError"),
    ],
)
def test_loading_runs_nothing_in_this_process(make_scaffold, needs_containment, monkeypatch, code, says):
    monkeypatch.setattr("scaffolds.scaffold.Bounds", lambda: Bounds(answer_s=1.0))
    with pytest.raises(ScaffoldError, match=says):
        Scaffold.load(make_scaffold({"hooks.py": code}))
