"""Certified examples as a LangSmith dataset: what went into each model call, what came out, and the certificate."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import requests
import typer
from langsmith import Client
from langsmith.utils import LangSmithError, LangSmithNotFoundError
from urllib3.util import Retry

from cli.visible_text import one_line
from memory_fs.results import plural
from traces.langsmith_client import ANSWER_S, CONNECT_S, LangSmithFailure
from training.certificate import certify, origin
from training.source import SourceError

CHUNK = 50
"""Examples of one request."""


class Made(NamedTuple):
    """How many examples a dataset was given, and how many it had."""

    sent: int
    there: int


def certified(source: Path, run: Path | None) -> tuple[Path, str]:
    """The dataset file that `source` names, and its SHA-256, once every example is certified.

    SourceError where there is none; status 1 and the faults where one is faulty.
    """
    path = _latest(source) if source.is_dir() else source
    played, seeds = origin(path, run)
    digest = _digest(path)
    faults = certify(path, played, evaluation_seeds=seeds)
    for fault in faults:
        typer.echo(one_line(fault, 500), err=True)
    if faults:
        typer.echo(f"automem: not certified, {plural(len(faults), 'fault')}: nothing was sent.", err=True)
        raise typer.Exit(1)
    return path, digest


def upload(path: Path, digest: str, name: str) -> Made:
    """Make the dataset `name` of the examples in `path`, or complete the one that was begun from the same file.

    SourceError where a dataset of that name holds something else, LangSmithFailure where the server refuses.
    """
    try:
        return _upload(path, digest, name)
    except LangSmithError as error:
        sentence = str(error).split("\n")[0]  # the next lines hold part of the key
        raise LangSmithFailure(f"LangSmith did not take the dataset: {sentence[:300]}") from error
    except requests.RequestException as error:
        raise LangSmithFailure("LangSmith does not answer.") from error


def _upload(path: Path, digest: str, name: str) -> Made:
    limits = int(1000 * CONNECT_S), int(1000 * ANSWER_S)
    client = Client(auto_batch_tracing=False, retry_config=Retry(2), timeout_ms=limits, tracing_mode="langsmith")
    try:
        found = client.read_dataset(dataset_name=name)
    except LangSmithNotFoundError:
        about = f"Memory decisions from {path}, every word certified against the traces."
        found = client.create_dataset(name, description=about, metadata={"sha256": digest})
        there: set[uuid.UUID] = set()
    else:
        if (found.metadata or {}).get("sha256") != digest:
            raise SourceError(f"LangSmith holds another dataset {name!r} already: choose another --name.")
        there = {example.id for example in client.list_examples(dataset_id=found.id)}
    sent = 0
    missing = (example for example in _examples(path, digest, name) if example["id"] not in there)
    while chunk := list(islice(missing, CHUNK)):
        client.create_examples(dataset_id=found.id, examples=chunk)
        sent += len(chunk)
    client.close()
    return Made(sent, len(there))


def _examples(path: Path, digest: str, name: str) -> Iterator[dict[str, Any]]:
    """The examples of a file in LangSmith's words; each has the same id whenever it is sent."""
    with path.open("rb") as file:
        for line in file:
            one = orjson.loads(line)
            yield {
                "id": uuid.uuid5(uuid.NAMESPACE_URL, f"automem:{name}/{digest}/{one['id']}"),
                "inputs": {"messages": one["messages"][:-1]},
                "reference_outputs": {"messages": one["messages"][-1:]},
                "metadata": {"candidate": one["id"], "certificate": one["certificate"]},
            }


def _latest(run: Path) -> Path:
    """The dataset of the last iteration of a run of loop 2 that has one."""
    found = sorted(run.glob("iterations/*/dataset.jsonl"), key=lambda path: (len(path.parts[-2]), path.parts[-2]))
    if not found:
        raise SourceError(f"{run} holds no dataset: give a dataset.jsonl, or a run of automem specialize.")
    return found[-1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
