"""automem play as plain lines: over a pipe, left and gone on with, and how it ends when something is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_process import Run
from openai_stub import OpenAIStub, status
from PIL import Image
from playing import Reply, by_turn

from cli.tiles import FrameFiles
from traces import EpisodeFolder, TraceReader
from worlds import make_world

AUTOMEM = str(Path(sys.executable).with_name("automem"))
EPISODE = Path("episodes/vault/three-doors/seed-4")
VAULT = ("--world", "vault", "--task", "three-doors", "--seed", "4")
WAITING: dict[tuple[str, int], Reply] = {
    ("LOG", 0): "<|APPEND|>codes.md|waited once more<|END|>\n<|DONE|>",
    ("PLAN", 0): "I look it up. <|SEARCH|>codes.md|waited<|END|>",
    ("PLAN", 1): "<|ACTION|>Wait<|END|>",
}
"""A player of two calls in the first step and three in each later one, who only waits."""


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub(by_turn(WAITING)) as stub:
        yield stub


def served(server: OpenAIStub) -> tuple[str, ...]:
    return (*VAULT, "--model", "vllm:m", "--base-url", server.url)


def everything(run: Path) -> dict[str, Any]:
    """What an episode did, without times."""
    folder = EpisodeFolder(run / EPISODE)
    with TraceReader(folder) as reader:
        steps = [(s.step, s.observation, s.action, s.reward, s.revision, s.tokens, s.model_calls) for s in reader]
    notebook = {path.name: path.read_text() for path in folder.memory.iterdir()}
    return {"steps": steps, "notebook": notebook, "journal": folder.journal.read_text()}


# Plain lines


def test_frames_are_pictures_of_every_step_and_change_nothing(automem: Run, tmp_path: Path) -> None:
    plain, drawn, frames = tmp_path / "plain", tmp_path / "drawn", tmp_path / "a" / "frames"
    automem("play", *VAULT, "--steps", "3", "--out", str(plain))
    automem("play", *VAULT, "--steps", "2", "--out", str(drawn), "--frames", str(frames))
    assert [path.name for path in sorted(frames.iterdir())] == [f"step-{step:06}.png" for step in (1, 2, 3)]
    first = {path.name: path.read_bytes() for path in frames.iterdir()}
    automem("play", "--episode", str(drawn / EPISODE), "--steps", "1", "--frames", str(frames), "--tiles")
    assert len(list(frames.iterdir())) == 4
    assert {name: (frames / name).read_bytes() for name in first} == first  # step 3 was drawn twice, and alike
    assert everything(drawn) == everything(plain)
    assert all(picture.startswith(b"\x89PNG") for picture in first.values())


def test_tiles_are_drawn_where_a_world_has_them(tmp_path: Path) -> None:
    shapes = {}
    for tiles in (False, True):
        world = make_world("nethack")
        world.reset(seed=42)
        FrameFiles(tmp_path, tiles=tiles).write(world, 7)
        world.close()
        with Image.open(tmp_path / "step-000007.png") as picture:
            shapes[tiles] = picture.size
    assert shapes == {False: (800, 456), True: (1264, 432)}


def test_frames_that_cannot_be_written_end_the_play_in_one_line(automem: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, errors = automem(
        *("play", *VAULT, "--out", str(tmp_path / "run"), "--frames", str(tmp_path / "file" / "frames"))
    )
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert f"cannot write the frame {tmp_path}/file/frames/step-000001.png: Not a directory" in errors


def test_over_a_pipe_each_step_is_a_short_block_without_control_codes(tmp_path: Path) -> None:
    command = [AUTOMEM, "play", *VAULT, "--steps", "8", "--out", str(tmp_path / "run")]
    forced = {**os.environ, "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=forced)
    assert ended.stderr == ""
    assert all(line.isprintable() and len(line) <= 300 for line in ended.stdout.splitlines())
    lines = ended.stdout.splitlines()
    assert [line for line in lines if line.startswith("step ")] == [f"step {n}" for n in range(1, 9)]
    assert any(re.match(r"  LOG   APPEND codes.md\|.* → written", line) for line in lines)
    assert "  notes codes.md 1 line (+1)" in lines
    assert any(re.match(r"  memory .*answers \d+% of prompts", line) for line in lines)
    assert sum(line.startswith("  ACT   ") for line in lines) == 8
    assert lines[-2].startswith("left: 8 steps, progression 0.0 %")
    assert lines[-1] == f"go on with: automem play --episode {tmp_path}/run/{EPISODE}"
    most = max(len(block.splitlines()) for block in ended.stdout.split("\nstep "))
    assert most <= 9


def test_a_reader_who_leaves_ends_the_play_without_a_traceback(tmp_path: Path) -> None:
    play = f"'{AUTOMEM}' play {' '.join(VAULT)} --delay 0.2 --out '{tmp_path}/run' | head -2"
    ended = subprocess.run(["bash", "-c", play], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("step 1\n")
    assert ended.stderr == ""
    assert (tmp_path / "run" / EPISODE / "steps.jsonl.zst").exists()


def test_an_episode_that_was_left_goes_on_like_an_undisturbed_one(automem: Run, tmp_path: Path) -> None:
    whole, parts, mixed = tmp_path / "whole", tmp_path / "parts", tmp_path / "mixed"
    seed = ("--world", "vault", "--task", "three-doors", "--seeds", "4", "--model", "scripted")
    automem("eval", *seed, "--out", str(whole))
    for run in (parts, mixed):
        assert automem("play", *VAULT, "--steps", "9", "--out", str(run))[0] == 0
    code, printed, errors = automem("play", "--episode", str(parts / EPISODE))
    assert (code, errors) == (0, f"automem: resuming {parts / EPISODE}\n")
    assert printed.startswith("step 10\n")
    assert f"ended (solved): {len(everything(whole)['steps'])} steps, progression 100.0 %" in printed
    assert automem("eval", *seed, "--resume", "--out", str(mixed))[0] == 0
    assert everything(parts) == everything(whole) == everything(mixed)
    assert json.loads((parts / EPISODE / "episode.json").read_text())["status"] == "finished"
    code, printed, _ = automem("play", "--episode", str(parts / EPISODE))
    assert code == 0
    assert printed.startswith("This episode is finished (solved)")


def test_a_machines_failure_is_one_line_and_the_episode_goes_on_later(
    automem: Run, tmp_path: Path, server: OpenAIStub
) -> None:
    run = tmp_path / "run"
    assert automem("play", *served(server), "--steps", "2", "--out", str(run))[0] == 0
    server.script(status(401, "no such key \x1b[2J\u202e"))
    code, printed, errors = automem("play", "--episode", str(run / EPISODE))
    assert code == 1
    assert printed.startswith("step 3\n")
    assert len(errors.splitlines()) == 2  # taking up …, and the failure
    assert errors.splitlines()[1].isprintable()
    assert f"go on with: automem play --episode {run / EPISODE}" in errors
    assert (run / EPISODE / "failure.json").exists()
    with OpenAIStub(by_turn(WAITING)) as elsewhere:
        code, printed, _ = automem("play", "--episode", str(run / EPISODE), "--steps", "1", "--base-url", elsewhere.url)
    assert code == 0
    assert "left: 3 steps" in printed
    assert not (run / EPISODE / "failure.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--world", "volt"], "vault"),
        (["--world", "vault", "--task", "one-dor"], "one-door"),
        (["--model", "gpt"], "gpt"),
        (["--delay", "-1"], "--delay"),
        (["--gameplay-base-url", "http://x/v1"], "--gameplay-model"),
        (["--tiles"], "--frames"),
        (["--episode", "nowhere"], "holds no episode"),
        (["--episode", "BEGUN", "--seed", "5"], "leave out --seed"),
        (["--episode", "BEGUN", "--max-steps", "5"], "leave out --max-steps"),
        (["--out", "RUN"], "give --episode to go on"),
    ],
)
def test_bad_input_ends_in_one_clear_line_and_status_2(
    automem: Run, tmp_path: Path, arguments: list[str], told: str
) -> None:
    run = tmp_path / "run"
    automem("play", *VAULT, "--steps", "1", "--out", str(run))
    before = sorted(tmp_path.rglob("*"))
    words = [word.replace("BEGUN", str(run / EPISODE)).replace("RUN", str(run)) for word in arguments]
    given = words if {"--episode", "--out"} & set(words) else [*words, "--out", str(tmp_path / "other")]
    code, printed, errors = automem("play", *given)
    assert (code, printed) == (2, "")
    assert told in " ".join(errors.replace("│", " ").split())
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_line_draws_nothing_before_it_must() -> None:
    heavy = ("numpy", "rich.live", "rich.layout", "cli.play_screen", "cli.tiles", "cli.watched")
    program = f"import sys; from cli.commands import app; print(sorted(set({heavy}) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
