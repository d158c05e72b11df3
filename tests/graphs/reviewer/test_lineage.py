"""The lineage on disk: append-only, whole or not there, told once, and readable as a tree."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphs.reviewer.lineage import FILE, LineageRecord, append, best, read, tree
from traces import TraceDamaged, TraceFailure

START = LineageRecord(name="v0", kind="start", version=0, status="start", mean=0.25, standard_error=0.05, episodes=10)


def attempt(name: str, parent: str, version: int | None = None, **more: Any) -> LineageRecord:
    status = "rejected" if version is None else "accepted"
    return LineageRecord(
        **{"name": name, "kind": "attempt", "parent": parent, "version": version, "status": status} | more
    )


def test_records_come_back_equal_and_in_order(tmp_path: Path) -> None:
    rich = attempt(
        "v1.a1",
        "v0",
        version=1,
        reason="The mean rises … \u202e\x1b[31m\ud800",
        scaffold="versions/v1",
        mean=0.3,
        verdict={"luck": 0.04, "differences": [{"task": "t", "seed": 42}]},
        changes={"vocabulary": ["log: +upsert_map"]},
        spent={"reviewer": {"calls": 12.0, "cost": 0.25}},
    )
    assert read(tmp_path) == []
    assert append(tmp_path, START)
    assert append(tmp_path, rich)
    assert read(tmp_path) == [START, rich]


def test_telling_a_record_again_adds_and_replaces_nothing(tmp_path: Path) -> None:
    append(tmp_path, START)
    before = (tmp_path / FILE).read_bytes()
    assert not append(tmp_path, replace(START, mean=0.9))
    assert (tmp_path / FILE).read_bytes() == before
    assert append(tmp_path, replace(START, kind="control", parent="v0", status="measured"))  # another kind is another


@pytest.mark.parametrize("torn", [b"{", b'{"name": "v1.a1", "kind": "attempt", "status": "rejected"}', b"\xff\xfe"])
def test_a_torn_last_line_is_not_there_and_the_next_append_cuts_it_off(tmp_path: Path, torn: bytes) -> None:
    append(tmp_path, START)
    with (tmp_path / FILE).open("ab") as file:
        file.write(torn)
    assert read(tmp_path) == [START]
    second = attempt("v1.a1", "v0")
    assert append(tmp_path, second)
    assert read(tmp_path) == [START, second]
    assert torn not in (tmp_path / FILE).read_bytes() or torn.startswith(b"{")
    assert (tmp_path / FILE).read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    "line", ["not JSON", "[]", '{"name": "v1"}', '{"name": "v1", "kind": "dream", "status": "start"}', '{"other": 1}']
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    append(tmp_path, START)
    with (tmp_path / FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(TraceDamaged, match=rf"{FILE}:2 is no record"):
        read(tmp_path)
    with pytest.raises(TraceDamaged):
        append(tmp_path, attempt("v1.a1", "v0"))


def test_a_place_that_cannot_be_written_is_the_machines_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceFailure, match="cannot write"):
        append(tmp_path / "file", START)


def _append_some(run: Path, who: int) -> None:
    for number in range(25):
        append(run, attempt(f"v1.a{number}", "v0", reason=f"told by {who} " + "x" * 5_000))


def test_processes_that_append_at_once_tear_nothing_and_tell_nothing_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append_some, args=(tmp_path, who)) for who in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(one.name for one in read(tmp_path)) == sorted(f"v1.a{number}" for number in range(25))


RECORDS = [
    START,
    attempt("v1.a1", "v0"),
    attempt("v1.a1.c1", "v0", version=1, mean=0.35),
    LineageRecord(name="control v1.a1", kind="control", parent="v0", status="measured", mean=0.27),
    attempt("v2.a1", "v1"),
    attempt("v2.a2", "v1", status="check failed"),
    attempt("v2.a3", "v1", version=2, mean=0.5),
    LineageRecord(name="holdout v2", kind="holdout", parent="v2", status="measured", mean=0.4),
    attempt("v9.a1", "v8"),
    LineageRecord(name="end", kind="end", status="stopped", reason="the budget"),
]


def test_the_tree_hangs_attempts_on_their_version_and_measurements_beside_it() -> None:
    start = tree(RECORDS)
    assert start is not None
    assert [node.record.name for node in start.attempts] == ["v1.a1", "v1.a1.c1"]
    assert [one.name for one in start.measured] == ["control v1.a1"]
    first = start.attempts[1]
    assert [node.record.name for node in first.attempts] == ["v2.a1", "v2.a2", "v2.a3"]
    assert [one.name for one in first.attempts[2].measured] == ["holdout v2"]


def test_a_tree_has_a_root_and_no_circle() -> None:
    assert tree([]) is None
    assert tree([attempt("v1.a1", "v0")]) is None
    start = tree([START, attempt("v1.a1", "v1", version=1)])
    assert start is not None
    assert start.attempts == []


def test_the_best_version_is_the_last_accepted() -> None:
    assert best([]) is None
    assert best(RECORDS[:2]) == START
    assert best(RECORDS) == RECORDS[6]
