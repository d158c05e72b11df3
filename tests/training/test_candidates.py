"""Candidates of real traces: ids, prompts, features, and the same in one process as in several."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from playing import folder_of, play
from trace_files import effect_of
from training_runs import collected

from traces import RunFolder, TraceReader
from traces.effects import write_effect
from traces.feedback import feedback_file, write_judgements
from training.candidates import candidates, read_candidates, update_candidates, write_candidates
from training.source import CandidateId, SourceError, TraceSource


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return collected(tmp_path_factory.mktemp("run"), [1, 2, 3], task="three-doors")


def test_every_log_and_every_plan_of_the_memory_model_is_a_candidate(run: RunFolder) -> None:
    found = Counter((one.seed, one.routine) for one in candidates(run))
    for folder in run.episodes():
        seed = int(folder.path.name.removeprefix("seed-"))
        with TraceReader(folder) as reader:
            assert found[(seed, "PLAN")] == len(reader)
            assert found[(seed, "LOG")] == len(reader) - 1, "nothing has happened before the first step"


def test_the_prompts_of_a_candidate_are_those_the_model_received(run: RunFolder) -> None:
    with TraceSource(run) as source:
        for one in candidates(run):
            which = CandidateId.parse(one.id)
            with TraceReader(source.folder(which)) as reader:
                index, _ = source.conversation(which)
                prompt = reader.prompt(which.step, index, 0)
            assert source.messages(which)[: len(prompt)] == prompt
            assert prompt[-1]["content"].startswith(f"{which.routine} step {which.step}\n")
            assert one.prompt_characters == sum(len(message["content"]) for message in prompt)


def test_features_tell_what_was_done(run: RunFolder) -> None:
    for one in candidates(run):
        assert one.recalls + one.records + one.outcomes.get("rejected", 0) == len(one.operations)
        assert one.records == 0 or one.routine == "LOG"
        assert not one.recall_before_record or (one.recalls and one.records)
        assert one.shape.startswith(f"{one.routine}: ")
    written = [one for one in candidates(run) if one.records]
    assert written
    assert any(one.credit > 0 for one in written), "the code that opens a door was written by somebody"


def test_credit_goes_to_who_wrote_the_code_of_the_door(tmp_path: Path) -> None:
    run = collected(tmp_path / "run", [1])
    best = max((one for one in candidates(run) if one.routine == "LOG"), key=lambda one: one.credit)
    with TraceSource(run) as source:
        replies = [m["content"] for m in source.messages(CandidateId.parse(best.id)) if m["role"] == "assistant"]
    assert "codes.md" in "".join(replies)


def test_better_episodes_rank_before_worse_ones(run: RunFolder) -> None:
    by_progression = {one.progression: one.episode_rank for one in candidates(run)}
    ranks = [rank for _, rank in sorted(by_progression.items(), reverse=True)]
    assert ranks[0] == 0.0
    assert ranks == sorted(ranks)
    assert all(0 <= rank < 1 for rank in ranks)


def test_several_processes_find_the_same(run: RunFolder) -> None:
    assert list(candidates(run, workers=2)) == list(candidates(run))


def test_candidates_written_read_back_equal(run: RunFolder, tmp_path: Path) -> None:
    found = list(candidates(run))
    assert write_candidates(found, tmp_path / "candidates.jsonl") == len(found)
    assert list(read_candidates(tmp_path / "candidates.jsonl")) == found


def test_of_two_models_only_the_memory_models_turns_are_candidates(tmp_path: Path) -> None:
    play(tmp_path, 4, handoff="always")
    run = RunFolder(folder_of(tmp_path).path.parents[3])
    with TraceSource(run) as source, TraceReader(folder_of(tmp_path)) as reader:
        step = reader.step(3)
        assert [talk.role for talk in step.conversations] == ["memory", "memory", "gameplay"]
        assert source.conversation(CandidateId("vault", "one-door", 1, 3, "PLAN"))[0] == 1


@pytest.mark.parametrize(
    "text",
    ["", "vault/one-door/seed-1/step-1", "a/b/seed-x/step-1/LOG", "a/b/seed-1/step-1/ACT", "a/b/c/seed-1/step-1/LOG"],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="not the id of a candidate"):
        CandidateId.parse(text)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no run\.json"):
        TraceSource(RunFolder(tmp_path))


def test_what_people_say_after_candidates_were_listed_reaches_them_and_can_be_taken_back(
    run: RunFolder, tmp_path: Path
) -> None:
    path = tmp_path / "candidates" / "candidates.jsonl"
    path.parent.mkdir()
    write_candidates(candidates(run), path)
    before = path.read_bytes()
    update_candidates(path, run)
    assert path.read_bytes() == before
    first = next(read_candidates(path)).id
    try:
        write_judgements(run, [{"candidate": first, "feedback": 0.25, "key": "good", "id": "1"}])
        update_candidates(path, run)
        assert {one.id: one.feedback for one in read_candidates(path) if one.feedback is not None} == {first: 0.25}
        write_judgements(run, [])
        update_candidates(path, run)
        assert path.read_bytes() == before
    finally:
        feedback_file(run).unlink()


def test_measured_effects_are_features_with_their_sign_turned(run: RunFolder, tmp_path: Path) -> None:
    copied = RunFolder(Path(shutil.copytree(run.path, tmp_path / "measured")))
    path = tmp_path / "candidates.jsonl"
    write_candidates(candidates(copied), path)
    assert all(one.effect is None for one in read_candidates(path))
    one, other, third = [one for one in read_candidates(path) if one.records][:3]
    for which, index, low, high in (
        *((one, 1, -0.5, -0.25), (one, 2, -0.25, 0.25)),
        *((other, 1, -0.5, -0.25), (other, 2, 0.25, 0.5)),
        *((third, 1, -0.5, -0.25), (third, 1, 0.0, 0.0)),  # measured again
    ):
        folder = copied.episode(which.world, which.task, which.seed)
        write_effect(folder, effect_of(which.step, index, low=low, high=high))
    update_candidates(path, copied)
    found = {each.id: (each.effect, each.effect_low, each.effect_high) for each in read_candidates(path)}
    assert found[one.id] == (0.375, 0.25, 0.5)
    assert found[other.id] == (-0.375, -0.5, -0.25)
    assert found[third.id] == (0.0, 0.0, 0.0)
    assert Counter(each[0] is None for each in found.values())[False] == 3
    assert [each.to_plain() for each in candidates(copied)] == [each.to_plain() for each in read_candidates(path)]
