"""What the tests of commands share."""

import pytest
from in_process import Run, in_process


@pytest.fixture
def automem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: (exit status, stdout, stderr)."""
    return in_process(monkeypatch, capsys)
