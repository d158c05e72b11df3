"""A Ray cluster of several nodes on this machine, without network, dashboard or statistics."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from cluster.ray_workers import QUIET

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
"""Room for one worker."""
SOON = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 300, "health_check_failure_threshold": 3}
"""A dead node is noticed in a second, not in half a minute."""


def kill_a_node(cluster: Any, workers: Collection[int]) -> bool:
    """Kill (-9) the node, not the head's, on which one of these processes runs, with the process; whether one does."""
    for node in cluster.worker_nodes:
        raylet = node.all_processes["raylet"][0].process.pid
        children = {int(child) for child in Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()}
        if hit := children & set(workers):
            for process in (raylet, *hit):
                os.kill(process, signal.SIGKILL)
            return True
    return False


@contextlib.contextmanager
def started(nodes: int) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` of so many nodes: the head's and others."""
    own = {**QUIET, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in own.items():
        os.environ.setdefault(name, value)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": SOON})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**NODE, wait=False)
        yield cluster
    finally:
        cluster.shutdown()
