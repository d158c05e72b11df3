"""A seccomp filter: the system calls that contained code has no business with fail with EPERM ("not permitted").

Namespaces and resource limits are the walls; this closes what they leave open. RLIMIT_NPROC does not bind a process
whose user is root outside (kernel/fork.c), and memory in shared segments or memory files is not counted by RLIMIT_AS.
The rest are calls that unprivileged code can reach and in which kernels have had their holes.
Numbers: Linux `asm/unistd_64.h` (x86_64) and `asm-generic/unistd.h` (aarch64); they never change.
"""

import struct

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


def program(machine: str) -> bytes | None:
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
