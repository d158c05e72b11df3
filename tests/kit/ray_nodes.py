"""A Ray cluster of several nodes on this machine, without network, dashboard or statistics."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

from cluster.crew import QUIET

SOON = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
"""A dead node is noticed in a second, not in half a minute."""


@contextlib.contextmanager
def started(nodes: int, cpus: int = 1) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` of so many nodes, each with so many CPUs."""
    own = {**QUIET, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in own.items():
        os.environ.setdefault(name, value)
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={**common, "_system_config": SOON})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**common, wait=False)
        yield cluster
    finally:
        cluster.shutdown()
