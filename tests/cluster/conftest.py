"""One Ray cluster for all tests of workers: two nodes on this machine, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ray_nodes import started

from cluster.player import ClusterPlayer, workers


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with started(nodes=2) as cluster:
        yield cluster.address


@pytest.fixture(scope="module")
def two_workers(address: str) -> Iterator[ClusterPlayer]:
    with workers(2, address, shared=False) as player:
        yield player
