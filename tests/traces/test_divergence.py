"""The first difference between two episodes: each kind of cause, made by changing one thing in a recorded episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from traces import (
    Conversation,
    EpisodeFolder,
    ModelCall,
    OperationRecord,
    RunFolder,
    StepRecord,
    TraceWriter,
    write_run,
)
from traces.divergence import Divergence, compare, differing_settings

Change = Callable[[StepRecord], StepRecord]


def step(number: int) -> StepRecord:
    """A step with a search in LOG and an action in PLAN."""
    log = Conversation(
        "LOG",
        "memory",
        "scripted",
        [
            {"role": "system", "content": "You play."},
            {"role": "user", "content": f"LOG step {number}"},
            {"role": "assistant", "content": "<|SEARCH|>a.md|key<|END|>"},
            {"role": "user", "content": "1 line: key"},
            {"role": "assistant", "content": "<|DONE|>"},
        ],
        [ModelCall(2, seed=number), ModelCall(4, seed=number + 100)],
        [OperationRecord(0, "SEARCH", {"file": "a.md", "keyword": "key"}, "hit")],
    )
    plan = Conversation(
        "PLAN",
        "memory",
        "scripted",
        [
            *log.messages[:1],
            {"role": "user", "content": "PLAN"},
            {"role": "assistant", "content": "<|ACTION|>Wait<|END|>"},
        ],
        [ModelCall(2, seed=7)],
    )
    shown = {"long": f"room {number}", "short": "well"}
    return StepRecord(number, shown, "Wait", "Wait", conversations=[log, plan], reward=1.0, info={"progression": 0.5})


def write(
    folder: Path, change: Change | None = None, *, steps: int = 3, digest: str = "d", **settings: Any
) -> EpisodeFolder:
    """An episode of some steps; `change` is made to the second."""
    run = RunFolder(folder)
    write_run(run, {"settings": {"temperature": 1.0, "notebook": "on", **settings}, "scaffold_digest": digest})
    episode = run.episode("vault", "one-door", 1)
    episode.create()
    writer = TraceWriter(episode)
    for number in range(1, steps + 1):
        writer.write(change(step(number)) if change is not None and number == 2 else step(number))
    writer.close()
    return episode


def message(routine: int, at: int, content: str) -> Change:
    def change(step: StepRecord) -> StepRecord:
        conversations = list(step.conversations)
        messages = [dict(one) for one in conversations[routine].messages]
        messages[at]["content"] = content
        conversations[routine] = dataclasses.replace(conversations[routine], messages=messages)
        return dataclasses.replace(step, conversations=conversations)

    return change


def seed(step: StepRecord) -> StepRecord:
    log, plan = step.conversations
    return dataclasses.replace(
        step, conversations=[dataclasses.replace(log, calls=[ModelCall(2, seed=9), log.calls[1]]), plan]
    )


def field(**values: Any) -> Change:
    return lambda step: dataclasses.replace(step, **values)


@pytest.mark.parametrize(
    ("change", "cause", "what"),
    [
        (field(observation={"long": "a cave", "short": "well"}), "world", "the observation (long)"),
        (field(notices=["You go in circles."]), "scaffold", "the notices of hooks"),
        (message(0, 1, "LOG step two"), "memory", "LOG: the prompt (message 2)"),
        (seed, "sampling", "LOG, reply 1: the seed of the call"),
        (message(0, 2, "<|READ|>a.md<|END|>"), "model", "LOG, reply 1: the same prompt and seed, another text"),
        (message(0, 3, "nothing"), "memory", "LOG: the answer to reply 1"),
        (message(0, 4, "done"), "model", "LOG, reply 2: the same prompt and seed, another text"),
        (message(1, 2, "<|ACTION|>Read Note<|END|>"), "model", "PLAN, reply 1: the same prompt and seed, another text"),
        (field(action="Read Note"), "scaffold", "the action sent, after equal replies"),
        (field(reward=0.0), "world", "the reward"),
        (field(terminated=True), "world", "how the step ended"),
    ],
)
def test_what_was_changed_is_found_with_its_cause(tmp_path: Path, change: Change, cause: str, what: str) -> None:
    found = compare(write(tmp_path / "a"), write(tmp_path / "b", change))
    assert found.divergence is not None
    assert (found.divergence.step, found.divergence.cause, found.divergence.what) == (2, cause, what)
    assert found.divergence.one != found.divergence.other
    assert (found.settings, found.steps) == ({}, (3, 3))


def test_equal_episodes_are_equal_and_a_longer_one_goes_on(tmp_path: Path) -> None:
    assert compare(write(tmp_path / "a"), write(tmp_path / "b")).divergence is None
    found = compare(write(tmp_path / "a2", steps=3), write(tmp_path / "b2", steps=5))
    assert found.divergence == Divergence(4, "end", "only the second episode goes on", "", "step 4: Wait")


def test_a_prompt_is_the_doing_of_the_scaffold_only_where_that_is_another(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a"), write(tmp_path / "b", message(0, 1, "LOG in other words"), digest="other")
    found = compare(one, other).divergence
    assert (found is not None and found.cause) == "scaffold"


def test_settings_take_the_blame_for_what_they_change(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a"), write(tmp_path / "b", message(1, 1, "PLAN without notes"), notebook="off")
    assert differing_settings(one, other) == {"notebook": ("on", "off")}
    found = compare(one, other).divergence
    assert found is not None
    assert found.cause == "settings"
    persisted = write(tmp_path / "d", message(0, 1, "LOG with more notes"), arm="persisted")
    found = compare(one, persisted).divergence
    assert (found is not None and found.cause) == "settings"
    colder = write(tmp_path / "c", message(0, 2, "<|DONE|>"), temperature=0.0)
    found = compare(one, colder).divergence
    assert found is not None
    assert (found.cause, found.what) == ("sampling", "LOG, reply 1: other sampling settings, another text")
