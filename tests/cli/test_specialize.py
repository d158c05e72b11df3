"""automem specialize: what a person sees of a run of loop 2, and how it ends."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from specializing import RECIPE, ROOT, small_scaffold
from tiny_model import make_adapter, make_tiny_model
from typer.testing import CliRunner, Result

from cli.commands import app
from cli.specialize import seeds_or_number, words
from cli.specialize_lines import print_final
from graphs.settings import SettingsError


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("specialize")
    tiny = make_tiny_model(folder / "base")
    adapter = make_adapter(folder / "adapter", tiny)
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE.replace("= 8\n[[", "= 4\n[["))
    quick = ROOT / "tests" / "kit" / "quick_training.py"
    return [
        *("--world", "vault", "--task", "one-door", "--scaffold", str(small_scaffold(folder / "scaffold"))),
        *("--base", f"embedded+weights={tiny}+dtype=float32+tokens=2", "--recipe", str(recipe)),
        *("--launcher", shlex.join([sys.executable, str(quick), str(adapter), "works"])),
        *("--gameplay-model", "scripted", "--max-steps", "9", "--iterations", "1"),
        *("--train-seeds", "1,2", "--validation-seeds", "11", "--eval-seeds", "21"),
    ]


def run(options: list[str], out: Path, *more: str, answers: str | None = None) -> Result:
    return CliRunner(env={"PYTHONPATH": str(ROOT), "COLUMNS": "150"}).invoke(
        app, ["specialize", *options, "--out", str(out), *more], input=answers
    )


def test_a_run_is_shown_as_it_goes_and_ends_in_a_table(options: list[str], tmp_path: Path) -> None:
    shown = run(options, tmp_path / "run", "--notebook-arms", "off")
    assert shown.exit_code == 0, shown.output
    said = shown.output
    for part in (
        "scripted (no language model) plays vault, scripted (no language model) curates",
        "seeds: 2 train, 1 validation, 1 final",
        "warning: The traces are those of scripted (no language model)",
        "candidates: ",
        "  candidates_overview() → ",
        "certified: ",
        "  1a: rank 4, learning rate 0.01",
        "1a: embedded+1/adapters/a + scripted (no language model) playing 1 episode",
        "The only iteration is over. On 1 validation episode the best specialist, 1a, reached ",
        "best: 1a, ",
        "Seeds never played before, 1 episode a player; winner 1a",
        "curated by scripted (no language model), traces of scripted (no language model)",
        f"automem ledger {tmp_path / 'run'} shows how it came about",
        "final specialist: embedded",
    ):
        assert part in said, part
    compared = [row for row in said.splitlines() if row.startswith(("on  ", "off "))]
    assert [row.split()[0] for row in compared] == ["on", "off"]
    assert sum(row == "arm off" for row in said.splitlines()) == 1

    again = run(options, tmp_path / "run", "--resume", "--notebook-arms", "off").output.splitlines()
    assert "arm off" not in again
    assert [row for row in again if row.startswith(("on  ", "off "))] == compared


def test_the_final_table_fits_80_columns_and_says_what_its_seeds_show(capsys: pytest.CaptureFixture[str]) -> None:
    base = {
        **{"player": "base-handoff", "memory": "vllm:[/m]", "gameplay": "scripted", "mean": 0.2, "standard_error": 0.1},
        **{"episodes": 1, "measures": {}, "difference": None, "interval": None, "chance": None, "failed": 0},
    }
    adapter = "embedded+tokens=40+adapter=/runs/a-long-folder/of/a-run/iterations/12/adapters/a"
    better = {**base, "player": "specialist", "memory": adapter, "mean": 1.0, "standard_error": 0.0, "difference": 0.8}
    found: dict[str, Any] = {"winner": "12a", "curated_by": "scripted", "traces_played_by": "scripted"}

    def shown(episodes: int, interval: tuple[float, float], **more: object) -> str:
        rows = [{**base, "episodes": episodes}, {**better, "episodes": episodes, "interval": interval, **more}]
        print_final(Console(width=80), {**found, "rows": rows})
        return capsys.readouterr().out

    one = shown(1, (-1.0, 1.0))
    assert "1 episode cannot show whether it differs from the base: the interval holds 0; so few give no" in one
    assert "specialist: memory embedded+12/adapters/a, actions scripted (no language model)" in one
    assert "base-handoff: memory vllm:[/m], " in one
    table = [line.rstrip() for line in one.splitlines() if "┃" in line or "│" in line]
    assert len(table) == 2 + 2, "two lines of headings, one line a player"
    assert max(map(len, table)) <= 80
    assert "specialist: better than the base on seeds like these 5" in shown(5, (0.2, 1.0))
    assert "specialist: worse than the base" in shown(9, (-0.5, -0.1), mean=0.1, difference=-0.1)
    assert "3 failed, as 0" in shown(10, (-0.5, 0.5), failed=3)
    assert "the selection" not in one
    found["selection"] = {"difference": 0.625, "interval": [0.5, 0.75], "chance": 0.001, "better": 25, "worse": 0}
    said = (
        "the selection: specialist less random-turns +62.50 %, +50.00 … +75.00: the interval leaves out 0; better on 25"
    )
    assert said in shown(40, (0.7, 0.9))


def test_a_person_answers_at_the_terminal_and_quiet_leaves_warnings_questions_and_results(
    options: list[str], tmp_path: Path
) -> None:
    waits = run(options, tmp_path / "run", "--approve", "--quiet", answers="perhaps\n")
    assert "candidates_overview" not in waits.output
    assert "warning: " in waits.output
    assert waits.exit_code == 3
    assert "Train iteration 1 of 1?" in waits.output
    assert "neither yes nor no" in waits.output
    # It goes on asking, as it was begun.
    done = run(options, tmp_path / "run", "--resume", "--quiet", answers="yes\nyes\n")
    assert done.exit_code == 0, done.output
    assert "base-handoff" in done.output
    assert "Play the final table" in done.output
    assert "best: 1a" in done.output


def test_what_the_machine_broke_can_be_gone_on_with(options: list[str], tmp_path: Path) -> None:
    broken = [word.replace(" works", " breaks") for word in options]
    halted = run(broken, tmp_path / "run")
    assert halted.exit_code == 1
    assert "The memory is too small" in halted.output
    assert "--resume goes on" in halted.output
    assert run(options, tmp_path / "run", "--resume").exit_code == 0


def test_seeds_that_overlap_are_refused_in_one_sentence(options: list[str], tmp_path: Path) -> None:
    refused = run(options, tmp_path / "run", "--validation-seeds", "2,3")
    assert isinstance(refused.exception, SettingsError)
    assert "The seed 2 is both a train and a validation seed" in str(refused.exception)


def test_seeds_are_named_or_drawn() -> None:
    assert seeds_or_number("random:100") == 100
    assert seeds_or_number("1-3,7") == [1, 2, 3, 7]
    assert words('--batching "grouped" --x') == ["--batching", "grouped", "--x"]
    for wrong in ("random:", "random:-1", "some"):
        with pytest.raises(typer.BadParameter):
            seeds_or_number(wrong)
