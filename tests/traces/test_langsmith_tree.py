"""The runs of a step: what each is named, says and belongs to, whatever the step holds."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest

from traces import Conversation, EpisodeResult, Failure, ModelCall, OperationRecord, StepRecord
from traces.langsmith_client import encoded
from traces.langsmith_facts import EpisodeFacts
from traces.langsmith_feedback import share
from traces.langsmith_texts import HIDDEN, Hiding, hidden_kinds
from traces.langsmith_tree import failure_run, step_runs
from training.source import CandidateId

BEGAN = 1_763_600_000_000_000
FACTS = EpisodeFacts(
    run="evening-0123abcd",
    world="cave",
    task="deep",
    seed=7,
    attempt=1,
    began=BEGAN,
    scaffold="cave/v3",
    scaffold_digest="d1935",
    model="vllm:keeper",
    gameplay_model="openai:player",
    temperature=1.0,
    max_tokens=4096,
    sampler={"top_k": 40},
)
SHOWN = Hiding(frozenset())
RESULTS = "RESULTS\n\n### SEARCH a.md lamp\nNo line.\n\n### APPEND a.md\nWritten.\n\n### ACTION Go\nHeld back."


def _say(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def _plan(answer: list[dict[str, Any]], operations: list[OperationRecord], **more: Any) -> Conversation:
    """A PLAN of two calls; `answer` stands between them."""
    opening = [_say("system", "You play."), _say("user", "PLAN step 501"), _say("assistant", "first")]
    calls = [
        ModelCall(2, 120, 8, 100, latency_s=0.5, finish_reason="stop", seed=11),
        ModelCall(3 + len(answer), latency_s=0.25, seed=12),
    ]
    messages = [*opening, *answer, _say("assistant", "<|ACTION|>Go<|END|>")]
    return Conversation("PLAN", "memory", "vllm:keeper", messages, calls, operations, **more)


SEARCH = OperationRecord(0, "search", {"file": "a.md", "keyword": "lamp"}, "empty", file="a.md", revision=4)
APPEND = OperationRecord(0, "append", {"file": "a.md", "text": "dark"}, "written", file="a.md", lines=(2,), revision=5)
HELD = OperationRecord(0, "act", {"action": "Go"}, "act")
SENT = OperationRecord(1, "act", {"action": "Go"}, "act")


def _step(*talks: Conversation, **more: Any) -> StepRecord:
    given: dict[str, Any] = {"info": {"progression": 0.25, "end_reason": None}, "latency_s": 1.0, "revision": 5}
    return StepRecord(501, {"long": "A cave.", "short": "Fine."}, "Go", "go", conversations=list(talks), **given | more)


def _named(runs: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [run for run in runs if run["name"] == name]
    return found


def test_a_memory_operation_bears_all_one_filters_by() -> None:
    step = _step(_plan([_say("user", RESULTS)], [SEARCH, APPEND, HELD, SENT]))
    runs = step_runs(step, FACTS, BEGAN, SHOWN, redundant=[(0, 1)], empty=[(0, 0)])
    search = _named(runs, "search")
    assert search["extra"]["metadata"] == {
        "thread_id": "evening-0123abcd/cave/deep/seed-7",
        "run": "evening-0123abcd",
        "world": "cave",
        "task": "deep",
        "seed": 7,
        "attempt": 1,
        "scaffold": "cave/v3",
        "scaffold_version": "v3",
        "scaffold_digest": "d1935",
        "memory_model": "vllm:keeper",
        "gameplay_model": "openai:player",
        "step": 501,
        "routine": "PLAN",
        "role": "memory",
        "model": "vllm:keeper",
        "candidate": str(CandidateId("cave", "deep", 7, 501, "PLAN")),
        "operation": "search",
        "outcome": "empty",
        "file": "a.md",
        "found": 0,
        "flag": "empty search",
        "notebook_revision": 4,
    }
    assert search["tags"] == ["search", "empty", "PLAN", "memory", "empty search", "v3"]
    assert search["inputs"] == {"file": "a.md", "keyword": "lamp"}
    assert search["outputs"]["result"] == "No line."
    append = _named(runs, "append")
    assert append["extra"]["metadata"]["flag"] == "redundant write"
    assert (runs[0]["extra"]["metadata"]["redundant_writes"], runs[0]["extra"]["metadata"]["empty_searches"]) == (1, 1)
    assert append["outputs"]["result"] == "Written."


def test_a_model_call_is_a_chat_with_usage_seed_and_latency() -> None:
    tools = [{"type": "function", "function": {"name": "search"}}]
    runs = step_runs(_step(_plan([], [], tools=tools)), FACTS, BEGAN, SHOWN)
    first, second = (run for run in runs if run["run_type"] == "llm")
    assert first["inputs"] == {"messages": [_say("system", "You play."), _say("user", "PLAN step 501")]}
    usage = {"input_tokens": 120, "output_tokens": 8, "total_tokens": 128, "input_token_details": {"cache_read": 100}}
    assert first["outputs"] == {"messages": [_say("assistant", "first")], "usage_metadata": usage}
    assert second["outputs"] == {"messages": [_say("assistant", "<|ACTION|>Go<|END|>")]}
    assert first["extra"]["invocation_params"] == {"model": "keeper", "seed": 11, "tools": tools}
    told = first["extra"]["metadata"]
    assert (told["ls_provider"], told["ls_model_name"]) == ("vllm", "keeper")
    assert (told["seed_of_call"], told["latency_s"], told["finish_reason"]) == (11, 0.5, "stop")
    assert (told["ls_temperature"], told["top_k"]) == (1.0, 40)
    assert first["start_time"] == "2025-11-20T00:53:20.000002+00:00"
    assert first["end_time"] == "2025-11-20T00:53:20.500002+00:00"
    assert second["start_time"] > first["end_time"]


def test_tool_messages_answer_call_by_call_and_a_text_without_sections_answers_all() -> None:
    by_tool = [_say("tool", "nothing", tool_call_id="1"), _say("tool", "noted", tool_call_id="2")]
    runs = step_runs(_step(_plan(by_tool, [SEARCH, APPEND])), FACTS, BEGAN, SHOWN)
    assert [_named(runs, name)["outputs"]["result"] for name in ("search", "append")] == ["nothing", "noted"]
    runs = step_runs(_step(_plan([_say("user", "two things")], [SEARCH, APPEND])), FACTS, BEGAN, SHOWN)
    assert {_named(runs, name)["outputs"]["result"] for name in ("search", "append")} == {"two things"}
    unread = dataclasses.replace(SEARCH, call=1)
    runs = step_runs(_step(_plan([], [unread])), FACTS, BEGAN, SHOWN)
    assert _named(runs, "search")["outputs"]["result"] is None


def test_mistakes_rejections_hooks_and_the_second_model_have_runs_of_their_own() -> None:
    mistake = OperationRecord(0, "", {"written": "<|SERCH|>"}, "mistake", code="unknown_operation")
    refused = OperationRecord(0, "write", {"file": "../x", "text": "t"}, "rejected", code="bad_name", revision=5)
    plan = _plan([], [mistake, refused])
    commit = Conversation("PLAN", "gameplay", "openai:player", plan.messages, [ModelCall(3)], [])
    hook = OperationRecord(-1, "upsert", {"file": "m.md", "key": "k", "text": "t"}, "written", file="m.md", revision=3)
    runs = step_runs(_step(plan, commit, hook_operations=[hook]), FACTS, BEGAN, SHOWN)
    names = [run["name"] for run in runs]
    assert names[1:3] == ["upsert", "PLAN"]
    assert names[-3:] == ["PLAN (gameplay)", "openai:player", "act"]
    metadata = {run["name"]: run["extra"]["metadata"] for run in runs}
    assert (metadata["unreadable"]["outcome"], metadata["unreadable"]["code"]) == ("mistake", "unknown_operation")
    assert (metadata["write"]["outcome"], metadata["write"]["code"]) == ("rejected", "bad_name")
    assert (metadata["upsert"]["role"], metadata["upsert"]["notebook_revision"]) == ("hook", 3)
    assert "candidate" not in metadata["PLAN (gameplay)"]
    assert metadata["act"]["role"] == "gameplay"
    assert not any("error" in run for run in runs)


def test_ids_are_of_version_7_the_same_each_time_and_another_for_every_run_step_and_attempt() -> None:
    step = _step(_plan([], [SEARCH, SEARCH]))
    ids = [run["id"] for run in step_runs(step, FACTS, BEGAN, SHOWN)]
    assert ids == [run["id"] for run in step_runs(step, FACTS, BEGAN, Hiding(hidden_kinds(["notes"])))]
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert {uuid.UUID(one).int >> 80 for one in ids[:2]} == {BEGAN // 1000}
    others = [dataclasses.replace(FACTS, attempt=2), dataclasses.replace(FACTS, run="other")]
    everything = [run["id"] for facts in (FACTS, *others) for run in step_runs(step, facts, BEGAN, SHOWN)]
    everything += [run["id"] for run in step_runs(dataclasses.replace(step, step=502), FACTS, BEGAN, SHOWN)]
    assert len(set(everything)) == len(everything) == 4 * len(ids)


def test_the_machines_failure_is_an_error_beside_the_steps() -> None:
    failure = Failure("timeout", "provider", "The server did not answer.", 9)
    result = EpisodeResult("cave", "deep", 7, "failed", 8, 0.0, 0.0, failure=failure)
    run = failure_run(result, FACTS, BEGAN, SHOWN)
    assert (run["name"], run["error"]) == ("cave/deep seed 7 failed at step 9", "The server did not answer.")
    hidden = failure_run(result, FACTS, BEGAN, Hiding(hidden_kinds(["observations"])))
    assert "The server" not in encoded(hidden).decode()
    assert run["trace_id"] == run["id"]


@pytest.mark.parametrize("kind", ["observations", "prompts", "replies", "notes"])
def test_what_is_hidden_leaves_no_text_of_its_kind(kind: str) -> None:
    operations = [SEARCH, APPEND]
    step = _step(_plan([_say("user", RESULTS)], operations), notices=["It is dark."], complaints=["Not done: SERCH."])
    texts = encoded(step_runs(step, FACTS, BEGAN, Hiding(hidden_kinds([kind])))).decode()
    quoted = {
        "observations": ["A cave.", "Fine.", "PLAN step 501", "It is dark."],
        "prompts": ["You play.", "PLAN step 501", "No line.", "It is dark.", "SERCH"],
        "replies": ["first", "<|ACTION|>", "lamp", '"dark"', '"go"'],
        "notes": ["lamp", '"dark"', "No line.", "PLAN step 501", "first"],
    }[kind]
    assert [text for text in quoted if text in texts] == []
    assert HIDDEN in texts
    assert '"outcome":"empty"' in texts
    assert '"file":"a.md"' in texts


def test_what_a_model_wrote_cannot_upset_the_store() -> None:
    assert (
        encoded({"a\0": ["x\0y", {"b": "\ud800"}], "n": 2**80})
        == '{"a␀": ["x␀y", {"b": "?"}], "n": %d}'.encode() % 2**80
    )
    assert encoded({"text": "a\0b", "other": "\\u0000"}) == '{"text":"a␀b","other":"\\\\u0000"}'.encode()


@pytest.mark.parametrize(
    ("score", "configuration", "expected"),
    [
        (1, None, 1.0),
        (True, None, 1.0),
        (0.25, {}, 0.25),
        (3, {"type": "continuous", "min": 1, "max": 5}, 0.5),
        (-1, {"type": "continuous", "min": -1, "max": 1}, 0.0),
        (2, {"type": "categorical", "categories": [{"value": 0}, {"value": 2}, {"value": 1}]}, 1.0),
        (3, None, None),
        (9, {"type": "continuous", "min": 1, "max": 5}, None),
        (None, None, None),
        (float("nan"), None, None),
        ("good", None, None),
    ],
)
def test_a_score_counts_as_the_share_that_its_scale_makes_it(
    score: Any, configuration: dict[str, Any] | None, expected: float | None
) -> None:
    assert share(score, configuration) == expected
