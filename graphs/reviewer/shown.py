"""What the reviewer of an attempt is shown: nothing of hold-out seeds, fresh seeds, controls, settings or lineage."""

from __future__ import annotations

from graphs.reviewer import lineage
from graphs.reviewer.position import evaluation_of, position, scaffold_of
from graphs.reviewer.search import Search
from graphs.reviewer.workspace import Workspace


def workspace_of(search: Search, name: str) -> Workspace:
    """The workspace of an attempt that is under way."""
    stands = position(search)
    records = [one for one in lineage.read(search.folder.path) if one.kind in ("start", "attempt")]
    runs = {"incumbent": evaluation_of(search, stands.incumbent).path}
    for record in records:
        if record.evaluation is not None and record.name != stands.incumbent.name:
            known = "previous" if record.name == stands.continues else record.name
            runs[known] = search.folder.path / record.evaluation
    return Workspace(
        attempt=search.folder.attempt(name).path,
        parent=scaffold_of(search, stands.incumbent),
        history={one.name: search.folder.attempt(one.name).path for one in records if one.kind == "attempt"},
        runs=runs,
    )


def what_became(search: Search) -> str:
    """For a continuation: what became of the attempt that it continues; empty for a fresh one."""
    continues = position(search).continues
    if continues is None:
        return ""
    record = next(one for one in lineage.read(search.folder.path) if one.name == continues and one.kind == "attempt")
    return f"{continues} was {record.status}. {record.reason}"
