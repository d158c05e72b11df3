"""The tree a reviewer can name: every trick of a path is refused in one sentence, and nothing outside is touched."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from graphs.reviewer import safe_files
from graphs.reviewer.workspace import MAX_FILE_BYTES, MAX_FILES, FileRefused, Workspace, files
from scaffolds import SHIPPED


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    run = tmp_path / "search" / "evaluations" / "v0"
    (run / "episodes/vault/one-door/seed-42/memory").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    earlier = tmp_path / "search" / "attempts" / "v1.a1"
    (earlier / "fresh").mkdir(parents=True)
    (earlier / "verdict.json").write_text("{}")
    made = Workspace(tmp_path / "search/attempts/v1.a2", SHIPPED / "vault/v0", {"v1.a1": earlier}, {"incumbent": run})
    made.prepare()
    (tmp_path / "search" / "evolve.json").write_text("secret")
    return made


@pytest.mark.parametrize(
    "path",
    [
        "",
        "..",
        "candidate/../../evolve.json",
        "candidate/..",
        "../evolve.json",
        "notes/../candidate/hooks.py",
        "/etc/passwd",
        "/candidate/hooks.py",
        "~/x.md",
        "C:/x.md",
        "evolve.json",
        "attempts/v1.a2/candidate/hooks.py",
        "candidates/hooks.py",
        "Candidate/hooks.py",
        "candidate\\hooks.py",
        "candidate//hooks.py",
        "candidate/\x00.md",
        "candidate/a\nb.md",
        "candidate/.hidden.md",
        "candidate/.git/config.md",
        "candidate/nul.md",
        "candidate/memory/aux.md",
        "candidate/" + "x" * 300 + ".md",
        "candidate/memory/" + "d/" * 50 + "x.md",
        "runs/incumbent/../../../../evolve.json",
        "runs/nobody/run.json",
        "runs/incumbent2",
        "history/v1.a1/fresh/candidate/run.json",
        "history/v1.a1/review.jsonl",
        "‥/evolve.json",
        "candidate/\u202ehooks.py",
    ],
)
def test_a_path_that_leads_nowhere_in_the_tree_is_refused_in_a_sentence(workspace: Workspace, path: str) -> None:
    for ask in (workspace.place, workspace.place_to_write):
        with pytest.raises(FileRefused) as refused:
            ask(path)
        assert str(refused.value).endswith(".")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("scaffold.toml", "hooks.py", "operations.py", "METHOD.md", "README.md", "prompts/log.md"),
        *("memory/map.md", "memory/levels/one.txt"),
    ],
)
def test_what_a_scaffold_holds_may_be_written(workspace: Workspace, name: str) -> None:
    place = workspace.place_to_write(f"candidate/{name}")
    assert place.root.joinpath(*place.parts) == workspace.candidate / name


@pytest.mark.parametrize(
    "path",
    [
        *("candidate", "candidate/memory", "candidate/run.sh", "candidate/hooks.pyc", "candidate/prompts/extra.md"),
        *("candidate/prompts/log.md/x.md", "candidate/conftest.py", "candidate/__init__.py", "candidate/HOOKS.PY"),
        *("candidate/prompts", "notes", "notes/run.py", "notes/deep/x.md", "parent/hooks.py"),
        *("runs/incumbent/run.json", "runs/incumbent/new/x.md"),
        *("runs/incumbent/episodes/vault/one-door/seed-42/steps.jsonl.zst", "history/v1.a1/verdict.json"),
    ],
)
def test_nothing_else_may(workspace: Workspace, path: str) -> None:
    with pytest.raises(FileRefused):
        workspace.place_to_write(path)


def test_size_number_and_total_are_limited_and_names_differ_by_more_than_case(workspace: Workspace) -> None:
    place = workspace.place_to_write("candidate/memory/Map.md")
    with pytest.raises(FileRefused, match="the most is"):
        workspace.check_room(place, MAX_FILE_BYTES + 1)
    safe_files.write(place.root, ("memory", "map.md"), b"x")
    with pytest.raises(FileRefused, match="only by case"):
        workspace.check_room(place, 1)
    for number in range(8):
        safe_files.write(place.root, ("memory", f"{number}.md"), b"x" * MAX_FILE_BYTES)
    with pytest.raises(FileRefused, match="more than"):
        workspace.check_room(workspace.place_to_write("candidate/memory/next.md"), 10)
    workspace.check_room(workspace.place_to_write("candidate/memory/7.md"), 10)  # in the place of what stood there
    for number in range(MAX_FILES):
        safe_files.write(place.root, ("memory", f"{number}.md"), b"")
    with pytest.raises(FileRefused, match=r"holds 10[01] files already"):
        workspace.check_room(workspace.place_to_write("candidate/memory/next.md"), 0)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "x.md").write_text("secret")
    return secret


def plant(root: Path, outside: Path, what: str) -> None:
    """Something at memory/x.md that must not be followed, opened or replaced through."""
    memory = root / "memory"
    if what == "folder link":
        memory.symlink_to(outside)
        return
    memory.mkdir()
    if what == "link":
        (memory / "x.md").symlink_to(outside / "x.md")
    elif what == "dangling link":
        (memory / "x.md").symlink_to(outside / "new.md")
    elif what == "hard link":
        os.link(outside / "x.md", memory / "x.md")
    elif what == "pipe":
        os.mkfifo(memory / "x.md")
    elif what == "socket":
        listening = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(memory)  # the name of a socket is short
        listening.bind("x.md")
        os.chdir(here)
        listening.close()
    elif what == "folder":
        (memory / "x.md").mkdir()


@pytest.mark.parametrize("what", ["link", "dangling link", "folder link", "hard link", "pipe", "socket", "folder"])
def test_links_and_oddities_are_neither_read_nor_written_nor_deleted(
    workspace: Workspace, outside: Path, what: str
) -> None:
    root, parts = workspace.candidate, ("memory", "x.md")
    plant(root, outside, what)
    for attempt in (
        lambda: safe_files.read(root, parts, 100),
        lambda: safe_files.write(root, parts, b"gone"),
        lambda: safe_files.delete(root, parts),
    ):
        with pytest.raises(safe_files.NotAccessible):
            attempt()
    assert [path.name for path in outside.iterdir()] == ["x.md"]
    assert (outside / "x.md").read_text() == "secret"
    if what != "folder link":
        assert files(root) == ([] if what != "hard link" else [(parts, 6)])


def test_a_root_that_has_become_a_link_is_not_entered(workspace: Workspace, outside: Path) -> None:
    workspace.notes.rmdir()
    workspace.notes.symlink_to(outside)
    with pytest.raises(safe_files.NotAccessible):
        safe_files.write(workspace.notes, ("x.md",), b"gone")
    assert (outside / "x.md").read_text() == "secret"


def test_a_write_is_whole_or_not_at_all(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    root = workspace.candidate
    safe_files.write(root, ("METHOD.md",), b"before")

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graphs.reviewer.safe_files.os.replace", fails)
    with pytest.raises(OSError, match="No space"):
        safe_files.write(root, ("METHOD.md",), b"after")
    assert [path.read_text() for path in root.iterdir()] == ["before"]


def test_deleting_the_last_file_of_a_folder_takes_the_folder_too(workspace: Workspace) -> None:
    root = workspace.candidate
    safe_files.write(root, ("memory", "deep", "x.md"), b"x")
    safe_files.write(root, ("memory", "y.md"), b"y")
    safe_files.delete(root, ("memory", "deep", "x.md"))
    assert files(root) == [(("memory", "y.md"), 1)]
    assert not (root / "memory/deep").exists()
