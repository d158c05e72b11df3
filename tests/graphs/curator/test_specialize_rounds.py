"""What can come between a curator and a training: faults, refusals, a person, a budget, a process that dies."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from lora_stub import LoraStub
from specializing import ROOT, Specializing

from graphs.agent.transcript import Transcript
from graphs.curator import Context
from graphs.curator.curate import curate
from graphs.curator.position import curator_limits, spent
from graphs.curator.run import Specialization
from graphs.evaluation.playing import Halted
from traces import RunFolder, read_results
from training import TrainingError, TrainingFailure

QUICK = ROOT / "tests" / "kit" / "quick_training.py"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def quick(tmp_path: Path, tiny: Path, adapter: Path, mode: str = "works", **given: Any) -> Specializing:
    """A run whose trainings take a moment, on one seed each."""
    launcher = [sys.executable, str(QUICK), str(adapter), mode]
    few = {"train_seeds": [1, 2], "validation_seeds": [11], "final_seeds": [21], "minimum_examples": 4}
    run = Specializing(tmp_path, tiny, launcher=launcher, **{**few, **given})
    run.context["max_steps"] = 9
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipe.read_text().replace("minimum_examples = 8", "minimum_examples = 4"))
    return run


def test_too_few_examples_end_an_iteration_and_nothing_is_trained(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = quick(tmp_path, tiny, adapter, minimum_examples=100)
    told = run.go()
    assert [(one.run, one.role) for one in run.ledger()] == [("base", "base"), ("1", "none")]
    assert "at least 100 are needed" in run.ledger()[1].note
    assert told.output["winner"] is None
    assert told.output["ended"].startswith("No iteration came to a training")
    assert not told.of("training")


def test_traces_that_are_given_are_learned_from_and_nothing_is_collected(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first = quick(folders[0], tiny, adapter, minimum_examples=100)
    first.go()
    collected = first.run / "collect"
    second = quick(folders[1], tiny, adapter, minimum_examples=100, traces=str(collected))
    second.context["scaffold"] = first.context["scaffold"]
    told = second.go()
    assert [event["name"] for event in told.of("playing")] == ["base"]
    names = ["collect/summary.json", "candidates/candidates.jsonl"]
    assert all((second.run / name).read_bytes() == (first.run / name).read_bytes() for name in names)
    runs = [Specialization.read(one.run) for one in (first, second)]
    assert (runs[1].model, runs[1].train_seeds) == ("scripted", [1, 2])
    calls, playing = spent(runs[0])["calls"], sum(one.model_calls for one in read_results(RunFolder(collected)))
    assert calls - spent(runs[1])["calls"] == playing
    shutil.copytree(collected, first.run / "controls" / "off")  # as an arm beside the final table
    assert spent(runs[0])["calls"] - calls == playing


def test_a_dataset_with_faults_goes_back_to_the_curator_and_is_never_trained_on(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = quick(tmp_path, tiny, adapter)
    monkeypatch.setattr("graphs.curator.train_nodes.build_dataset", tampered)
    told = run.go()
    assert len(told.of("certified")) == 4
    assert all("is not the model's reply" in event["faults"][0] for event in told.of("certified"))
    conversation = (run.run / "iterations" / "1" / "curator.jsonl").read_text()
    assert all(f"cannot be trained on (sent back {time})" in conversation for time in (1, 2, 3))
    assert run.ledger()[1].note.startswith("After 3 repairs there is still: ")
    assert not told.of("training")


def tampered(run: RunFolder, ids: Any, out: Path, **options: Any) -> Any:
    """A dataset in which one reply is another than was traced."""
    from training.certificate import build_dataset

    report = build_dataset(run, ids, out, **options)
    first, *rest = out.read_text().splitlines()
    example = json.loads(first)
    example["messages"][-1]["content"] += "<|DONE|>"
    out.write_text("\n".join([json.dumps(example), *rest, ""]))
    return report


def test_a_resumed_run_repeats_the_repair_round_that_its_files_say(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = quick(tmp_path, tiny, adapter)

    async def stops(*given: Any) -> Any:
        if given[-1]:  # faults
            raise Halted("stopped in the repair round")
        return await curate(*given)

    with monkeypatch.context() as patched:
        patched.setattr("graphs.curator.train_nodes.build_dataset", tampered)
        patched.setattr("graphs.curator.curate.curate", stops)
        with pytest.raises(Halted):
            run.go()
    told = run.go(resume=True)
    assert [event["round"] for event in told.of("curating")] == [1]
    assert "is not the model's reply" in told.of("curating")[0]["faults"][0]
    assert [event["faults"] for event in told.of("certified")] == [[]]
    assert told.output["winner"] == "1a"


def test_what_the_training_refuses_is_told_to_the_curator_in_its_words(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    run = quick(tmp_path, tiny, adapter, "refuses")
    told = run.go()
    assert [event["reason"] for event in told.of("refused")] == ["No example is left to train on."] * 4
    assert "No example is left to train on." in (run.run / "iterations" / "1" / "curator.jsonl").read_text()
    assert [one.role for one in run.ledger()] == ["base", "none"]
    assert run.go(resume=True).output == told.output


def test_a_training_that_a_signal_ended_is_taken_up_again(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = quick(tmp_path, tiny, adapter, "dies")
    told = run.go()
    assert any("ended by signal 9" in event["line"] for event in told.of("training"))
    assert told.output["winner"] == "1a"


def test_a_training_that_the_machine_fails_halts_the_run_and_it_can_be_gone_on_with(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    run = quick(tmp_path, tiny, adapter, "breaks")
    with pytest.raises(TrainingFailure, match="The memory is too small"):
        run.go()
    told = run.go(resume=True, launcher=[sys.executable, str(QUICK), str(adapter), "works"])
    assert told.output["winner"] == "1a"
    assert not told.of("curating")


def test_a_person_is_asked_before_a_training_and_before_the_final_table(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    run = quick(tmp_path, tiny, adapter, approve=True)
    asked = run.go()
    assert asked.question is not None
    assert asked.question["ask"] == "Train iteration 1 of 1?"
    assert asked.question["examples"] >= 4
    assert not (run.run / "iterations" / "1" / "adapters").exists()
    later = run.go("yes", resume=True)
    assert later.question is not None
    assert "never played" in later.question["ask"]
    assert not (run.run / "final").exists()
    assert run.go("no, more iterations first", resume=True).output["ended"].endswith("more iterations first")
    assert not (run.run / "final").exists()


def test_a_refused_training_ends_its_iteration_and_stands_in_the_ledger(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    run = quick(tmp_path, tiny, adapter, approve=True, iterations=2)
    told = run.go({"approve": False, "reason": "too little LOG"})
    assert run.ledger()[1].note == "A person refused to have it trained: too little LOG"
    assert told.question is not None
    assert told.question["ask"] == "Train iteration 2 of 2?"


def test_a_spent_budget_ends_the_run_and_a_higher_one_goes_on(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = quick(tmp_path, tiny, adapter)
    told = run.go(ceilings={"calls": 20})
    assert told.output["ended"] == "the run's ceiling of 20 model calls is reached."
    assert run.ledger() == []
    assert run.go(resume=True, ceilings={}).output == told.output
    later = run.go(resume=True, ceilings={"calls": 100_000})
    assert later.output["winner"] == "1a"


def test_a_curator_that_goes_on_is_not_charged_twice_for_what_it_has_spent(tmp_path: Path, tiny: Path) -> None:
    described = Specializing(tmp_path, tiny, ceilings={"calls": 10})
    run = Specialization.begin(described.given, Context(**described.context))  # type: ignore[arg-type]  # the fields of its input
    conversation = run.folder.iteration(1).transcript
    with Transcript(conversation) as talk:
        talk.begin("be good", "curate")
        for text in ("one", "two", "three", "four", "five", "six"):
            talk.append(AIMessage(text))
    assert spent(run)["calls"] == 6
    assert curator_limits(run, conversation).calls == 10


def test_a_served_base_answers_as_itself_and_as_its_specialists(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    with LoraStub("base") as server:
        run = quick(tmp_path, tiny, adapter, base="vllm:base", weights=str(tiny))
        run.context |= {"gameplay_model": None, "base_url": server.url}
        run.go()
        (name,) = server.adapters
    assert name.startswith("specialist-")
    played = read_results(RunFolder(run.run / "final" / "specialist"))
    assert {(one.model, one.gameplay_model) for one in played} == {(f"vllm:{name}", "vllm:base")}
    base = read_results(RunFolder(run.run / "final" / "base-handoff"))
    assert {(one.model, one.gameplay_model) for one in base} == {("vllm:base", "vllm:base")}
    assert {body["model"] for body in server.bodies} == {"base", name}


def test_a_specialist_costs_what_its_base_costs(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = quick(tmp_path, tiny, adapter, ceilings={"cost": 100.0})
    prices = tmp_path / "prices.toml"
    free = '["scripted"]\nprompt = 0\ncompletion = 0\n'
    prices.write_text(free + f'["{run.given["base"]}"]\nprompt = 2.0\ncompletion = 4.0\n')
    run.context["prices"] = str(prices)
    assert run.go().output["winner"] == "1a"
    for player in ("specialist", "base-handoff"):
        (played,) = read_results(RunFolder(run.run / "final" / player))
        assert played.cost == pytest.approx((2 * played.tokens["prompt"] + 4 * played.tokens["completion"]) / 1e6)


def test_a_server_that_loads_no_adapters_is_told_before_the_first_token(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    with LoraStub("base", runtime=False) as server:
        run = quick(tmp_path, tiny, adapter, base="vllm:base", weights=str(tiny))
        run.context |= {"gameplay_model": None, "base_url": server.url}
        with pytest.raises(TrainingError, match="loads no adapters while it runs"):
            run.go()
        assert server.bodies == []
