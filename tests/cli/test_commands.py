"""The command line as a user meets it: what it prints, where it writes, and how it ends when something is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import Run
from openai_stub import OpenAIStub, status
from playing import by_turn
from trace_files import lines_of

from cli.commands import COMMANDS, load
from cli.options import parse_seeds
from traces import EpisodeFolder, TraceReader


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


def test_eval_plays_prints_and_writes(automem: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, printed, _ = automem(
        "eval", "--world", "vault", "--model", "scripted", "--task", "one-door", "--seeds", "1-2", "--out", str(out)
    )
    assert code == 0
    assert "scripted (no language model)" in printed
    assert "100.00 ± 0.00" in printed
    assert "one-door seed 2" in printed
    summary = json.loads((out / "summary.json").read_text())
    assert [episode["seed"] for episode in summary["episodes"]] == [1, 2]


def test_eval_runs_the_protocol_against_a_server_with_two_models(
    automem: Run, tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = by_turn({("PLAN", 0): "<|ACTION|>Go East<|END|>"})
    out = tmp_path / "run"
    code, printed, _ = automem(
        *("eval", "--world", "vault", "--task", "one-door", "--seeds", "1", "--max-steps", "3", "--out", str(out)),
        *("--model", "vllm:specialist", "--gameplay-model", "vllm:base", "--base-url", server.url),
    )
    assert code == 0
    assert {body["model"] for body in server.bodies} == {"specialist", "base"}
    assert {body["temperature"] for body in server.bodies} == {1.0}
    assert "vllm:specialist + vllm:base" in printed


def test_a_sampler_is_sent_kept_and_not_changed_by_a_resume(automem: Run, tmp_path: Path, server: OpenAIStub) -> None:
    out = tmp_path / "run"
    asked = ("eval", "--world", "vault", "--task", "one-door", "--seeds", "1", "--max-steps", "2", "--out", str(out))
    asked += ("--model", "vllm:m", "--base-url", server.url, "--no-check", "--quiet")
    assert automem(*asked, "--sampler", "top_k=40", "--sampler", "min_p=0.05")[0] == 0
    assert {(body["top_k"], body["min_p"]) for body in server.bodies} == {(40, 0.05)}
    kept = json.loads((out / "run.json").read_text())["configuration"]["settings"]["sampler"]
    assert kept == {"top_k": 40, "min_p": 0.05}
    code, _, said = automem(*asked, "--resume", "--sampler", "top_k=20")
    assert code == 2
    assert "sampler" in said
    code, _, said = automem(*asked, "--sampler", "topp=20")
    assert code == 2
    assert "The sampler has no 'topp'" in said
    code, _, said = automem(*asked, "--sampler", "top_k")
    assert code == 2
    assert "write top_k=40" in said
    code, _, said = automem(*asked, "--sampler", "top_k=4", "--sampler", "top_k=5")
    assert code == 2
    assert "gives top_k again" in said

    recorded = json.loads((out / "run.json").read_text())  # of a release that had no sampler
    del recorded["configuration"]["settings"]["sampler"]
    (out / "run.json").write_text(json.dumps(recorded))
    code, _, said = automem(*asked, "--resume", "--sampler", "top_k=20")
    assert code == 2
    assert "was started with sampler={}" in said


def test_eval_ends_with_status_1_and_the_cause_when_an_episode_failed(
    automem: Run, tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = status(401, "no such key")
    code, printed, _ = automem(
        *("eval", "--world", "vault", "--task", "one-door", "--seeds", "1", "--out", str(tmp_path / "run")),
        *("--model", "vllm:m", "--base-url", server.url),
    )
    assert code == 1
    assert "one-door seed 1 failed at step 1 (provider)" in printed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--world", "volt"], "vault"),
        (["--task", "one-dor"], "one-door"),
        (["--seeds", "42-"], "42-51"),
        (["--seeds", "51-42"], "42-51"),
        (["--scaffold", "nowhere/v0"], "nowhere"),
        (["--model", "gpt"], "gpt"),
        (["--model", "vllm:m"], "--base-url"),
        (["--dialect", "latin"], "tags"),
        (["--protocol", "paper"], "--seeds"),
        (["--max-steps", "0"], "max-steps"),
    ],
)
def test_bad_input_ends_in_one_clear_line_and_status_2(
    automem: Run, tmp_path: Path, arguments: list[str], told: str
) -> None:
    given = {"--world": "vault", "--model": "scripted", "--seeds": "1", "--out": str(tmp_path / "run")}
    given.update(dict(zip(arguments[::2], arguments[1::2], strict=True)))
    code, _, errors = automem("eval", *(word for pair in given.items() for word in pair))
    assert code == 2
    assert told in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["file", "full"])
def test_an_output_that_cannot_be_written_ends_in_one_line(automem: Run, tmp_path: Path, place: str) -> None:
    if place == "file":
        (tmp_path / "run").write_text("in the way")
        out = tmp_path / "run" / "inner"
    else:
        out = Path("/dev/full/run")
    code, _, errors = automem(
        "eval", "--world", "vault", "--model", "scripted", "--seeds", "1", "--task", "one-door", "--out", str(out)
    )
    assert code == {"file": 1, "full": 2}[place]  # a folder of the operating system is refused before it is tried
    assert str(out) in errors
    assert len(errors.strip().splitlines()) == 1


def test_fork_plays_the_rest_of_an_episode_anew(automem: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    automem(
        "eval", "--world", "vault", "--model", "scripted", "--task", "three-doors", "--seeds", "4", "--out", str(run)
    )
    episode = run / "episodes" / "vault" / "three-doors" / "seed-4"
    first = (episode / "steps.jsonl.zst").read_bytes()
    (tmp_path / "empty.md").write_text("")
    code, printed, errors = automem("fork", str(episode), "--step", "9", "--edit", f"codes.md={tmp_path / 'empty.md'}")
    assert code == 0, errors
    assert "forked from: 100.00 %" in printed
    forked = tmp_path / "run-fork-1" / "episodes" / "vault" / "three-doors" / "seed-4"
    assert lines_of(EpisodeFolder(forked))[:8] == lines_of(EpisodeFolder(episode))[:8]
    assert json.loads((forked / "origin.json").read_text())["edited"] == ["codes.md"]
    assert json.loads((forked / "episode.json").read_text())["progression"] < 1  # the codes were read before step 9
    assert (episode / "steps.jsonl.zst").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere", "--step", "3"], "holds no episode"),
        (["EPISODE", "--step", "99"], "from 1 to"),
        (["EPISODE", "--step", "2", "--edit", "codes.md"], "FILE=PATH"),
        (["EPISODE", "--step", "2", "--edit", "codes.md=/nowhere/x"], "cannot be read"),
        (["EPISODE", "--step", "2", "--scaffold", "crafter/v0"], "is for the world"),
    ],
)
def test_a_fork_that_cannot_be_made_says_why(automem: Run, tmp_path: Path, arguments: list[str], told: str) -> None:
    run = tmp_path / "run"
    automem("eval", "--world", "vault", "--model", "scripted", "--task", "one-door", "--seeds", "4", "--out", str(run))
    episode = str(run / "episodes" / "vault" / "one-door" / "seed-4")
    code, _, errors = automem("fork", *(episode if word == "EPISODE" else word for word in arguments))
    assert code == 2
    assert told in " ".join(errors.replace("│", " ").split())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_demo_compares_the_notebook_on_and_off_and_runs_loop_1(automem: Run, tmp_path: Path) -> None:
    settings = tmp_path / "demo.toml"
    settings.write_text(
        '[[play]]\nworld = "vault"\nseeds = [42]\nsteps = 40\n'
        '[evolve]\nworld = "vault"\nseeds = [1, 2]\nholdout_seeds = [3]\nsteps = 12\nattempts = 1\ncontinuations = 0\n'
    )
    given = ("demo", "--only", "play", "--only", "evolve", "--settings", str(settings), "--out", str(tmp_path / "demo"))
    code, printed, _ = automem(*given)
    assert code == 0, printed
    assert "no language model" in printed
    rows = [line.split("│")[0].strip() for line in printed.splitlines() if line.startswith("vault, ") and "│" in line]
    assert rows == ["vault, on", "vault, off"]
    assert re.search(r"^vault: progression [\d.]+ % with the notebook, [\d.]+ % without it", printed, re.MULTILINE)
    assert "one-door seed" not in printed, "no line for each episode that finished"
    assert "  list_files(" not in printed, "no line for each tool call"
    assert max(len(line.rstrip()) for line in printed.splitlines() if "│" in line) <= 80
    shown = next(line.split()[2] for line in printed.splitlines() if "automem replay" in line)
    assert (Path(shown) / "steps.jsonl.zst").is_file()
    assert "v1.a1" in printed
    assert "Loop 2" not in printed


def test_help_lists_every_command_without_importing_their_modules() -> None:
    rooms = {"graphs", "training", "traces", "chat_models", "scaffolds", "tools", "worlds", "memory_fs", "numpy"}
    program = f"""
import atexit, sys
from cli.commands import app
atexit.register(lambda: print(sorted({rooms} & set(sys.modules)), file=sys.stderr))
app(["--help"])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert [name for name in COMMANDS if f"│ {name} " not in ended.stdout] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command, entry = load(name), COMMANDS[name]
    assert entry.help == command.help
    assert (entry.go_on == "--resume") == ("resume" in [option.name for option in command.params])


def test_seeds_are_read_in_order() -> None:
    assert parse_seeds("42-44, 7,1") == [42, 43, 44, 7, 1]


def test_trace_prints_the_steps_asked_for_as_plain_json_and_says_what_is_wrong(automem: Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    automem("eval", "--world", "vault", "--model", "scripted", "--task", "one-door", "--seeds", "4", "--out", str(run))
    folder = EpisodeFolder(run / "episodes" / "vault" / "one-door" / "seed-4")
    code, printed, errors = automem("trace", str(folder.path), "--steps", "2-3")
    assert code == 0, errors
    lines = [json.loads(line) for line in printed.splitlines()]
    with TraceReader(folder) as reader:
        records = [reader.step(2), reader.step(3)]
        assert automem("trace", str(folder.path))[1].encode() == b"".join(lines_of(folder))
    assert [(one["step"], one["action"], one["observation"]) for one in lines] == [
        (one.step, one.action, one.observation) for one in records
    ]
    assert [one["messages"] for one in lines] == [[talk.messages for talk in one.conversations] for one in records]
    for wrong, says in (("0-2", "--steps 0-2 names others"), ("2-99", "names others"), ("x", 'not "x"')):
        code, printed, errors = automem("trace", str(folder.path), "--steps", wrong)
        assert (code, printed, says in errors) == (2, "", True), errors
    assert "holds no episode" in automem("trace", str(tmp_path))[2]
