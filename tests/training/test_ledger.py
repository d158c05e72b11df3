"""The ledger: appended line by line, read after any crash, shown as a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from training import TrainingError
from training.ledger import LedgerEntry, append, read, render
from training.recipe import LoraConfiguration

LORA = LoraConfiguration(rank=8, alpha=16, learning_rate=2e-4, cutoff=512, epochs=2)
BASE = LedgerEntry(run="base", iteration=0, role="base", progression={"default": {1: 0.1, 2: 0.3}})
FIRST = LedgerEntry(
    run="i1.c1",
    iteration=1,
    data_source="regenerate",
    configuration=LORA,
    examples=320,
    first_loss=2.0,
    last_loss=0.25,
    progression={"maze": {1: 0.0, 2: 1.0}, "corridor": {1: 0.5}},
    measures={"log_writes_per_search": 0.5},
    tokens=123_456,
    seconds=90.0,
    artifacts={"adapter": "adapters/i1.c1"},
    note="a note\x1b[31m",
)


def test_lines_are_kept_in_order_and_a_run_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.jsonl"
    assert read(path) == []
    for entry in (BASE, FIRST, BASE):
        append(path, entry)
    assert read(path) == [BASE, FIRST]
    assert path.read_text().count("\n") == 2


def test_a_torn_last_line_is_not_there_and_is_cut_off_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, BASE)
    whole = path.read_bytes()
    append(path, FIRST)
    for length in range(len(whole), len(path.read_bytes()), 40):
        torn = path.read_bytes()[:length]
        other = tmp_path / f"torn-{length}.jsonl"
        other.write_bytes(torn)
        assert read(other) == [BASE]
        append(other, FIRST)
        assert read(other) == [BASE, FIRST]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, BASE)
    path.write_text(path.read_text().replace('"iteration":0', '"iteration":-1'))
    with pytest.raises(TrainingError, match=r"ledger\.jsonl:1: not a valid line of a ledger \(iteration"):
        read(path)


def test_the_table_has_a_row_per_run_and_per_task() -> None:
    lines = render([BASE, FIRST]).splitlines()
    assert lines[0].split() == [
        *("run", "iteration", "role", "examples", "rank", "rate", "epochs", "loss", "progression", "(%)", "minutes")
    ]
    assert lines[2].split() == ["base", "0", "base", "0", *"–––––"[:3], "–", "20.00", "±", "7.07", "(n", "2)", "–"]
    assert lines[3].split()[:7] == ["i1.c1", "1", "specialist", "320", "8", "0.0002", "2"]
    assert "2.000 → 0.250" in lines[3]
    assert "50.00 ± 23.57 (n 3)" in lines[3]
    assert lines[3].endswith("1.5")
    assert [line.split()[0] for line in lines[4:6]] == ["maze", "corridor"]
    assert lines[6:] == ["  log_writes_per_search 0.5"]
    assert FIRST.mean == 0.5


def test_the_command_shows_it(tmp_path: Path) -> None:
    import typer

    from cli.ledger import ledger

    app = typer.Typer()
    app.command()(ledger)
    append(tmp_path / "ledger.jsonl", FIRST)
    shown = CliRunner().invoke(app, [str(tmp_path)])
    assert shown.exit_code == 0
    assert "i1.c1: regenerate; adapter adapters/i1.c1" in shown.output
    assert "\x1b" not in shown.output
    plain = CliRunner().invoke(app, [str(tmp_path), "--json"])
    assert LedgerEntry.model_validate_json(plain.output) == FIRST
    missing = CliRunner().invoke(app, [str(tmp_path / "other")])
    assert missing.exit_code == 2
    assert "holds no ledger" in " ".join(missing.output.replace("│", " ").split())
