"""automem play on a real terminal: keys, signals, and the terminal given back in whatever way it ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_stub import OpenAIStub, late, status
from playing import by_turn
from pty_screen import PtyScreen

from traces import EpisodeFolder, TraceReader

AUTOMEM = str(Path(sys.executable).with_name("automem"))
EPISODE = Path("episodes/vault/three-doors/seed-4")
PLAY = (AUTOMEM, "play", "--world", "vault", "--task", "three-doors", "--seed", "4")
AGENT = by_turn(
    {
        ("LOG", 0): "<|APPEND|>codes.md|waited once more<|END|>\n<|DONE|>",
        ("PLAN", 0): "I look it up. <|SEARCH|>codes.md|waited<|END|>",
        ("PLAN", 1): "<|ACTION|>Wait<|END|>",
    }
)
"""Two calls in the first step and three in each later one."""


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub(AGENT) as stub:
        yield stub


def given_back(terminal: PtyScreen) -> bool:
    """Whether the terminal is as it was before: settings, the usual screen, a cursor, lines that wrap."""
    ended = terminal.output.rfind(b"\x1b[?1049l")
    shown, wraps = terminal.output.rfind(b"\x1b[?25h"), terminal.output.rfind(b"\x1b[?7h")
    entered = terminal.output.rfind(b"\x1b[?1049h")
    return bool(terminal.settings == terminal.before) and min(ended, shown, wraps) > entered >= 0


def test_pause_step_look_and_quit(tmp_path: Path, server: OpenAIStub) -> None:
    out = tmp_path / "run"
    served = ("--model", "vllm:m", "--base-url", server.url, "--delay", "1000", "--out", str(out))
    with PtyScreen([*PLAY, *served]) as terminal:
        terminal.wait_for("step 1/100")
        terminal.wait_for("ACT   Wait")
        assert terminal.settings != terminal.before
        terminal.type("n")  # the long delay is cut short
        terminal.wait_for("PAUSED")
        terminal.wait_for("step 2/100")
        terminal.read(0.4)
        assert len(server.bodies) == 5  # nothing is asked while paused
        terminal.type("n")
        terminal.wait_for("── step 3")
        terminal.wait_for("PAUSED")
        assert len(server.bodies) == 8
        server.default = late(0.6, AGENT)
        terminal.type("n")
        terminal.wait_for("waiting for the model")
        terminal.type(" ")  # in the middle of a call
        terminal.wait_for("PAUSING")
        terminal.wait_for("PAUSED")
        terminal.read(0.4)
        assert len(server.bodies) == 9
        terminal.type("1")
        assert "waited once more" in terminal.wait_for("codes.md: lines 1–1 of 1")
        terminal.type("q")
        terminal.wait_for("q quit")
        terminal.type("q")
        assert terminal.wait() == 0
        assert given_back(terminal)
        assert f"go on with: automem play --episode {out / EPISODE}" in terminal.output.decode()
    with TraceReader(EpisodeFolder(out / EPISODE)) as reader:
        assert [step.step for step in reader] == [1, 2, 3]
    assert (out / EPISODE / "memory" / "codes.md").read_text() == "waited once more\n"


def test_an_episode_that_ends_stays_on_the_screen_until_the_watcher_leaves(tmp_path: Path) -> None:
    with PtyScreen([*PLAY, "--delay", "0", "--out", str(tmp_path / "run")], columns=80, rows=24) as terminal:
        terminal.wait_for("ENDED solved")
        terminal.type("v")
        terminal.wait_for("Doors opened: 3 of 3")
        terminal.program.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
        assert given_back(terminal)
        assert "ended (solved): " in terminal.output.decode()


def test_a_signal_gives_the_terminal_back_and_leaves_the_episode_to_be_continued(
    tmp_path: Path, server: OpenAIStub
) -> None:
    server.default = late(30, AGENT)
    served = ("--model", "vllm:m", "--base-url", server.url, "--out", str(tmp_path / "run"))
    with PtyScreen([*PLAY, *served]) as terminal:
        terminal.wait_for("waiting for the model")
        terminal.program.send_signal(signal.SIGTERM)
        assert terminal.wait() == 143
        assert given_back(terminal)
        assert "go on with: automem play --episode" in terminal.output.decode()


def test_a_machines_failure_gives_the_terminal_back_and_is_one_line(tmp_path: Path, server: OpenAIStub) -> None:
    server.script(AGENT, AGENT, status(401, "no such key \x1b[2J"))
    served = ("--model", "vllm:m", "--base-url", server.url, "--delay", "0", "--out", str(tmp_path / "run"))
    with PtyScreen([*PLAY, *served]) as terminal:
        assert terminal.wait() == 1
        assert given_back(terminal)
        told = terminal.output.decode().rpartition("\x1b[?1049l")[2].strip().splitlines()
        assert len(told) == 1
        assert told[0].startswith("automem: ")
        assert "no such key ␛[2J" in told[0]


CRASHING = """
import cli.play_live
def broken(*arguments): raise ZeroDivisionError("a bug of ours")
cli.play_live.compose = broken
from cli.app import main
main()
"""


def test_a_crash_gives_the_terminal_back_before_it_is_told(tmp_path: Path) -> None:
    with PtyScreen([sys.executable, "-c", CRASHING, *PLAY[1:], "--out", str(tmp_path / "run")]) as terminal:
        assert terminal.wait() == 1
        assert given_back(terminal)
        told = terminal.output.decode().rpartition("\x1b[?1049l")[2]
        assert "ZeroDivisionError: a bug of ours" in told
