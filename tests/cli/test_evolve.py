"""`automem evolve` as a user meets it: what it tells, whom it asks, how it ends."""

from __future__ import annotations

from pathlib import Path

from openai_stub import OpenAIStub
from puppet_reviewer import PuppetReviewer, helps, in_vain, weak_scaffold
from typer.testing import CliRunner, Result

from cli.commands import app
from cli.evolve_lines import EVENTS
from graphs.reviewer.lineage import read


def automem_evolve(folder: Path, server: OpenAIStub, *more: str, answers: str | None = None) -> Result:
    """Run the command in this process."""
    start = folder / "start"
    words = [
        "evolve",
        "--world",
        "vault",
        "--task",
        "one-door",
        "--model",
        "scripted",
        "--reviewer-model",
        "vllm:puppet",
    ]
    words += ["--scaffold", str(start if start.exists() else weak_scaffold(start)), "--seeds", "1-2", "--versions", "1"]
    words += ["--reviewer-base-url", server.url, "--gate", "mean", "--out", str(folder / "run"), *more]
    return CliRunner().invoke(app, words, input=answers, env={"COLUMNS": "160"})


def test_it_tells_what_happens_and_ends_with_the_best_version(tmp_path: Path) -> None:
    puppet = PuppetReviewer(in_vain(1), helps(2))
    with OpenAIStub(puppet.behaviour()) as server:
        told = automem_evolve(tmp_path, server, "--holdout-seeds", "11,12")
    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    assert lines[0].endswith("begins: scripted (no language model) plays vault, vllm:puppet reviews; gate mean.")
    place = [
        next(number for number, line in enumerate(lines) if text in line)
        for text in (
            "v0: playing 2 episodes",
            "v0: 0.00 ± 0.00 % over 2 episodes",
            "v1.a1: from v0",
            "v1.a1: reviewing",
            "  list_episodes(run=incumbent) →",
            "v1.a1: checking",
            "file schema: +more-1.md",
            "v1.a1: playing 2 episodes",
            "not kept (mean): The mean stays at 0.00 %",
            "v1.a1.c1: continues v1.a1",
            "plan: +search",
            "mean difference +100.00 points",
            "v1.a1.c1: accepted.",
            "On the hold-out seeds",
            "  v1  100.00 ± 0.00 %",
            "best: v1,",
        )
    ]
    assert place == sorted(place)


def test_the_best_version_is_played_with_other_notebooks_on_the_holdout_seeds(tmp_path: Path) -> None:
    more = ["--holdout-seeds", "11,12", "--notebook-arms", "off,frozen", "--quiet"]
    with OpenAIStub(PuppetReviewer(helps(1)).behaviour()) as server:
        first = automem_evolve(tmp_path, server, *more, "--ceiling", "calls=214")
        assert "stopped: the search's ceiling of 214 model calls is reached; go on with a higher" in first.output
        told = automem_evolve(tmp_path, server, *more, "--ceiling", "calls=5000", "--resume")
        assert told.exit_code == 0, told.output
    table = told.output[told.output.index("run holdout v1: ") :]
    assert [line.split()[0] for line in table.splitlines() if "100.0" in line] == ["on", "off", "frozen"]
    assert table.count("-100.0") == 2
    assert CliRunner().invoke(app, ["check", str(tmp_path / "run")]).exit_code == 0
    refused = automem_evolve(tmp_path / "other", server, "--notebook-arms", "off")
    assert "--notebook-arms are played on the hold-out seeds" in refused.output
    refused = automem_evolve(tmp_path / "other", server, *more[:2], "--notebook-arms", "best")
    assert "no control arm 'best'" in str(refused.exception)
    assert not (tmp_path / "other" / "run").exists()


def test_it_asks_at_the_terminal_and_takes_no_for_an_answer(tmp_path: Path) -> None:
    puppet = PuppetReviewer(helps(1), in_vain(2))
    more = ["--approve", "--attempts", "2", "--continuations", "0"]
    with OpenAIStub(puppet.behaviour()) as server:
        told = automem_evolve(tmp_path, server, *more, answers="perhaps\nno, it is too plain\n")
        assert told.exit_code == 3, told.output
        assert "Evaluate the candidate v1.a1 " in told.output
        assert '+plan = ["search", "read", "tail", "count", "act"]' in told.output
        assert "neither yes nor no" in told.output
        assert "waits for an answer" in told.output
        told = automem_evolve(tmp_path, server, *more[1:], "--resume", answers="yes\n")
    assert told.exit_code == 0, told.output
    assert "Evaluate the candidate v1.a2 " in told.output  # it goes on asking, as it was begun
    assert [(one.name, one.status) for one in read(tmp_path / "run") if one.kind == "attempt"] == [
        ("v1.a1", "refused"),
        ("v1.a2", "rejected"),
    ]


def test_quiet_leaves_the_end(tmp_path: Path) -> None:
    puppet = PuppetReviewer(helps(1))
    with OpenAIStub(puppet.behaviour()) as server:
        told = automem_evolve(tmp_path, server, "--quiet", "--continuations", "0", "--attempts", "1")
    lines = [line for line in told.output.splitlines() if line]
    assert [line.split(" ")[0] for line in lines] == ["warning:", "Version", "best:", "automem"]
    assert lines[0].startswith("warning: Without --holdout-seeds the gain")


def test_what_a_candidate_s_code_says_when_it_breaks_on_hold_out_seeds_cannot_steer_the_terminal() -> None:
    said = "hooks.py:3: observe: \x1b[2J\nbest: v9" + "!" * 100_000
    row = {"version": 1, "mean": 0.0, "standard_error": 0.0, "episodes": 2, "reason": said}
    *_, last = EVENTS.lines["holdout"]({"event": "holdout", "rows": [row]})
    assert last.startswith("  v1  0.00 ± 0.00 %  (2 episodes)  hooks.py:3: observe: ␛[2J best: v9!!")
    assert len(last) < 2_100
