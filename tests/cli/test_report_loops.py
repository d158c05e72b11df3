"""automem report of a search and of a run of loop 2: their rows, charts and ledgers beside the evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_search import lay_out_finished
from report_runs import lay_out_run

from cli.report import build
from cli.report_page.document import Report, Section
from cli.report_page.entries import read_runs
from cli.report_page.pairs import compare
from cli.report_page.writing import to_html, to_markdown
from graphs.curator.folders import SpecializationFolder
from graphs.reviewer.lineage import FILE
from traces import write_run
from traces.plain_json import write_file
from training.ledger import LedgerEntry, append


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("search") / "evolve"
    lay_out_finished(run)
    return run


@pytest.fixture
def specialist(tmp_path: Path) -> Path:
    folder = SpecializationFolder(tmp_path / "specialize")
    settings = {"world": "vault", "model": "scripted", "base": "vllm:base", "curator_model": "scripted"}
    write_run(folder, {"specialization": settings})
    for name, progression in (("base", 0.2), ("1a", 0.4)):
        role = "base" if name == "base" else "specialist"
        append(folder.ledger, LedgerEntry(run=name, iteration=0, role=role, progression={"a": {1: progression}}))
    return folder.path


def section(report: Report, title: str) -> Section:
    return next(one for one in report.sections if one.title.startswith(title))


def finish(run: Path) -> None:
    folder = SpecializationFolder(run)
    pairs = [("a", seed) for seed in range(6)]
    lay_out_run(folder.final("base-handoff").path, dict.fromkeys(pairs, 0.2), model="vllm:base")
    adapter = "embedded+adapter=/long/way/adapters/a"
    lay_out_run(folder.final("specialist").path, dict.fromkeys(pairs, 0.4), model=adapter, gameplay_model="vllm:base")
    write_file(folder.table, {"winner": "1a", "rows": []})


@pytest.fixture(scope="module")
def searched(search: Path) -> Report:
    return build([search], str)


def test_a_search_tells_its_versions_attempts_luck_and_cost(searched: Report) -> None:
    told = to_markdown(searched)
    assert [picture.name for picture in searched.pictures] == ["world-1-progression", "search-1-versions"]
    for words in (
        "played by scripted (no language model), reviewed by scripted (no language model), gate paired",
        "| v1<br><sub>v1.a1.c1</sub> | 31.00 ± 5.00 % | 27.00 ± 5.00 % |",
        "v1 is +11.00 points from v0 on the gate seeds, where it was chosen; +5.00 on the hold-out seeds",
        "-2.00 to +12.00, each end at 95 %",
        "noise alone would be expected to show",
        "Spent in all: reviewer 36 calls",
        "Every attempt was made. Best: v1.",
        "| v2.a1 | v1 | check failed<br><sub>Nothing structural changed.</sub> | – |",
    ):
        assert words in told
    assert "gate seeds (chosen on them), as the lineage says" in told


def test_what_a_reviewer_wrote_is_bounded_and_cannot_steer(searched: Report) -> None:
    for text in (to_html(searched), to_markdown(searched)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "and on " * 200 not in text


def test_a_search_under_way_is_told_as_it_stands(search: Path, tmp_path: Path) -> None:
    lines = (search / FILE).read_text().splitlines(keepends=True)
    for folder, kept in (("some", lines[:2]), ("none", [])):
        run = tmp_path / folder
        run.mkdir()
        (run / "evolve.json").write_bytes((search / "evolve.json").read_bytes())
        (run / FILE).write_text("".join(kept))
    assert "has not ended" in to_markdown(build([tmp_path / "some"], str))
    told = to_markdown(build([tmp_path / "none"], str))
    assert "The start has not been evaluated yet." in told
    assert "## Results" not in told


def test_a_run_of_loop_2_tells_its_trainings_and_pairs_its_players_with_the_base(specialist: Path) -> None:
    finish(specialist)
    report = build([specialist], str)
    told = to_markdown(report)
    lead = section(report, "Loop 2").lead
    assert (
        lead
        == "vault, traces of scripted (no language model), trained: vllm:base, curated by scripted (no language model)"
    )
    assert "Chosen on the validation seeds and played on the final ones: 1a." in told
    assert "specialist-1-trainings" in {picture.name for picture in report.pictures}
    assert (
        "| specialize specialist minus specialize base-handoff | +20.00 | +20.00 … +20.00 | 0.016 | 6 / 0 / 0 |" in told
    )
    assert "embedded+adapter=…/adapters/a + vllm:base" in told


def test_before_the_final_seeds_it_says_so(specialist: Path) -> None:
    told = to_markdown(build([specialist], str))
    assert "The final seeds have not been played to their end yet." in told
    assert "| 1a<br><sub>specialist</sub> |" in told


def test_each_player_is_compared_within_its_own_run_first(specialist: Path, tmp_path: Path) -> None:
    finish(specialist)
    other = lay_out_run(tmp_path / "other", {("a", seed): 0.5 for seed in range(6)})
    entries = [entry for run in read_runs([other, specialist]) for entry in run.entries]
    pairs = [(one.other.name, one.first.name) for one in compare(entries)[0]]
    assert pairs == [("specialize base-handoff", "other"), ("specialize specialist", "specialize base-handoff")]


def test_what_the_final_table_shows_stands_below_its_winner(specialist: Path) -> None:
    finish(specialist)
    rows = [
        {"player": "base-handoff", "interval": None},
        {"player": "specialist", "interval": [0.1, 0.3], "episodes": 6},
    ]
    chosen = {"difference": 0.2, "interval": [-0.1, 0.4], "better": 3, "worse": 1}
    table = SpecializationFolder(specialist).table
    write_file(table, {"winner": "1a", "rows": rows, "selection": chosen})
    controls = dict.fromkeys([("a", seed) for seed in range(6)], 0.3)
    lay_out_run(SpecializationFolder(specialist).final("random-turns").path, controls, model="vllm:base")
    told = to_markdown(build([specialist], str))
    compared = [row.split("|")[1].strip() for row in told.splitlines() if " minus " in row and row.startswith("| ")]
    names = (("specialist", "base-handoff"), ("random-turns", "base-handoff"), ("specialist", "random-turns"))
    assert compared == [f"specialize {one} minus specialize {other}" for one, other in names]
    assert "specialist: better than the base on seeds like these 6" in told
    assert "the interval holds 0; better on 3 episodes, worse on 1" in told
    write_file(table, {"winner": "1a", "rows": [{"interval": 5}]})
    assert "played on the final ones: 1a" in to_markdown(build([specialist], str))
