"""What a new user may give the outer loops by mistake: each ends in one sentence that says what, where, what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import Run as Command
from tiny_model import make_tiny_model

from traces.records import FORMAT

Run = Callable[..., tuple[int, str]]
PLAYED = ["--world", "vault", "--task", "one-door"]
SEARCH = ["evolve", *PLAYED, "--model", "scripted", "--reviewer-model", "scripted", "--seeds", "1", "--versions", "1"]
BRIEF = [*SEARCH, "--attempts", "1", "--continuations", "0"]
TRAINING = ["specialize", *PLAYED, "--base", "embedded+weights=tiny"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def automem(automem: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Path) -> Run:
    """Run a command in a folder with nothing but a model: exit status, and what it said on stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").symlink_to(tiny)

    def run(*arguments: str) -> tuple[int, str]:
        code, _, said = automem(*arguments)
        return code, said.strip()

    return run


@pytest.mark.parametrize("loop", [SEARCH, TRAINING])
def test_a_file_where_the_run_folder_should_be(automem: Run, loop: list[str]) -> None:
    Path("notes").write_text("mine")
    assert automem(*loop, "--out", "notes") == (
        2,
        "automem: notes is a file, and a folder is needed: give another --out.",
    )
    code, said = automem(*loop, "--out", "notes/run")
    assert code == 1
    assert "there is a file where a folder is needed: move it or choose another folder" in said
    assert Path("notes").read_text() == "mine"


@pytest.mark.parametrize("loop", [SEARCH, TRAINING])
def test_a_folder_of_something_else_is_left_alone(automem: Run, loop: list[str]) -> None:
    Path("mine").mkdir()
    Path("mine/notes").write_text("mine")
    code, said = automem(*loop, "--out", "mine")
    assert code == 2
    assert said.startswith("automem: mine holds something that is no ")
    assert [path.name for path in Path("mine").iterdir()] == ["notes"]


def test_a_served_agent_without_its_address_is_told_the_option_that_gives_it(automem: Run) -> None:
    given = ["--reviewer-model", "vllm:x", "--base-url", "http://127.0.0.1:9/v1"]
    assert "vllm:x needs --reviewer-base-url" in automem(*SEARCH, "--out", "run", *given)[1]
    assert "vllm:x needs --curator-base-url" in automem(*TRAINING, "--out", "run", "--curator-model", "vllm:x")[1]


@pytest.mark.parametrize(("loop", "file"), [(SEARCH, "evolve.json"), (TRAINING, "specialize.json")])
def test_damaged_settings_are_restored_or_left(automem: Run, loop: list[str], file: str) -> None:
    Path("run").mkdir()
    Path("run", file).write_text("{")
    code, said = automem(*loop, "--out", "run", "--resume")
    assert (code, said) == (1, f"automem: run/{file} is not JSON: restore it, or choose another folder")
    Path("run", file).write_text(json.dumps({"format": FORMAT, "configuration": {}}))
    code, said = automem(*loop, "--out", "run", "--resume")
    assert code == 1
    assert said.startswith(f"automem: run/{file} does not hold what it should (")


def test_a_finished_search_is_resumed_from_its_files_alone(automem: Run) -> None:
    assert automem(*BRIEF, "--out", "run")[0] == 0
    lineage = Path("run/lineage.jsonl").read_bytes()
    Path("run/state.sqlite").write_bytes(b"checkpoints of an earlier release")
    assert automem(*BRIEF, "--out", "run", "--resume")[0] == 0
    assert Path("run/lineage.jsonl").read_bytes() == lineage


def test_a_ledger_is_a_folder_or_a_file_that_holds_one(automem: Run) -> None:
    Path("notes").write_text("mine\n")
    assert automem("ledger", "notes") == (
        2,
        "automem: notes:1: not a valid line of a ledger (Invalid JSON: expected value at line 1 column 1).",
    )
    assert "holds no ledger" in automem("ledger", "nowhere")[1]


def test_a_base_that_is_nowhere_is_not_served(automem: Run) -> None:
    assert "There is no base '/none/such'" in automem("serve", "--base", "/none/such", "--print-only")[1]
    Path("empty").mkdir()
    assert "The folder empty holds no model" in automem("serve", "--base", "empty", "--print-only")[1]
    assert automem("serve", "--base", "tiny", "--print-only")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "X"],
        ["report", "X"],
        ["check", "X"],
        ["fork", "X", "--step", "2"],
        ["play", "--world", "vault", "--out", "X"],
    ],
)
def test_a_path_that_no_file_system_holds_is_refused_in_one_sentence(automem: Run, words: list[str]) -> None:
    code, said = automem(*("x" * 3000 if word == "X" else word for word in words))
    assert code == 2
    assert said.startswith("automem: ")
    assert "File name too long" in said
    assert len(said) < 600


@pytest.mark.parametrize(
    "words",
    [
        ["report", "run", "--out"],
        ["replay", "run/episodes/vault/one-door/seed-1", "--out"],
        ["fork", "run/episodes/vault/one-door/seed-1", "--step", "1", "--out"],
        ["adopt", "run", "--version", "0", "--to"],
        ["eval", "--world", "vault", "--model", "scripted", "--out"],
        ["play", "--world", "vault", "--out"],
        ["play", "--world", "vault", "--frames"],
        ["demo", "--out"],
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_nothing_is_written_into_a_scaffold_or_the_system_or_nowhere(automem: Run, words: list[str]) -> None:
    Path("mine").mkdir()
    Path("mine/scaffold.toml").write_text("")
    Path("link").symlink_to("mine")
    for place, why in (
        ("mine/new", "lies in the scaffold"),
        ("link/new", "lies in the scaffold"),
        ("/etc/new", "lies in a folder of the operating system"),
        ("", "The folder to write is empty"),
    ):
        code, said = automem(*words, place)
        assert code == 2
        assert why in " ".join(said.replace("│", " ").split())
    assert [path.name for path in Path("mine").iterdir()] == ["scaffold.toml"]


def test_a_replay_page_replaces_no_other_file(automem: Run) -> None:
    automem("eval", *PLAYED, "--model", "scripted", "--seeds", "1", "--max-steps", "2", "--out", "run")
    episode = Path("run/episodes/vault/one-door/seed-1")
    page = ["replay", str(episode), "--frames", "none", "--out"]
    before = (episode / "episode.json").read_bytes()
    code, said = automem(*page, str(episode / "episode.json"))
    assert (code, said) == (2, f"automem: {episode}/episode.json is no replay page: write to another file.")
    assert (episode / "episode.json").read_bytes() == before
    for _ in range(2):
        assert automem(*page, "page.html")[0] == 0
