#!/usr/bin/env bash
# Linux with Python 3.11's subprocess: `ru_maxrss` of a small program is the peak of the large one that started it.
# Guess: getrusage(RUSAGE_SELF).ru_maxrss, and wait4's, give the most memory that the started program itself held.
# Seen: started by a process that holds 500 MB, a program of 10 to 20 MB reports more than 500. VmHWM of
#   /proc/self/status is that of the program alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >small.py <<'PYTHON'
import re
import resource

status = open("/proc/self/status").read()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024)
PYTHON
python3 - <<'PYTHON'
import platform
import subprocess
import sys


def started() -> tuple[int, ...]:
    ended = subprocess.run([sys.executable, "small.py"], capture_output=True, text=True, check=True)
    return tuple(map(int, ended.stdout.split()))


before = started()
held = bytearray(500 * 2**20)
after = started()
print("Linux", platform.release(), "Python", platform.python_version())
print("  ru_maxrss and VmHWM in MB, started by a small process:", before, "by one of 500 MB:", after)
assert max(before) < 100
assert after[0] > 500 > 100 > after[1]
PYTHON
