"""automem lineage: the tree tells what was tried and what luck would do; nothing in it can steer the terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from finished_search import lay_out_finished
from PIL import Image
from rich.console import Console

from cli.lineage import FILE_BYTES, lineage, scaffold_diff
from cli.lineage_tree import print_tree, spent_words
from cli.version_chart import points_of
from graphs.reviewer.lineage import FILE, LineageRecord, read
from graphs.settings import SettingsError
from traces import RunFolder, TraceDamaged, write_run

Show = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    lay_out_finished(tmp_path / "evolve")
    return tmp_path / "evolve"


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    monkeypatch.setenv("COLUMNS", "150")

    def shown(*args: object, **options: object) -> str:
        lineage(*args, **options)  # type: ignore[arg-type]
        return capsys.readouterr().out

    return shown


def test_the_tree_shows_versions_attempts_scores_reasons_and_cost(run: Path, show: Show) -> None:
    printed = show(run)
    assert "played by scripted (no language model), reviewed by scripted (no language model), gate paired" in printed
    assert "v0  start  20.00 ± 5.00 %" in printed
    assert "v1.a1  rejected  18.00 ± 5.00 %" in printed
    assert "v1.a1.c1 → v1  accepted  31.00 ± 5.00 %" in printed
    assert "v2.a1  check failed  –" in printed
    assert "control of v1.a1: itself again  21.00 ± 5.00 %" in printed
    assert "vocabulary: log: +upsert_map" in printed
    assert "reviewer 12 calls, 34,000 tokens, $0.25, 3.1 min; player 400 calls, 900,000 tokens, 9.0 min" in printed
    indents = {
        name: printed.index(name) - printed.rindex("\n", 0, printed.index(name)) for name in ("v1.a1.c1", "v2.a1")
    }
    assert indents["v2.a1"] > indents["v1.a1.c1"]


def test_the_outcome_is_told_on_both_kinds_of_seeds_and_beside_luck(run: Path, show: Show) -> None:
    printed = show(run)
    gained = "v1 is +11.00 points from v0 on the gate seeds, where it was chosen; +5.00 on the hold-out seeds"
    assert f"{gained} (-2.00 to +12.00, each end at 95 %)." in " ".join(printed.split())
    assert "Keeping any higher mean, noise alone would be expected to show" in printed
    assert re.search(r"v1 +│ v1\.a1\.c1 +│ 31\.00 ± 5\.00 % │ 27\.00 ± 5\.00 %", printed)
    assert "spent in all: reviewer 36 calls, 102,000 tokens, $0.75" in printed
    assert "ended: Every attempt was made. Best: v1." in printed


def test_what_arms_spent_is_in_the_sum_and_a_damaged_file_of_theirs_hides_nothing_else(run: Path, show: Show) -> None:
    arm = RunFolder(run / "controls" / "off")
    write_run(arm, {})
    (arm.path / "clock.json").write_text('{"minutes": 7.5}')
    before, after = "player 800 calls, 1,800,000 tokens, 18.0 min", "player 800 calls, 1,800,000 tokens, 25.5 min"
    assert after in show(run)
    (arm.path / "clock.json").write_text("{}")
    printed = show(run)
    assert before in printed
    assert "clock.json" in printed
    assert "What the arms with other notebooks spent is left out." in printed


def test_what_models_wrote_is_bounded_and_cannot_steer_the_terminal(run: Path, show: Show) -> None:
    printed = show(run) + show(run, diff="v1")
    assert "\x1b[31m" not in printed
    assert "\u202e" not in printed
    assert "[bold]told[/bold] by a model ␛[31m<U+202E>" in printed
    assert len(printed) < 12_000


def test_a_search_under_way_says_so(run: Path, show: Show) -> None:
    lines = (run / FILE).read_text().splitlines(keepends=True)
    (run / FILE).write_text("".join(lines[:2]))
    assert "has not ended" in show(run)
    (run / FILE).unlink()
    assert "not been evaluated yet" in show(run)


@pytest.mark.parametrize("name", ["v1", "v1.a1.c1"])
def test_the_diff_is_against_the_parent(run: Path, show: Show, name: str) -> None:
    printed = show(run, diff=name)
    assert "+++ prompts/log.md" in printed
    assert "+Write only what lasts. ␛[31m" in printed
    assert "+Says less." in printed
    assert "system.md" not in printed


def test_a_candidate_that_changed_nothing_has_no_diff(run: Path, show: Show) -> None:
    assert "v1.a1 does not differ from its parent." in show(run, diff="v1.a1")


@pytest.mark.parametrize(("name", "why"), [("v7", "it has v0, v1, v1.a1, v1.a1.c1, v2.a1"), ("v0", "no parent")])
def test_a_diff_that_cannot_be_is_our_error(run: Path, name: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        lineage(run, diff=name)


def test_a_folder_without_a_search_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no search"):
        lineage(tmp_path)


def test_a_damaged_lineage_is_named(run: Path) -> None:
    with (run / FILE).open("a") as file:
        file.write("{}\n")
    with pytest.raises(TraceDamaged, match=FILE):
        lineage(run)


def test_a_diff_follows_no_link_opens_no_pipe_and_reads_no_flood(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    (after / "link.md").symlink_to("/etc/passwd")
    (after / "folder").symlink_to("/etc")
    os.mkfifo(after / "pipe")
    (after / "flood.md").write_text("x" * (FILE_BYTES + 1))
    (after / "binary").write_bytes(b"\xff\x00\x1b[2J")
    (after / "line.md").write_text("y" * 5_000)
    shown = "\n".join(scaffold_diff(before, after))
    assert "+(a link to /etc/passwd)" in shown
    assert "+(a link to /etc)" in shown
    assert "+(no plain file)" in shown
    assert "too large to compare" in shown
    assert "root:" not in shown
    assert "\x1b" not in shown
    assert len(shown) < 3_000


def test_a_diff_tells_an_empty_file_and_a_missing_line_end(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    (before / "same.md").write_text("one\n")
    (after / "same.md").write_text("one")
    (before / "gone.md").touch()
    (after / "new.md").touch()
    shown = scaffold_diff(before, after)
    assert shown[:2] == ["--- parent/gone.md (empty)", "+++ new.md (empty)"]
    assert shown[-1] == "+\\ No newline at end of file"


def test_the_chart_is_a_picture_with_a_light_background(run: Path, show: Show, tmp_path: Path) -> None:
    picture = tmp_path / "chart.png"
    assert str(picture) in show(run, png=picture)
    image = Image.open(picture).convert("RGB")
    assert min(image.size) > 400
    edge = [image.getpixel((x, y)) for x in range(image.width) for y in (0, image.height - 1)]
    assert set(edge) == {(255, 255, 255)}  # nothing is cut off above or below
    assert len(image.getcolors(1 << 24) or []) > 20


def test_the_chart_tells_kept_rejected_control_and_hold_out_apart(run: Path) -> None:
    places = {(point.series, point.name): point.at for point in points_of(read(run))}
    assert places["kept", "v0"] == 0
    assert places["kept", "v1.a1.c1"] == 1
    assert 0 < places["not kept", "v1.a1"] < places["control: the incumbent again", "v1.a1"] < 1
    assert places["hold-out seeds", "holdout v1"] == 1
    assert ("not kept", "v2.a1") not in places  # it was never evaluated


def test_a_chart_of_nothing_or_to_nowhere_is_our_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        lineage(run, png=tmp_path / "missing" / "chart.png")
    (run / FILE).unlink()
    with pytest.raises(SettingsError, match="no score"):
        lineage(run, png=tmp_path / "chart.png")


def test_a_tree_of_many_attempts_is_printed_in_order() -> None:
    records = [LineageRecord(name="v0", kind="start", version=0, status="start")]
    for version in range(1, 6):
        for attempt in range(1, 4):
            number = version if attempt == 3 else None
            status = "accepted" if number else "crashed"
            records.append(
                LineageRecord(
                    name=f"v{version}.a{attempt}",
                    kind="attempt",
                    parent=f"v{version - 1}",
                    version=number,
                    status=status,  # type: ignore[arg-type]
                )
            )
    console = Console(width=120, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    print_tree(console, records, "a search", {})
    console.file.close()
    text = console.export_text()
    names = [f"v{version}.a{attempt}" for version in range(1, 6) for attempt in range(1, 4)]
    assert [text.index(name) for name in names] == sorted(text.index(name) for name in names)


def test_what_cost_nothing_is_not_listed() -> None:
    assert spent_words({}) == "nothing"
    assert spent_words({"reviewer": {}, "player": {"calls": 2.0}}) == "player 2 calls, 0.0 min"


def test_the_command_takes_a_run_folder() -> None:
    app = typer.Typer()
    app.command()(lineage)
    from typer.testing import CliRunner

    assert CliRunner().invoke(app, ["--help"]).exit_code == 0
