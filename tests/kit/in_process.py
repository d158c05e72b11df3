"""A command of automem run in the process of the tests, its output no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from cli import stopping
from cli.app import main

Run = Callable[..., tuple[int, str, str]]
"""Takes a command's words, gives its exit status, stdout and stderr."""


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What runs commands, for the length of a test."""

    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["automem", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            stopping.remove()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
