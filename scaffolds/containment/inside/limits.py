"""Resource limits of a contained process, which it sets before it runs any code and cannot raise again."""

import resource

OUT_OF_MEMORY = 77
"""Exit status of a script that used up its memory."""


def limit(memory_mb: int, cpu_s: int, file_bytes: int = 0, open_files: int = 64) -> None:
    """Set limits. With `file_bytes` 0 no file can grow, so none can be written anywhere."""
    wanted = {"AS": memory_mb * 1024 * 1024, "CPU": cpu_s, "NPROC": 1, "NOFILE": open_files, "FSIZE": file_bytes}
    for name, most in {**wanted, "CORE": 0, "MSGQUEUE": 0, "MEMLOCK": 0}.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        current = resource.getrlimit(kind)[1]  # the machine may set a lower limit already
        value = most if current == resource.RLIM_INFINITY else min(most, current)
        resource.setrlimit(kind, (value, value))
