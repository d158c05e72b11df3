"""What holds for every process of the tests.

Hypothesis draws the same examples in every run, and no example has a time limit: a busy machine is no fault.

Garbage is collected seldom, and not what lives as long as the process. As often as Python does it by itself, the
hundreds of thousands of objects of pytest, torch and langchain, none of them garbage, are looked through over and over;
a quarter of a second each time that a training frees what it held.

Temporary files of the tests and of the processes they start lie in one folder, removed at the end: many tests kill
processes, which leave theirs behind. Its path is short, for the sockets that Ray makes there.
"""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

LARGE = 500
"""Modules that a large package brings with it."""
frozen = pytest.StashKey[int]()
"""How many modules there were when what lives was last set aside."""


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("suite")
    gc.set_threshold(10_000, 10, 10)
    config.stash[frozen] = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if len(sys.modules) - item.config.stash[frozen] > LARGE:
        gc.collect()  # what the tests before have leaked is found here, not hidden
        gc.freeze()
        item.config.stash[frozen] = len(sys.modules)


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    tmp_path_factory.getbasetemp()  # pytest's own, kept for three runs
    before, place = os.environ.get("TMPDIR"), tempfile.mkdtemp(prefix="automem-tests-")
    os.environ["TMPDIR"], tempfile.tempdir = place, None  # looked up again
    yield
    shutil.rmtree(place, ignore_errors=True)
    tempfile.tempdir = None
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before
