"""A dataset cut from real traces is certified, and every kind of tampering with it is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trace_files import change_a_letter
from training_runs import collected

from traces import RunFolder, read_result, write_result
from training.candidates import candidates
from training.certificate import build_dataset, certify
from training.source import CandidateId, SourceError, TraceSource

Example = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return collected(tmp_path_factory.mktemp("collect"), seeds=[1, 2])


@pytest.fixture(scope="module")
def dataset(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset") / "dataset.jsonl"
    build_dataset(run, [candidate.id for candidate in candidates(run)], out, evaluation_seeds=[42])
    return out


def lines(dataset: Path) -> list[Example]:
    return [json.loads(line) for line in dataset.read_text().splitlines()]


def tampered(dataset: Path, folder: Path, change: Callable[[Example], object]) -> Path:
    examples = lines(dataset)
    change(examples[1])
    out = folder / "tampered.jsonl"
    out.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return out


def test_a_sound_dataset_is_certified(run: RunFolder, dataset: Path) -> None:
    assert certify(dataset, run, evaluation_seeds=[42]) == []
    assert {example["certificate"]["routine"] for example in lines(dataset)} == {"LOG", "PLAN"}


def test_the_same_ids_in_any_order_give_the_same_bytes(run: RunFolder, dataset: Path, tmp_path: Path) -> None:
    ids = [example["id"] for example in lines(dataset)]
    build_dataset(run, [*reversed(ids), *ids], tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == dataset.read_bytes()


def test_the_report_counts_every_candidate(run: RunFolder, dataset: Path) -> None:
    report = json.loads((dataset.parent / "postprocess.json").read_text())
    assert report["selected"] == sum(1 for _ in candidates(run))
    assert report["selected"] == report["examples"] + sum(report["dropped"].values())
    assert report["examples"] == len(lines(dataset))


def _reword(example: Example) -> None:
    example["messages"][-1]["content"] += " "


def _other_prompt(example: Example) -> None:
    example["messages"][1]["content"] = "LOG step 2\n\nAn easier question"


def _other_system(example: Example) -> None:
    example["messages"][0]["content"] = "Be good."


def _longer(example: Example) -> None:
    example["messages"] += example["messages"][1:3]


def _other_step(example: Example) -> None:
    example["certificate"]["step"] += 1


def _other_trace(example: Example) -> None:
    example["certificate"]["trace_sha256"] = "0" * 64


def _other_id(example: Example) -> None:
    example["id"] = "vault/one-door/seed-1/step-99999/LOG"


def _no_id(example: Example) -> None:
    example["id"] = "../../../etc/passwd"


def _more_keys(example: Example) -> None:
    example["messages"][-1]["tool_calls"] = [{"id": "invented"}]


def _no_certificate(example: Example) -> None:
    example["certificate"] = None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_reword, "is not the model's reply after post-processing"),
        (_other_prompt, "is not what the model was sent"),
        (_other_system, "is not what the model was sent"),
        (_longer, "it has 5 messages, the traced turn gives 3"),
        (_more_keys, "not a valid example (messages.2.tool_calls"),
        (_other_step, "the certificate's step is not that of"),
        (_other_trace, "not the one that the certificate names"),
        (_other_id, "has no step 99999"),
        (_no_id, "is not the id of a candidate"),
        (_no_certificate, "the example has no certificate"),
    ],
)
def test_tampering_is_found(
    run: RunFolder, dataset: Path, tmp_path: Path, change: Callable[[Example], object], said: str
) -> None:
    faults = certify(tampered(dataset, tmp_path, change), run)
    assert len(faults) == 1
    assert ":2: " in faults[0]
    assert said in faults[0]


def test_an_example_that_keeps_the_action_is_found_though_the_model_wrote_all_of_it(
    run: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    plan = next(one for one in lines(dataset) if one["certificate"]["routine"] == "PLAN")
    with TraceSource(run) as source:
        traced = source.messages(CandidateId.parse(plan["id"]))
    assert "<|ACTION|>" in str(traced[-1]["content"])
    plan["messages"] = list(traced)
    (tmp_path / "acts.jsonl").write_text(json.dumps(plan) + "\n")
    (fault,) = certify(tmp_path / "acts.jsonl", run)
    assert "it has 5 messages, the traced turn gives 3" in fault


def test_a_dataset_of_an_earlier_version_with_byte_spans_is_certified(
    run: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    old = lines(dataset)
    for example in old:
        example["certificate"]["spans"] = [[[0, 5]]]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(example) + "\n" for example in old))
    assert certify(tmp_path / "old.jsonl", run) == []


@pytest.mark.parametrize(("status", "said"), [("failed", "that a failure ended"), (None, "that has not ended")])
def test_turns_of_an_episode_that_failed_or_goes_on_are_not_certified(
    run: RunFolder, dataset: Path, tmp_path: Path, status: str | None, said: str
) -> None:
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "run")))
    result = next(copy.episodes()).result
    if status is None:
        result.unlink()
    else:
        ended = read_result(next(copy.episodes()))
        assert ended is not None
        result.unlink()
        write_result(next(copy.episodes()), replace(ended, status="failed"))
    faults = certify(dataset, copy)
    assert faults
    assert all(said in fault for fault in faults)


@pytest.mark.parametrize(
    "place", ["../one-door", "vault/..", "x" * 300 + "/one-door", "va\0lt/one-door", "vault\n/one-door"]
)
def test_an_id_that_leads_out_of_the_run_is_a_fault_like_any_other(
    run: RunFolder, dataset: Path, tmp_path: Path, place: str
) -> None:
    def elsewhere(example: Example) -> None:
        example["id"] = example["id"].replace("vault/one-door", place)

    (fault,) = certify(tampered(dataset, tmp_path, elsewhere), run)
    assert "is not the id of a candidate" in fault or "is not a candidate" in fault


def test_a_changed_trace_is_found(run: RunFolder, dataset: Path, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "run")))
    change_a_letter(next(copy.episodes()))
    assert any("not the one that the certificate names" in fault for fault in certify(dataset, copy))


def test_an_example_twice_is_found(run: RunFolder, dataset: Path, tmp_path: Path) -> None:
    first = dataset.read_bytes().splitlines(keepends=True)[0]
    twice = tmp_path / "twice.jsonl"
    twice.write_bytes(first * 2)
    assert [fault for fault in certify(twice, run) if "is used twice" in fault]


def test_examples_of_evaluation_seeds_are_neither_made_nor_certified(
    run: RunFolder, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="evaluation seed"):
        build_dataset(run, [lines(dataset)[0]["id"]], tmp_path / "x.jsonl", evaluation_seeds=[1])
    assert all("evaluation seed" in fault for fault in certify(dataset, run, evaluation_seeds=[1, 2]))
    assert certify(dataset, run, evaluation_seeds=[1, 2])


def test_an_empty_dataset_is_not_certified(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert certify(tmp_path / "empty.jsonl", run) == [f"{tmp_path}/empty.jsonl: it has no examples."]


def test_a_run_of_a_scaffold_that_changed_since_gives_no_dataset(tmp_path: Path) -> None:
    from scaffolds import Scaffold

    scaffold = Scaffold.load("vault/v0").copy(tmp_path / "scaffold")
    run = collected(tmp_path / "run", seeds=[1], scaffold=str(scaffold))
    ids = [candidate.id for candidate in candidates(run)]
    (scaffold / "prompts" / "log.md").write_text((scaffold / "prompts" / "log.md").read_text() + "\nMore.")
    with pytest.raises(SourceError, match="has changed since"):
        build_dataset(run, ids, tmp_path / "x.jsonl")


def test_a_run_in_another_dialect_gives_no_dataset(tmp_path: Path) -> None:
    run = collected(tmp_path / "run", seeds=[1], dialect="functions")
    with pytest.raises(SourceError, match="learns text"):
        build_dataset(run, [next(candidates(run)).id], tmp_path / "x.jsonl")
