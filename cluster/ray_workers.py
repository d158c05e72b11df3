"""Ray: a local one or a running cluster, and the workers on it. Nothing else knows of Ray."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.packing import code_digest, environment
from cluster.worker import Facts, Worker
from graphs.settings import SettingsError

ANSWER_S = 5.0
"""Seconds that an address may take to answer."""
START_S = 60.0
"""Seconds that workers may take to start."""
STORE_BYTES = 100 * 2**20
"""Of the object store of a local Ray: what passes through it is read at once."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Ray's own settings: no statistics to its makers, nothing written into the terminal."""


class WorkerLost(Exception):
    """A worker, or its node, is gone."""


class WorkerHandle:
    """A worker that runs on a node."""

    def __init__(self, actor: Any, name: str) -> None:
        self.name = name
        self.facts: Facts | None = None
        """Once it has begun."""
        self._actor = actor

    @property
    def node(self) -> str:
        """Its host."""
        return self.facts.node if self.facts is not None else "a node that is not known yet"

    async def call(self, method: str, *arguments: object) -> Any:
        """What a method of the worker returns. WorkerLost where the worker or its node is gone."""
        from ray.exceptions import RayActorError, RaySystemError, RayTaskError

        try:
            return await getattr(self._actor, method).remote(*arguments)
        except RayTaskError as error:
            raise _cause(error) from None
        except (RayActorError, RaySystemError) as error:
            raise WorkerLost(f"the worker on {self.node} is gone") from error

    def kill(self) -> None:
        """End the worker's process at once."""
        import ray

        with contextlib.suppress(Exception):
            ray.kill(self._actor, no_restart=True)


def _cause(error: Any) -> BaseException:
    cause = error.cause
    return cause if isinstance(cause, BaseException) else RuntimeError(str(error))


class RayWorkers:
    """The workers of one command."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        """How many there are to be."""
        self._named = 0

    async def start_one(self) -> WorkerHandle:
        """Start a worker. WorkerLost where it dies as it starts, TimeoutError where there is no place for it."""
        import ray

        self._named += 1
        options = {"num_cpus": 1, "max_concurrency": 100, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        handle = WorkerHandle(ray.remote(Worker).options(**options).remote(), f"worker {self._named}")
        try:
            handle.facts = await asyncio.wait_for(handle.call("begin", environment()), START_S)
        except BaseException:
            handle.kill()
            raise
        assert handle.facts is not None
        if handle.facts.code != code_digest():
            handle.kill()
            raise SettingsError(f"The node {handle.node} has another version of this program: install this one there.")
        return handle

    async def start_all(self) -> list[WorkerHandle]:
        """Start all workers. SettingsError where there is no place for one, or a node cannot run it."""
        found = await asyncio.gather(*(self.start_one() for _ in range(self.workers)), return_exceptions=True)
        handles = [one for one in found if isinstance(one, WorkerHandle)]
        for error in found:
            if isinstance(error, BaseException):
                for handle in handles:
                    handle.kill()
                raise self._start_failure(error, len(handles)) from error
        return handles

    def _start_failure(self, error: BaseException, started: int) -> BaseException:
        if isinstance(error, TimeoutError):
            return SettingsError(
                f"Only {started} of {self.workers} workers started within {START_S:.0f} seconds: each takes one of the "
                f"cluster's {_cpus()} CPUs, and other work may hold the rest. Give fewer `workers`."
            )
        if isinstance(error, WorkerLost):
            text = str(error.__cause__)
            where = re.search(r"^\s*ip: (\S+)", text, re.MULTILINE)
            node = f"the node {where[1]}" if where else "a node"
            if missing := re.search(r"^\s*ModuleNotFoundError: (.+)", text, re.MULTILINE):
                return SettingsError(f"A worker cannot run on {node} ({missing[1]}): install this program there.")
            why = re.findall(r"^\s*(\w+(?:Error|Exception): .+)", text, re.MULTILINE) or text.strip().splitlines()
            return SettingsError(f"A worker could not start on {node}: {why[-1] if why else 'no cause is known'}")
        return error


@contextmanager
def ray_running(workers: int | None, address: str | None) -> Iterator[RayWorkers]:
    """Workers on a local Ray, which ends with the block, or on the cluster at `address`, which does not.

    SettingsError where Ray is not installed, none answers at the address, or it has another version.
    """
    # A local Ray asks for a token by default, and would write one into the home folder.
    own = {} if address is not None else {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in {**QUIET, **own}.items():
        os.environ.setdefault(name, value)  # read when Ray is imported
    try:
        import ray
    except ImportError as error:
        raise SettingsError("Workers need Ray: install it with pip install 'automem-langgraph[cluster]'.") from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
    if address is None:
        options |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
        options |= {"object_store_memory": STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    else:
        options["address"] = _answering(address)
    # In the main thread Ray would take over SIGTERM. The thread that starts a local Ray has to outlive it: the
    # processes are killed with the thread.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ray") as thread:
        session = thread.submit(_connect, options, address).result()
        _take_signals_back()
        try:
            yield RayWorkers(workers or max(1, _cpus()))
        finally:
            thread.submit(ray.shutdown).result()
            if address is None:
                shutil.rmtree(session, ignore_errors=True)  # Ray leaves its logs


def _take_signals_back() -> None:
    """Undo that Ray's library prints a stack trace at signals which end a process, before Python's handlers run."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.getsignal(number))


def _cpus() -> int:
    """Of all nodes."""
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 0))


def _connect(options: Mapping[str, Any], address: str | None) -> Path:
    """Connect this process; where Ray's own files are on this machine."""
    import ray
    import ray._private.worker as printing

    printing._worker_logs_enabled = False  # `log_to_driver=False` leaves the raylets' last words
    where = "A local Ray" if address is None else f"The Ray at {address}"
    try:
        connected: Any = ray.init(**options)
        return Path(connected.address_info["session_dir"])
    except RuntimeError as error:
        text = str(error)
        if "ersion mismatch" in text:
            cluster, _, _ = text.partition("This process")
            raise SettingsError(
                f"{where} has another version ({_versions(cluster)}), here are Ray {ray.__version__} and Python "
                f"{platform.python_version()}: both must be the same."
            ) from error
        raise SettingsError(f"{where} cannot be used: {text.strip().splitlines()[0]}") from error
    except (OSError, ValueError) as error:
        hint = " Set RAY_TMPDIR to a shorter folder." if "AF_UNIX path length" in str(error) else ""
        raise SettingsError(f"{where} cannot be used: {str(error).strip().splitlines()[0]}.{hint}") from error


def _versions(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return ", ".join(line.replace(":", "") for line in lines if line.startswith(("Ray:", "Python:")))


def _answering(address: str) -> str:
    """The HOST:PORT of a Ray that answers. SettingsError where none does: Ray itself would try for 80 seconds."""
    import grpc
    import ray._private.services as services
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated.gcs_service_pb2 import CheckAliveRequest  # type: ignore[attr-defined]
    from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

    try:
        where = services.get_ray_address_from_environment(address, None) if address == "auto" else address
    except ConnectionError:
        raise SettingsError(
            "No Ray runs on this machine: start one with ray start --head, or give its `ray` HOST:PORT."
        ) from None
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise SettingsError(f"{where[:100]!r} is no address of a Ray cluster: write HOST:PORT, or auto.")
    try:
        socket.getaddrinfo(host, int(port))
        with init_grpc_channel(where) as channel:
            ask = NodeInfoGcsServiceStub(channel).CheckAlive  # type: ignore[no-untyped-call]
            reply = ask(CheckAliveRequest(), timeout=ANSWER_S, wait_for_ready=True)
    except OSError as error:
        raise SettingsError(f"No Ray answers at {where}: check the address, and that the cluster runs.") from error
    except grpc.RpcError as error:
        raise SettingsError(_no_answer(where, error.code())) from error
    if not reply.ray_version:
        raise SettingsError(_no_answer(where, grpc.StatusCode.UNIMPLEMENTED))
    return where


def _no_answer(where: str, code: Any) -> str:
    """Why the program at an address is no Ray that this command can use, by the gRPC status of its answer."""
    if code.name in ("DEADLINE_EXCEEDED", "UNAVAILABLE"):
        return f"No Ray answers at {where}: check the address, and that the cluster runs."
    if code.name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return f"The Ray at {where} asks for another token: set RAY_AUTH_TOKEN to the one it was started with."
    return f"What answers at {where} is not the head of a Ray cluster: check the port (Ray's own choice is 6379)."
