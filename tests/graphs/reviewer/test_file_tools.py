"""The reviewer's file tools: what they answer, in the words a model can act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from graphs.reviewer.tools import CHARACTERS, LINE_CHARACTERS, file_tools
from graphs.reviewer.workspace import Workspace
from scaffolds import SHIPPED, Scaffold


class Files:
    """The tools of one workspace, called as a model calls them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._tools = {tool.name: tool for tool in file_tools(workspace)}

    def __call__(self, name: str, **arguments: Any) -> ToolMessage:
        call = {"name": name, "args": arguments, "id": "c", "type": "tool_call"}
        answer = self._tools[name].invoke(call)
        assert isinstance(answer, ToolMessage)
        return answer

    def refused(self, name: str, **arguments: Any) -> str:
        answer = self(name, **arguments)
        assert answer.status == "error"
        return answer.text

    def said(self, name: str, **arguments: Any) -> str:
        answer = self(name, **arguments)
        assert answer.status == "success", answer.text
        return answer.text


@pytest.fixture
def tools(tmp_path: Path) -> Files:
    run = tmp_path / "run"
    episode = run / "episodes/vault/one-door/seed-42"
    (episode / "memory").mkdir(parents=True)
    (episode / "memory/codes.md").write_text("red 1234\n")
    (episode / "steps.jsonl.zst").write_text("{}\n")
    earlier = tmp_path / "v1.a1"
    (earlier / "notes").mkdir(parents=True)
    (earlier / "review.jsonl").write_text("{}")
    (earlier / "notes/analysis.md").write_text("it failed\n")
    workspace = Workspace(tmp_path / "v1.a2", SHIPPED / "vault/v0", {"v1.a1": earlier}, {"incumbent": run})
    Scaffold.load("vault/v0").copy(workspace.candidate)
    workspace.prepare()
    return Files(workspace)


def test_the_tools_are_the_five_agreed_on(tools: Files) -> None:
    names = {tool.name: list(tool.args) for tool in file_tools(tools.workspace)}
    assert names == {
        "list_files": ["folder"],
        "read_file": ["path", "first_line", "lines"],
        "write_file": ["path", "content"],
        "edit_file": ["path", "old", "new"],
        "delete_file": ["path"],
    }


def test_the_tree_is_listed_level_by_level(tools: Files) -> None:
    tops = ["candidate/", "notes/", "parent/", "history/v1.a1/", "runs/incumbent/"]
    for top in ("", "/", "."):
        assert tools.said("list_files", folder=top).split("\n") == tops
    assert tools.said("list_files", folder="runs") == "runs/incumbent/"
    assert tools.said("list_files", folder="history/v1.a1/") == "history/v1.a1/notes/"
    listed = tools.said("list_files", folder="candidate")
    assert "candidate/prompts/" in listed.split("\n")
    assert f"candidate/scaffold.toml  {(SHIPPED / 'vault/v0/scaffold.toml').stat().st_size:,}" in listed
    assert tools.said("list_files", folder="notes") == "notes is empty."
    assert "is not there" in tools.refused("list_files", folder="candidate/memory")
    assert "no folder" in tools.refused("list_files", folder="candidate/scaffold.toml")


def test_a_long_listing_is_cut_with_a_pointer(tools: Files) -> None:
    for seed in range(250):
        (tools.workspace.runs["incumbent"] / f"episodes/vault/one-door/seed-{seed}").mkdir(exist_ok=True)
    listed = tools.said("list_files", folder="runs/incumbent/episodes/vault/one-door").split("\n")
    assert len(listed) == 201
    assert listed[-1].startswith("… and 50 more")


def test_a_file_is_read_in_stretches_that_lead_on_to_the_rest(tools: Files) -> None:
    tools.said("write_file", path="notes/long.md", content="".join(f"line {n}\n" for n in range(1, 501)))
    first = tools.said("read_file", path="notes/long.md").split("\n")
    assert first[0] == "notes/long.md, lines 1-200 of 500:"
    assert first[1] == "line 1"
    assert first[-1] == "… 300 lines more: read_file, first_line=201"
    last = tools.said("read_file", path="notes/long.md", first_line=499)
    assert last == "notes/long.md, lines 499-500 of 500:\nline 499\nline 500"
    assert "no line 501" in tools.refused("read_file", path="notes/long.md", first_line=501)
    read = "".join(
        line + "\n"
        for start in (1, 201, 401)
        for line in tools.said("read_file", path="notes/long.md", first_line=start).split("\n")[1:]
        if line.startswith("line")
    )
    assert read == (tools.workspace.notes / "long.md").read_text()


def test_no_result_is_longer_than_a_context_bears(tools: Files) -> None:
    tools.said("write_file", path="notes/wide.md", content="\n".join(["y" * 3_000] * 40))
    read = tools.said("read_file", path="notes/wide.md")
    assert len(read) < CHARACTERS + 200
    assert read.endswith("first_line=4") or read.endswith("first_line=5")
    huge = tools.workspace.runs["incumbent"] / "huge.txt"
    huge.write_text("z" * 100_000)
    read = tools.said("read_file", path="runs/incumbent/huge.txt")
    assert len(read) < LINE_CHARACTERS + 200
    assert read.endswith("(of 100,000 characters)")


def test_read_only_places_are_read_and_traces_have_tools_of_their_own(tools: Files) -> None:
    episode = "runs/incumbent/episodes/vault/one-door/seed-42"
    assert tools.said("read_file", path=f"{episode}/memory/codes.md").endswith("red 1234")
    assert "show_step" in tools.refused("read_file", path=f"{episode}/steps.jsonl.zst")
    assert "it failed" in tools.said("read_file", path="history/v1.a1/notes/analysis.md")
    assert tools.refused("read_file", path="history/v1.a1/review.jsonl").startswith("Of an earlier attempt there is")
    assert "read-only" in tools.refused("write_file", path=f"{episode}/steps.jsonl.zst", content="x")
    assert "is a folder" in tools.refused("read_file", path="candidate/prompts")


def test_an_edit_replaces_one_piece_and_nothing_else(tools: Files) -> None:
    path = "candidate/prompts/handoff.md"
    assert tools.said("edit_file", path=path, old="HANDOFF step", new="HANDOFF step") == f"{path} is written: 7 lines."
    assert "is not in it" in tools.refused("edit_file", path=path, old="nowhere", new="x")
    assert "is in it 3 times" in tools.refused("edit_file", path=path, old="note", new="x")
    assert "is empty" in tools.refused("edit_file", path=path, old="", new="x")
    tools.said("edit_file", path=path, old="You choose the action.", new="Choose the action.")
    changed = (tools.workspace.candidate / "prompts/handoff.md").read_text()
    assert changed == (SHIPPED / "vault/v0/prompts/handoff.md").read_text().replace("You choose", "Choose")


def test_what_no_file_should_hold_is_not_written(tools: Files) -> None:
    for content in ("a\x00b", "\x1b[31mred", "half \ud800 pair"):
        assert "leave it out" in tools.refused("write_file", path="notes/x.md", content=content)
    assert "break it" in tools.refused("write_file", path="notes/x.md", content="x" * 4_001)
    assert "the most is" in tools.refused("write_file", path="notes/x.md", content="x\n" * 150_000)
    assert tools.said("list_files", folder="notes") == "notes is empty."
    assert tools.said("write_file", path="notes/x.md", content="a\r\nb\r\n") == "notes/x.md is written: 2 lines."
    assert (tools.workspace.notes / "x.md").read_bytes() == b"a\nb\n"


def test_a_deleted_file_is_gone(tools: Files) -> None:
    assert tools.said("delete_file", path="candidate/METHOD.md") == "candidate/METHOD.md is deleted."
    assert "is not there" in tools.refused("delete_file", path="candidate/METHOD.md")
    assert "is not there" in tools.refused("read_file", path="candidate/METHOD.md")


def test_what_is_written_is_a_scaffold_that_loads(tools: Files) -> None:
    tools.said("edit_file", path="candidate/scaffold.toml", old='"append", "write"', new='"append", "upsert", "write"')
    assert "upsert" in Scaffold.load(tools.workspace.candidate).settings.vocabulary.log
