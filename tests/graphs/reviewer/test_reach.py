"""The whole set of the reviewer's tools, asked for what lies outside its tree: nothing is read, nothing is changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from candidates import evaluated, workspace
from foreign_scaffold import why_not_contained

from graphs.reviewer.agent import reviewer_tools

pytestmark = pytest.mark.skipif(why_not_contained() != "", reason=why_not_contained())


def hostile_names(secret: Path) -> list[str]:
    """What a reviewer might try to name."""
    up = ["../" * depth + secret.name for depth in range(1, 5)]
    tops = [f"{top}/{name}" for top in ("candidate", "notes", "parent", "runs/incumbent", "history") for name in up]
    return [*up, *tops, str(secret), f"file://{secret}", "candidate/x.md\x00.py", "/proc/self/environ", "notes/link.md"]


def everything_below(folder: Path, but: tuple[Path, ...]) -> dict[str, bytes]:
    """Every file outside the writable folders, and what it holds."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path): path.read_bytes() for path in found if not any(path.is_relative_to(one) for one in but)}


def test_no_tool_of_the_reviewer_reads_or_writes_outside_its_tree(tmp_path: Path) -> None:
    made = workspace(tmp_path / "search", {"incumbent": evaluated(tmp_path / "search/evaluations/v0")})
    secret = tmp_path / "search/evolve.json"
    secret.write_text('{"seeds": "the-seeds-of-the-gate"}')
    (made.notes / "link.md").symlink_to(secret)
    (made.candidate / "memory").symlink_to(tmp_path / "search")
    before = everything_below(tmp_path, (made.candidate, made.notes))
    said: list[str] = []
    for tool in reviewer_tools(made):
        texts = [name for name, schema in tool.args.items() if schema.get("type") == "string"]
        for hostile in [*hostile_names(secret), "candidate/memory/evolve.json", "candidate/memory/new.md"]:
            given: dict[str, Any] = {**dict.fromkeys(texts, hostile), **numbers(tool.args)}
            call = {"name": tool.name, "args": given, "id": "c", "type": "tool_call"}
            said.append(str(asyncio.run(tool.ainvoke(call)).content))
    assert said
    assert not [text for text in said if "the-seeds-of-the-gate" in text]
    assert everything_below(tmp_path, (made.candidate, made.notes)) == before


def numbers(arguments: dict[str, Any]) -> dict[str, int]:
    """A 1 for every whole number a tool takes."""
    return {name: 1 for name, schema in arguments.items() if schema.get("type") == "integer"}


@pytest.mark.parametrize(
    ("code", "sees"),
    [
        ("import os; print(dict(os.environ))", "{"),
        ("import os; print(sorted(os.listdir('/runs')))", "['incumbent']"),
        ("open('/runs/incumbent/run.json', 'a').write('x')", "Error"),
        ("open('/runs/incumbent/new.json', 'w').write('x')", "Error"),
        ("import os; os.remove('/runs/incumbent/run.json')", "Error"),
        ("import socket; socket.create_connection(('127.0.0.1', 9), 1)", "Error"),
        ("print(open('SECRET').read())", "Error"),
        ("import subprocess; subprocess.run(['/bin/sh', '-c', 'id'])", "Error"),
    ],
)
def test_contained_analysis_reads_the_traces_and_nothing_else(tmp_path: Path, code: str, sees: str) -> None:
    made = workspace(tmp_path / "search", {"incumbent": evaluated(tmp_path / "search/evaluations/v0")})
    secret = tmp_path / "search/evolve.json"
    secret.write_text("the-seeds-of-the-gate")
    before = everything_below(tmp_path, ())
    run = next(tool for tool in reviewer_tools(made) if tool.name == "run_python")
    said = str(run.invoke({"code": code.replace("SECRET", str(secret))}))
    assert sees in said
    assert "the-seeds-of-the-gate" not in said
    assert "PATH" not in said
    assert everything_below(tmp_path, ()) == before
