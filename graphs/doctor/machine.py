"""What of this machine a run depends on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx2

from chat_models.failures import ConfigurationError
from chat_models.keys import checked_key
from graphs.doctor.rows import Row, ok, within
from scaffolds.containment.bubblewrap import CannotContain
from scaffolds.containment.script import ScriptBounds, run_script
from traces.langsmith_client import endpoint, tracing_is_wanted
from worlds import BrokenWorld, MissingEngine, open_world, world_names

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
OLDEST_PYTHON = (3, 11)
NETWORK_S = 3.0
"""Seconds that an address may take to answer."""
PROGRAM_S = 5.0
"""Seconds that a program or a contained script may take."""
LOW_DISK, FULL_DISK = 5e9, 0.5e9
"""Free bytes below which there is a warning, and a fault. An episode of 2,000 steps takes 10 MB, a training 1 GB."""
LOW_MEMORY = 2e9
"""Available bytes below which there is a warning: an episode takes 0.2 GB, the smallest embedded model 1 GB."""
SHOWN = 5
"""Packages named in a row."""
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;#]+)", re.MULTILINE)
_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY|HF_TOKEN|HUGGING_FACE_HUB_TOKEN|AWS_SECRET_ACCESS_KEY")


def machine_rows(world: str | None = None, folder: Path | None = None) -> list[Row]:
    """Everything looked at. `world`: the one to be played, all if None; `folder`: where runs are written."""
    worlds = [world] if world is not None else world_names()
    return [
        python(),
        packages(),
        *(engine(one, needed=world is not None) for one in worlds),
        bubblewrap(),
        gpu(),
        memory(),
        disk(folder),
        keys(),
        langsmith(),
    ]


def python() -> Row:
    """The interpreter's version."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Row("Python", "fault", found, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")
    return ok("Python", found)


def packages(constraints: Path = CONSTRAINTS) -> Row:
    """The installed packages against the pinned versions."""
    if not constraints.is_file():
        return Row("packages", "warning", f"{constraints} is missing", "run from a checkout of the repository")
    pinned = _PINNED.findall(constraints.read_text(encoding="utf-8"))
    other, missing = [], []
    for name, wanted in pinned:
        try:
            installed = version(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        if installed.partition("+")[0] != wanted:  # 2.13.0+cpu is a build of 2.13.0
            other.append(f"{name} {installed} (pinned {wanted})")
    absent = f", {len(missing)} not installed" if missing else ""
    if other:
        more = f" and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
        found = f"{', '.join(other[:SHOWN])}{more} differ from {constraints.name}{absent}"
        return Row("packages", "warning", found, f"pip install -c {constraints.name} -e .")
    return ok("packages", f"{len(pinned) - len(missing)} as pinned in {constraints.name}{absent}")


def engine(world: str, *, needed: bool) -> Row:
    """Whether a world can be played; a fault if it is `needed`."""
    name = f"world {world}"
    try:
        open_world(world).close()
    except MissingEngine as error:
        _, _, remedy = str(error).partition("; ")
        return Row(name, "fault" if needed else "warning", "its engine is not installed", remedy)
    except BrokenWorld as error:
        return Row(name, "fault" if needed else "warning", str(error), "repair or uninstall its package")
    return ok(name, "its engine works")


def bubblewrap() -> Row:
    """Whether code of scaffolds from elsewhere can run contained: a script is run so."""
    bounds = ScriptBounds(wall_s=PROGRAM_S)
    advice = "without it such scaffolds are refused: install bubblewrap, or see docs/security.md"
    try:
        ended = run_script("print('contained')", {}, bounds=bounds)
    except CannotContain as error:
        return Row("bubblewrap", "warning", str(error), advice)
    if ended.output != "contained\n":
        return Row("bubblewrap", "warning", ended.sentence or ended.error.strip()[-200:], advice)
    return ok("bubblewrap", "a contained script ran")


def gpu() -> Row:
    """The GPUs that NVIDIA's driver names, and whether the installed torch can use them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ok("GPU", "none: embedded models compute on the CPU")
    command = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Row("GPU", "warning", f"nvidia-smi fails ({type(error).__name__})", "look at NVIDIA's driver")
    cards = [line.split(", ") for line in ended.stdout.splitlines() if line.count(", ") >= 2]
    found = "; ".join(f"{name}, {_gib(free)} of {_gib(total)} GiB free" for name, total, free in cards)
    if cards and "+cpu" in _version("torch"):
        return Row("GPU", "warning", f"{found}, but torch is built for the CPU", "install a CUDA build of torch")
    return ok("GPU", found or "none: embedded models compute on the CPU")


def memory() -> Row:
    """What memory is available."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return ok("memory", "not known on this system")
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    available, total = kib.get("MemAvailable", 0) * 1024, kib["MemTotal"] * 1024
    found = f"{available / 1e9:.1f} of {total / 1e9:.1f} GB available"
    if available < LOW_MEMORY:
        return Row("memory", "warning", found, "lower the concurrency, and serve models from another machine")
    return ok("memory", found)


def disk(folder: Path | None = None) -> Row:
    """The room for run folders, in `folder` or the nearest one that exists above it."""
    place = (folder or Path("runs")).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free at {place}"
    if not os.access(place, os.W_OK):
        return Row("disk", "fault", f"{place} cannot be written", "write elsewhere, or change its permissions")
    if free < LOW_DISK:
        return Row("disk", "fault" if free < FULL_DISK else "warning", found, "make room, or write runs elsewhere")
    return ok("disk", found)


def keys() -> Row:
    """Which API keys the environment holds; never what they are."""
    names = sorted(name for name, value in os.environ.items() if value and _KEY.fullmatch(name))
    for name in names:
        try:
            checked_key(os.environ[name], f"The environment variable {name}")
        except ConfigurationError as error:
            return Row("keys", "warning", str(error), "set it again")
    return ok("keys", ", ".join(names) if names else "none set")


def langsmith() -> Row:
    """Whether LangSmith's address answers. Only a warning where traces are to be sent there."""
    address, wanted = endpoint(), tracing_is_wanted()
    problem = within(NETWORK_S + 1, lambda: _unreachable(f"{address}/info"), "no answer")
    tracing = "tracing is on" if wanted else "tracing is off"
    if problem is None:
        return ok("LangSmith", f"{address} answers; {tracing}")
    found = f"{address}: {problem}; {tracing}"
    if not wanted:
        return ok("LangSmith", found)
    return Row("LangSmith", "warning", found, "correct LANGSMITH_ENDPOINT, or push the run later (automem langsmith)")


def _unreachable(url: str) -> str | None:
    """Why nothing answers at the address; None if something does."""
    try:
        status = httpx2.get(url, timeout=NETWORK_S).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return str(error) or type(error).__name__
    return None if status < 400 else f"HTTP {status}"


def _gib(mebibytes: str) -> str:
    return f"{float(mebibytes) / 1024:.0f}" if mebibytes.strip().replace(".", "").isdigit() else "?"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
