"""automem report: figures of runs beside the published ones, told honestly; same input, same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from playing import play, steps_of
from report_runs import lay_out_run
from trace_files import effect_of
from typer.testing import CliRunner

from cli.commands import app
from cli.report import build, report
from cli.report_page.entries import read_runs
from cli.report_page.pairs import compare
from cli.report_page.writing import to_html, to_markdown
from graphs.settings import SettingsError
from traces import METRICS_VERSION, RunFolder
from traces.effects import write_effect
from traces.report_data import read_played, short_model

SEEDS = range(42, 48)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    before = {("default", seed): 0.25 for seed in SEEDS}
    after: dict[tuple[str, int], float | None] = {pair: 0.25 + 0.05 * (pair[1] - 41) for pair in before}
    after["default", 47] = None
    return [
        lay_out_run(folder / "v0", before, world="crafter", model="vllm:Qwen", protocol="paper", cost=0.5),
        lay_out_run(
            folder / "v1",
            after,
            world="crafter",
            model="vllm:Qwen",
            gameplay_model="scripted",
            fates={("default", 42): "failed"},
            metrics={"empty_search_rate": 0.25},
            servers={
                "http://a/v1": {"calls": 9, "prompt": 90, "completion": 30, "cached": 45, "seconds": 2.0, "errors": 0},
                "http://b/v1": {
                    **{"calls": 1, "prompt": 10, "completion": None, "cached": None, "seconds": 0.5, "errors": 3}
                },
            },
        ),
        lay_out_run(folder / "old", {("a", 1): 0.0, ("b", 1): 1.0}, metrics={"metrics_version": METRICS_VERSION - 1}),
        lay_out_run(folder / "new", {("a", 1): 1.0, ("b", 1): 1.0}, max_steps=50),
    ]


@pytest.fixture(scope="module")
def out(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "report"
    report(runs, out)
    return out


@pytest.fixture(scope="module")
def told(out: Path) -> str:
    return (out / "report.md").read_text()


def rows(told: str, name: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith(f"| {name}")]


def test_published_rows_stand_below_ours_and_are_called_so(told: str) -> None:
    table = told[told.index("### Progression") : told.index("## World")]
    groups = re.findall(r"\*\*(ours|published)", table)
    assert groups == ["ours", *["published"] * 4]
    assert "| AutoMem + loop 1 | 47.27 ± 2.05 |  |" in table
    assert table.index("| v1<br>") < table.index("**published")
    assert "comparable in kind, not like for like" in table
    assert "Nothing is published for: vault." in table
    assert "on the paper's protocol" in rows(table, "v0<br>")[0]
    assert "not on the paper's protocol" in rows(table, "v1<br>")[0]


def test_a_failure_is_told_with_both_means_and_its_cause(told: str) -> None:
    row = rows(told, "v1<br>")[0]
    assert "42.50 ± 2.80" in row
    assert "4 episodes + 1 failed" in row
    assert "34.00 ± 7.92 with failed as 0" in row
    assert "v1: default, seed 42 failed at step 101 (LOG): the server is away" in told


def test_who_played_and_what_is_still_missing_stands_before_the_first_figure(told: str) -> None:
    before = told[: told.index("## Results")]
    assert "rules, no language model" in before
    assert "- v1 (in part)" in before
    assert "- old\n" in before
    assert "- v0" not in before
    assert "v1: 1 of 6 episodes not ended" in before


def test_differences_are_paired_with_the_first_run_over_the_pairs_both_ended(told: str) -> None:
    row = rows(told, "v1 minus v0")[0]
    assert "1 pair left out" in row
    assert "| +9.00<br><sub>+17.50 without the 1 pair with a failure</sub> |" in row
    assert "| −25.00 … +25.00 |" in row
    assert "| 4 / 1 / 0 |" in row
    assert "different protocols: paper and None" in row
    assert "| default, seed 46 | 25.00 | 50.00 | +25.00 |" in told


def test_measured_operations_are_counted_by_verdict_with_their_share(tmp_path: Path) -> None:
    seeds = {("default", 1): 0.5, ("default", 2): 0.5}
    run = lay_out_run(tmp_path / "measured", seeds, world="crafter", metrics={"writes": 10, "recalls_per_step": 0.5})
    folder = RunFolder(run).episode("crafter", "default", 1)
    for step, low, high in ((3, -0.2, -0.1), (5, -0.2, 0.1), (5, 0.1, 0.2), (9, 0.0, 0.0)):
        write_effect(folder, effect_of(step, low=low, high=high))
    write_effect(folder, effect_of(7, low=0.1, high=0.2, kind="recall"))
    page = to_markdown(build([run], str))
    shares = ("3<br><sub>15.0 %</sub>", *["1<br><sub>5.0 %</sub>"] * 3, "0<br><sub>0.0 %</sub>")
    assert rows(page, "measured | writes |") == [f"| measured | writes | 20 | {' | '.join(shares)} |"]
    assert rows(page, "measured | recalls |")[0].startswith("| measured | recalls | 100 | 1<br><sub>1.0 %</sub>")
    assert "Effects of memory operations" not in to_markdown(build([lay_out_run(tmp_path / "other", seeds)], str))


def test_every_dot_of_a_figure_leads_to_what_it_stands_for(runs: list[Path]) -> None:
    pictures = {one.name: one for one in build(runs, str).pictures}
    ours, strips = pictures["world-1-progression"], pictures["world-1-paired"]
    assert [spot.address.rpartition("/run/")[2] for spot in ours.spots] == ["v0", "v1"]
    episodes = [f"v1/episodes/crafter/default/seed-{seed}" for seed in range(42, 47)]
    assert [spot.address.rpartition("/run/")[2] for spot in strips.spots] == episodes
    assert strips.spots[0].name == "default, seed 42 of v1: −25.00 points"
    for one in (ours, strips):
        drawn = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', one.svg.decode())
        places = {(round(float(x), 1), round(float(y), 1)) for x, y in drawn}
        assert {(round(spot.x, 1), round(spot.y, 1)) for spot in one.spots} <= places
    page = to_html(build(runs[:2], str))
    for spot in strips.spots:
        assert f'<a href="{spot.address}" tabindex="-1"><circle cx="{spot.x}" cy="{spot.y}"' in page


def test_too_few_pairs_tell_no_interval(told: str) -> None:
    row = rows(told, "new minus old")[0]
    assert "too few pairs" in row
    assert "different step limits: 300 and 50" in row


def test_different_definitions_are_said_and_never_drawn_together(told: str, out: Path) -> None:
    assert f"- metrics version {METRICS_VERSION - 1}: old" in told
    assert f"Metrics version {METRICS_VERSION - 1}, which is not today's ({METRICS_VERSION})" in told
    for version in (METRICS_VERSION - 1, METRICS_VERSION):
        assert (out / "figures" / f"world-2-metrics-{version}-empty-search-rate.svg").exists()
    crafter = told[told.index("## World: crafter") : told.index("## World: vault")]
    assert "25.0 ± 0.0 %<br><sub>−50 %</sub>" in crafter
    assert "Published: −13 to −50 %" in crafter
    assert "0.84 → 0.39" in crafter


def test_cost_is_told_and_a_missing_price_is_no_zero(told: str) -> None:
    assert "| v0 | 600 | 2,400 | 6,000 | 25 % | 300 | 3.00 | 6.0 |" in told
    assert "| v1 | 500 | 2,000 | 5,000 | 25 % | 250 | – | 5.0 |" in told


def test_every_figure_is_there_as_svg_and_png_and_the_page_needs_no_file(told: str, out: Path) -> None:
    named = re.findall(r"!\[[^\]]*\]\((figures/[\w.-]+)\)", told)
    assert len(named) > 10
    for name in named:
        with Image.open(out / name) as image:
            assert min(image.size) > 200
        assert (out / name).with_suffix(".svg").read_text().startswith("<?xml")
    page = (out / "report.html").read_text()
    assert page.count('src="data:image/svg+xml;base64,') == page.count("<img") == len(named)
    ours = r'href="http://127\.0\.0\.1:8321/run/[^"]*"'  # automem view, on this machine
    assert re.search(ours, page)
    assert "http" not in re.sub(rf'http-equiv|src="data:[^"]*"|{ours}', "", page)


def test_the_same_run_gives_the_same_bytes_in_another_process(runs: list[Path], tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    report([runs[3]], here)
    program = "import sys, pathlib; from cli.report import report;"
    program += "report([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    words = [sys.executable, "-c", program, str(runs[3]), str(there)]
    subprocess.run(words, check=True, cwd=ROOT, env=environment, capture_output=True)
    files = {path.relative_to(here): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert len(files) > 10
    assert files == {path.relative_to(there): path.read_bytes() for path in there.rglob("*") if path.is_file()}


def test_a_row_without_shared_seeds_is_compared_with_none(tmp_path: Path) -> None:
    one = lay_out_run(tmp_path / "one", {("a", 1): 0.5})
    other = lay_out_run(tmp_path / "other", {("a", 2): 0.5})
    entries = [entry for run in read_runs([one, other]) for entry in run.entries]
    assert compare(entries) == ([], ["one", "other"])
    assert "no other row here played the same task and seed" in to_markdown(build([one, other], str))


def test_a_run_of_which_nothing_ended_is_told_not_drawn(tmp_path: Path) -> None:
    told = to_markdown(build([lay_out_run(tmp_path / "begun", {("a", 1): None})], str))
    assert "begun: 1 of 1 episode not ended" in told
    assert "no episode has ended" in told
    assert "![" not in told


def test_a_run_that_was_stopped_counts_what_its_episodes_have_recorded(tmp_path: Path) -> None:
    play(tmp_path, 7, world="vault", task="six-doors")
    calls = sum(step.model_calls for step in steps_of(tmp_path))
    (played,) = read_played(RunFolder(tmp_path / "runs" / "t"))
    assert (played.cost.steps, played.cost.model_calls) == (7, calls)
    assert played.cost.wall_s == pytest.approx(sum(step.latency_s for step in steps_of(tmp_path)))
    assert played.score.mean is None
    told = to_markdown(build([tmp_path / "runs" / "t"], str))
    assert f"7 steps and {calls} model calls of them so far" in told
    (row,) = [line for line in told.splitlines() if line.startswith("| t |") and f"| {calls} |" in line]
    assert row.split(" | ")[1:3] == ["7", str(calls)]


def test_behaviour_on_other_seeds_is_no_change(tmp_path: Path) -> None:
    one = lay_out_run(tmp_path / "one", {("a", 1): 0.5})
    other = lay_out_run(tmp_path / "other", {("a", 2): 0.5}, metrics={"empty_search_rate": 0.25})
    again = lay_out_run(tmp_path / "again", {("a", 2): 0.5}, metrics={"empty_search_rate": 0.5})
    told = to_markdown(build([one, other, again], str))
    changes = [re.findall(r"<sub>(\S+ %)</sub>", row) for row in told.splitlines() if "1 episode</sub> | 25.0 ±" in row]
    assert changes == [[], [], ["0 %", "0 %", "+100 %", "0 %", "0 %", "0 %"]]


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [lay_out_run(tmp_path / folder / "same", {("a", 1): 0.5}) for folder in ("x", "y")]
    assert [run.name for run in read_runs(runs)] == ["same (1)", "same (2)"]


def test_what_is_no_run_is_our_error_and_nothing_is_written(tmp_path: Path, runs: list[Path]) -> None:
    with pytest.raises(SettingsError, match=r"no run.*run\.json.*evolve\.json.*specialize\.json"):
        report([runs[0], tmp_path], tmp_path / "out")
    with pytest.raises(SettingsError, match="named twice"):
        report([runs[0], runs[0] / "."], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_long_model_name_keeps_what_tells_it_from_others() -> None:
    assert short_model("embedded+weights=/a/b/c/d+adapter=/e/f/g") == "embedded+weights=…/c/d+adapter=…/f/g"
    assert short_model("vllm:Qwen/Qwen2.5-32B-Instruct") == "vllm:Qwen/Qwen2.5-32B-Instruct"


def test_long_tables_are_folded(out: Path) -> None:
    folded = re.findall(r"<summary>([^<]*)</summary>", (out / "report.html").read_text())
    assert folded == ["Pair by pair: v1 minus v0", "Pair by pair: new minus old"]


def test_the_command_is_part_of_automem(runs: list[Path], tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["report", str(runs[3]), "--out", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert "report.html" in ended.output
    assert (
        json.loads((runs[3] / "run.json").read_text())["configuration"]["world"] in (tmp_path / "report.md").read_text()
    )


def test_what_each_of_several_servers_did_is_a_table(told: str) -> None:
    ended = len(SEEDS) - 1
    assert rows(told, "a/v1") == [f"| a/v1 | {9 * ended} | {90 * ended} | 50 % | {30 * ended} | 15.0 | 0 |"]
    assert rows(told, "b/v1") == [f"| b/v1 | {ended} | {10 * ended} | unknown | unknown | unknown | {3 * ended} |"]
    assert told.count("### Servers") == 1
