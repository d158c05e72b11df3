"""The command that starts a contained process, and the seccomp filter under which it runs.

It sees an interpreter with its standard library, the system's shared libraries and the files it is given, all
read-only. There is no /proc, no /dev, no /etc, no place to write (a script has a bounded /tmp in memory), no network,
no other process, no environment, no user of the host, and no capability.

Namespaces and resource limits are the walls; the filter closes what they leave open: it makes the system calls that
contained code has no use for fail with EPERM ("not permitted"). RLIMIT_NPROC does not bind a process whose user is root
outside (kernel/fork.c), and memory in shared segments or memory files is not counted by RLIMIT_AS. The rest are calls
that unprivileged code can reach and in which kernels have had their holes. Numbers: Linux `asm/unistd_64.h` (x86_64)
and `asm-generic/unistd.h` (aarch64); they never change.
"""

from __future__ import annotations

import os
import platform
import shutil
import struct
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

_BOTH = {
    **{"clone3": 435, "memfd_secret": 447, "pidfd_getfd": 438, "io_uring_setup": 425, "mount_setattr": 442},
    **{"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433},
}
DENIED = {
    "x86_64": {
        **_BOTH,
        **{"clone": 56, "fork": 57, "vfork": 58},  # processes and threads
        **{"socket": 41, "socketpair": 53},
        **{"shmget": 29, "shmat": 30, "semget": 64, "msgget": 68, "mq_open": 240, "memfd_create": 319},
        **{"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311},
        **{"unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155},
        **{"bpf": 321, "perf_event_open": 298, "userfaultfd": 323},
        **{"add_key": 248, "request_key": 249, "keyctl": 250},
    },
    "aarch64": {
        **_BOTH,
        **{"clone": 220},
        **{"socket": 198, "socketpair": 199},
        **{"shmget": 194, "shmat": 196, "semget": 190, "msgget": 186, "mq_open": 180, "memfd_create": 279},
        **{"ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271},
        **{"unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41},
        **{"bpf": 280, "perf_event_open": 241, "userfaultfd": 282},
        **{"add_key": 217, "request_key": 218, "keyctl": 219},
    },
}
"""By machine as `os.uname().machine` says: name and number of each call that is denied."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_X32 = 0x40000000  # x86_64 takes every call under a second number too; linux/asm/unistd.h
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # linux/seccomp.h; 1 is EPERM


def seccomp_program(machine: str) -> bytes | None:
    """The filter as `struct sock_filter[]`, for `bwrap --seccomp`; None for a machine whose numbers are not known."""
    if machine not in DENIED:
        return None
    numbers = sorted(DENIED[machine].values())
    lines = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_IF_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),  # another architecture's calls have other numbers
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_IF_AT_LEAST, len(numbers) + 1, 0, _X32),
    ]
    lines += [(_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


_ROOT = Path(__file__).resolve().parents[2]
_INSIDE = "scaffolds/containment/inside"
HOME = "/automem"
"""Folder of this project's files in the container."""
_HOOKS_FILES = {
    "pydantic.py": f"{_INSIDE}/pydantic.py",
    "memory_fs/__init__.py": f"{_INSIDE}/memory_fs.py",
    "scaffolds/__init__.py": f"{_INSIDE}/scaffolds.py",
    **{
        name: name
        for name in (
            "memory_fs/results.py",
            *(f"scaffolds/{name}.py" for name in ("faults", "hooks", "notebook_view", "operations", "scaffold_code")),
            *(f"{_INSIDE}/{name}.py" for name in ("limits", "main")),
        )
    },
}
"""This project's files that a scaffold's code sees: name inside, and name in the repository."""
_SYSTEM = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store", "/etc/ld.so.cache")
_NOBODY = "65534"


class CannotContain(RuntimeError):
    """This machine cannot contain code. The message is a clause: why, and what to install."""


def hooks_command(information: int, filter_: int, arguments: Sequence[str], modules: Sequence[str]) -> list[str]:
    """The command line that starts `inside/main.py`, which runs a scaffold's code. Otherwise as `command`.

    `modules`: what its world offers (`WorldEntry.modules`); it can import them too.
    """
    files = {f"{HOME}/{name}": _ROOT / source for name, source in _HOOKS_FILES.items()}
    files |= {f"{HOME}/{name.replace('.', '/')}.py": _module_file(name) for name in modules}
    return command(information, filter_, files, "main", arguments)


def _module_file(name: str) -> Path:
    try:
        found = find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        raise CannotContain(
            f"the module {name}, which its world offers to scaffolds, is not a Python file on this machine"
        )
    return Path(found.origin)


def command(
    information: int,
    filter_: int,
    files: Mapping[str, Path],
    program: str,
    arguments: Sequence[str],
    scratch_bytes: int | None = None,
) -> list[str]:
    """The command line that starts `inside/PROGRAM.py` with `arguments`.

    `information`: file descriptor to which the process id is written; `filter_`: one that gives the seccomp program;
    `files`: files and folders that it sees, read-only, by their place inside; `scratch_bytes`: the size of a /tmp in
    memory, where it starts and may write. CannotContain where bubblewrap is missing.
    """
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise CannotContain("bubblewrap is not installed here (Debian, Ubuntu: apt-get install bubblewrap)")
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    module = f"{_INSIDE.replace('/', '.')}.{program}"
    start = f"import sys; sys.path.insert(0, {HOME!r}); from {module} import main; main()"
    scratch = () if scratch_bytes is None else ("--size", str(scratch_bytes), "--tmpfs", "/tmp")
    return [
        bubblewrap,
        *("--unshare-all", "--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY, "--cap-drop", "ALL"),
        *("--die-with-parent", "--as-pid-1", "--new-session", "--hostname", "contained"),
        *("--seccomp", str(filter_), "--info-fd", str(information)),
        *_mounts(interpreter_places(python)),
        *(word for place, source in files.items() for word in ("--ro-bind", str(source), place)),
        *(*scratch, "--chdir", "/tmp" if scratch else "/"),
        *("--remount-ro", "/", "--"),
        *(str(python), "-I", "-S", "-B", "-X", "utf8", "-c", start, *arguments),
    ]


def seccomp_filter() -> int:
    """A file descriptor that gives the seccomp program, to be closed by the caller. CannotContain if there is none."""
    found = seccomp_program(platform.machine())
    if found is None:
        raise CannotContain(f"the system calls of this machine ({platform.machine()}) are not known to automem")
    memory_file = os.memfd_create("automem-seccomp")
    os.write(memory_file, found)
    os.lseek(memory_file, 0, os.SEEK_SET)
    return memory_file


def interpreter_places(python: Path) -> list[Path]:
    """The interpreter, its standard library and its shared libraries."""
    libraries = [Path(sys.base_prefix, sys.platlibdir), Path(sys.base_prefix, "lib"), Path(sys.base_exec_prefix, "lib")]
    return [python, Path(os.__file__).resolve().parent, *dict.fromkeys(libraries)]


def _mounts(interpreter: Sequence[Path]) -> list[str]:
    """Options that bind each existing path once; a link among the system's folders stays a link."""
    words: list[str] = []
    bound: list[Path] = []
    for path in [*map(Path, _SYSTEM), *interpreter]:
        if not path.exists() or any(path.is_relative_to(other) for other in bound):
            continue
        if path.is_symlink() and str(path) in _SYSTEM:
            words += ["--symlink", str(path.readlink()), str(path)]
        else:
            words += ["--ro-bind", str(path), str(path)]
            bound.append(path)
    if any(_ROOT.is_relative_to(path) for path in bound):  # a repository kept under /usr/lib, say
        words += ["--tmpfs", str(_ROOT), "--remount-ro", str(_ROOT)]
    return words


def refusal(error: CannotContain, code: Mapping[str, object]) -> str:
    """Why a scaffold with code cannot be used on this machine, and what to do."""
    return (
        f"this scaffold holds code ({', '.join(code)}) that the repository does not ship, and it cannot be contained "
        f"here: {error}; if you have read the code and trust it with all rights of this process, "
        "set `trust_scaffold_code` (from Python: trust_code=True)"
    )
