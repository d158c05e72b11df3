"""One started `langgraph dev` for all tests of it that change nothing of the server itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dev_server import DevServer, dev_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """Its operator lets clients write below pytest's folders, and choose from `launchers.toml` there."""
    roots = tmp_path_factory.getbasetemp()
    (roots / "launchers.toml").write_text("")
    rights = {
        "AUTOMEM_ROOTS": str(roots),
        "AUTOMEM_ALLOW": "launcher",
        "AUTOMEM_LAUNCHERS": str(roots / "launchers.toml"),
    }
    with dev_server(tmp_path_factory.mktemp("dev"), **rights) as started:
        yield started
