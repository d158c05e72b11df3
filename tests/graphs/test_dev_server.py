"""`langgraph dev`, really started: the graphs over its REST API, threads that go on, errors that arrive readable."""

from __future__ import annotations

import json
import shlex
import sys
import time
import urllib.error
import urllib.parse
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest
from dev_server import ROOT, DevServer
from foreign_scaffold import foreign_scaffold, why_not_contained
from lora_stub import LoraStub
from openai_stub import OpenAIStub, late, say
from playing import by_turn
from specializing import RECIPE
from trace_files import lines_of

from graphs.curator.players import served_name
from graphs.curator.run import Context as CuratorContext
from graphs.curator.run import Specialization
from graphs.curator.state import Input as CuratorInput
from graphs.evaluation.state import Input as EvaluationInput
from graphs.inner_agent import Context
from graphs.inner_agent.state import Input as InnerInput
from graphs.reviewer.search import Context as ReviewerContext
from graphs.reviewer.search import Search
from graphs.reviewer.state import Input as ReviewerInput
from graphs.served.web_pages import assistants
from traces import EpisodeFolder

INPUTS: dict[str, Any] = {
    "inner_agent": InnerInput,
    "evaluation": EvaluationInput,
    "reviewer": ReviewerInput,
    "curator": CuratorInput,
}
CONTEXTS: dict[str, Any] = {
    "inner_agent": Context,
    "evaluation": Context,
    "reviewer": ReviewerContext,
    "curator": CuratorContext,
}

SIX_DOORS = {"world": "vault", "task": "six-doors", "seed": 3, "model": "scripted"}


def test_a_run_advances_an_episode_and_the_next_run_on_the_thread_continues_it(server: DevServer) -> None:
    thread = server.thread()
    given = {"world": "crafter", "seed": 42, "steps": 3, "model": "scripted"}
    first = server.run(thread, "inner_agent", given)
    second = server.run(thread, "inner_agent", given)
    assert (first["step"], second["step"]) == (4, 7)
    assert first["seed"] == second["seed"] == 42
    assert "You face" in second["observation"]["long"]
    state = server.get(f"/threads/{thread}/state")
    assert state["values"]["step"] == 7
    assert state["next"] == []


def test_the_request_in_the_documentation_is_answered(server: DevServer) -> None:
    line = next(line for line in (ROOT / "docs" / "studio.md").read_text().splitlines() if line.startswith("curl"))
    words = shlex.split(line)
    path = urllib.parse.urlsplit(next(word for word in words if word.startswith("http"))).path
    assert server.post(path, json.loads(words[words.index("-d") + 1]))["step"] == 4


def test_two_threads_play_two_episodes_without_touching_each_other(server: DevServer) -> None:
    threads = [server.thread(), server.thread()]
    given = {"world": "vault", "seed": 5, "steps": 4, "model": "scripted"}
    ends = [server.run(thread, "inner_agent", given) for thread in threads]
    assert ends[0]["episode"] != ends[1]["episode"]
    assert ends[0]["observation"] == ends[1]["observation"]


def test_the_thread_history_shows_the_nodes_of_each_step(server: DevServer) -> None:
    thread = server.thread()
    server.run(thread, "inner_agent", {"world": "vault", "seed": 1, "steps": 2, "model": "scripted"})
    history = server.post(f"/threads/{thread}/history", {"limit": 50})
    nodes = [name for state in reversed(history) for name in state["next"]]
    assert nodes[:1] == ["__start__"]
    assert [name for name in nodes if name in ("observe", "act")] == ["observe", "act"] * 2
    assert {"log", "remember", "plan"} <= set(nodes)


def test_another_episode_on_the_same_thread_is_refused_in_one_sentence(server: DevServer) -> None:
    thread = server.thread()
    server.run(thread, "inner_agent", {"world": "vault", "seed": 1, "steps": 1, "model": "scripted"})
    refused = server.run(thread, "inner_agent", {"world": "vault", "seed": 2, "steps": 1, "model": "scripted"})
    assert refused["__error__"]["error"] == "SettingsError"
    assert "start a new thread" in refused["__error__"]["message"]


def test_a_reached_ceiling_is_an_output_and_a_higher_one_goes_on(server: DevServer) -> None:
    thread, given = server.thread(), {"world": "vault", "seed": 1, "steps": 3, "model": "scripted"}
    ended = server.run(thread, "inner_agent", given, context={"ceilings": {"calls": 2}})
    assert (ended["status"], ended["reason"]) == ("limited", "the episode's ceiling of 2 model calls is reached")
    assert server.get(f"/threads/{thread}")["status"] == "idle"
    goes_on = server.run(thread, "inner_agent", given, context={"ceilings": {"calls": 200}})
    assert (goes_on["status"], goes_on["step"]) == ("playing", ended["step"] + 3)


@pytest.mark.parametrize(
    ("graph", "given", "context"),
    [
        ("inner_agent", {}, {"runs": "runs/file"}),
        ("evaluation", {"tasks": ["one-door"], "seeds": [1], "out": "runs/file/run"}, {}),
        ("reviewer", {"tasks": ["one-door"], "seeds": [1], "out": "runs/file/run"}, {}),
    ],
)
def test_what_the_disk_refuses_arrives_in_a_sentence(
    server: DevServer, graph: str, given: dict[str, object], context: dict[str, object]
) -> None:
    (server.folder / "runs").mkdir(exist_ok=True)
    file = server.folder / "runs" / "file"
    file.touch()
    failed = server.run(server.thread(), graph, {"world": "vault", **given}, context=context)["__error__"]
    assert failed["error"] == "TraceFailure"
    assert "runs/file" in failed["message"]
    assert "there is a file where a folder is needed" in failed["message"]


def test_context_settings_arrive(server: DevServer) -> None:
    thread = server.thread()
    given = {"world": "vault", "seed": 1, "steps": 2, "model": "scripted"}
    server.run(thread, "inner_agent", given, context={"notebook": "off"})
    steps = server.get(f"/threads/{thread}/state")["values"]["episode"]
    assert steps
    messages = server.post(f"/threads/{thread}/history", {"limit": 50})
    nodes = {name for state in messages for name in state["next"]}
    assert "log" not in nodes


def test_what_a_model_writes_in_folders_blocks_nothing(server: DevServer) -> None:
    with OpenAIStub(by_turn({("LOG", 0): "<|CREATE|>deep/er/x.md<|END|><|DONE|>"})) as stub:
        given = {"world": "vault", "seed": 1, "steps": 3, "model": "vllm:m"}
        ended = server.run(server.thread(), "inner_agent", given, context={"base_url": stub.url})
    assert ended["step"] == 4


def test_a_run_cancelled_after_it_wrote_leaves_a_thread_that_goes_on(server: DevServer) -> None:
    writing = by_turn({("LOG", 0): "<|APPEND|>codes.md|something<|END|>", ("LOG", 1): "<|DONE|>"})
    with OpenAIStub(writing) as stub:
        thread, context = server.thread(), {"base_url": stub.url}
        given = {"world": "vault", "seed": 1, "steps": 2, "model": "vllm:m"}
        server.run(thread, "inner_agent", given, context=context)
        stub.script(say("<|APPEND|>codes.md|and more<|END|>"), late(30))
        asked = len(stub.bodies)
        body = {"assistant_id": "inner_agent", "input": given, "context": context}
        run = server.post(f"/threads/{thread}/runs", body)["run_id"]
        while len(stub.bodies) < asked + 2:  # it has written, and waits for the late answer
            time.sleep(0.05)
        server.post(f"/threads/{thread}/runs/{run}/cancel?wait=true", {})
        for played in (5, 7):
            assert server.run(thread, "inner_agent", given, context=context)["step"] == played


def test_a_run_that_is_rolled_back_leaves_the_episode_in_its_folder(server: DevServer) -> None:
    thread = server.thread()
    before = server.run(thread, "inner_agent", {**SIX_DOORS, "steps": 3})
    folder = EpisodeFolder(server.folder / before["episode"])
    kept = folder.steps.read_bytes()
    body = {"assistant_id": "inner_agent", "input": {**SIX_DOORS, "steps": 5000}}
    run = server.post(f"/threads/{thread}/runs", body)["run_id"]
    while len(lines_of(folder)) < 6:
        time.sleep(0.05)
    server.post(f"/threads/{thread}/runs/{run}/cancel?wait=true&action=rollback", {})
    after = server.run(thread, "inner_agent", {**SIX_DOORS, "steps": 1})
    assert (after["step"], after["episode"]) == (5, before["episode"])
    assert folder.steps.read_bytes().startswith(kept)
    assert len(lines_of(folder)) == 4
    assert len(lines_of(EpisodeFolder(folder.path / "attempt-1"))) >= 6


def test_a_state_that_a_person_wrote_is_played_on_whatever_node_it_stands_for(server: DevServer) -> None:
    thread = server.thread()
    step = server.run(thread, "inner_agent", {**SIX_DOORS, "steps": 3})["step"]
    for node in ("observe", "act"):
        server.post(f"/threads/{thread}/state", {"values": {"steps": 2}, "as_node": node})
        assert server.get(f"/threads/{thread}/state")["next"] != []
        step += 2
        assert server.run(thread, "inner_agent", None)["step"] == step


def test_an_evaluation_runs_over_the_api(server: DevServer, tmp_path: Path) -> None:
    given = {
        "world": "vault",
        "tasks": ["one-door"],
        "seeds": [1, 2],
        "model": "scripted",
        "out": str(tmp_path / "run"),
    }
    ended = server.run(server.thread(), "evaluation", given)
    assert ended["summary"]["overall"]["n"] == 2
    assert (tmp_path / "run" / "summary.json").exists()


def test_a_search_of_the_stand_ins_runs_whole_over_the_api(server: DevServer, tmp_path: Path) -> None:
    given = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "versions": 1, "attempts": 1, "continuations": 0}
    given |= {"out": str(tmp_path / "search"), "model": "scripted", "reviewer_model": "scripted"}
    ended = server.run(server.thread(), "reviewer", given, context={"max_steps": 4})
    assert ended["ended"] == "Version 1 is not reached: 1 attempt did not lead to it."
    reviews = json.loads((tmp_path / "search" / "attempts" / "v1.a1" / "reviews.json").read_text())
    assert reviews[0]["finished"]


def test_loop_2_of_the_stand_ins_runs_whole_over_the_api(
    server: DevServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder, name in ((base, ""), (adapter, "adapter_")):
        folder.mkdir()
        (folder / f"{name}config.json").write_text('{"r": 4}')
        (folder / f"{name}model.safetensors").write_bytes(b"weights")
    given = {"world": "vault", "tasks": ["one-door"], "out": str(tmp_path / "run"), "iterations": 1}
    given |= {"train_seeds": [1, 2], "validation_seeds": [11], "final_seeds": [21], "minimum_examples": 4}
    (tmp_path / "few.toml").write_text(RECIPE.replace("minimum_examples = 8", "minimum_examples = 4"))
    given |= {"base": "vllm:base", "weights": str(base), "recipe": str(tmp_path / "few.toml")}
    words = [sys.executable, str(ROOT / "tests" / "kit" / "quick_training.py"), str(adapter), "works"]
    (tmp_path_factory.getbasetemp() / "launchers.toml").write_text(f"quick = {json.dumps(words)}")
    given["launcher"] = ["quick"]
    with LoraStub("base") as stub:
        context = {"base_url": stub.url, "gameplay_model": "scripted", "max_steps": 9}
        ended = server.run(server.thread(), "curator", given, context=context)
        assert ended.get("winner") == "1a", ended
        assert list(stub.adapters) == [served_name(Path(ended["adapter"]))]
    assert (tmp_path / "run" / "final" / "table.json").exists()


@pytest.mark.skipif(why_not_contained() != "", reason=why_not_contained())
def test_a_scaffold_of_ones_own_plays_contained_and_a_harmful_one_fails_alone(
    server: DevServer, tmp_path: Path
) -> None:
    given = {"world": "vault", "task": "three-doors", "seed": 1, "steps": 3, "model": "scripted"}
    harmful = foreign_scaffold(tmp_path / "harmful", "import os; os._exit(1)")
    good = foreign_scaffold(tmp_path / "good")
    stopped = server.run(
        server.thread(), "inner_agent", given, context={"scaffold": str(harmful), "runs": str(tmp_path)}
    )
    assert stopped["__error__"]["error"] == "HookFailure"
    played = server.run(server.thread(), "inner_agent", given, context={"scaffold": str(good), "runs": str(tmp_path)})
    assert played["step"] == 4
    assert (Path(played["episode"]) / "memory" / "status.md").read_text() == "step 3, 0 codes"


@pytest.mark.parametrize("graph", ["inner_agent", "evaluation", "reviewer", "curator"])
def test_every_field_is_described_in_the_schemas_that_studio_shows(server: DevServer, graph: str) -> None:
    found = server.post("/assistants/search", {"graph_id": graph})[0]["assistant_id"]
    schemas = server.get(f"/assistants/{found}/schemas")
    given, context = schemas["input_schema"], schemas["context_schema"]
    assert set(given["properties"]) == set(INPUTS[graph].__annotations__)
    assert set(context["properties"]) == {field.name for field in fields(CONTEXTS[graph])}
    for schema in (given, context):
        for name, field in schema["properties"].items():
            assert field["title"], name
            assert len(field["description"]) > 10, name
            assert "default" in field or name in schema["required"], name
    assert {"crafter", "vault", "nethack", "minihack"} <= set(choices(given, "world"))
    assert {"one-door", "six-doors"} <= set(choices(given, "task" if graph == "inner_agent" else "tasks"))
    assert choices(context, "notebook") == ["on", "off", "frozen"]
    assert choices(context, "dialect") == ["tags", "functions"]
    assert choices(context, "ceilings") == ["calls", "tokens", "cost", "minutes"]
    if graph == "reviewer":
        assert choices(given, "gate") == ["mean", "paired", "confirm"]


@pytest.mark.parametrize("graph", ["inner_agent", "evaluation", "reviewer", "curator"])
def test_three_ready_assistants_of_each_graph_are_there_with_an_input_that_fits(server: DevServer, graph: str) -> None:
    found = {one["name"]: one for one in server.post("/assistants/search", {"graph_id": graph})}
    ready = [one for one in assistants() if one.graph == graph]
    assert len(ready) == 3
    assert len(found) == 4
    for one in ready:
        served = found[one.name]
        assert (served["description"], served["context"]) == (one.description, one.context)
        assert served["metadata"]["input"] == one.input
        context = CONTEXTS[graph](**one.context)
        if graph == "inner_agent":
            played = server.run(server.thread(), served["assistant_id"], one.input)
            assert played["step"] == one.input["steps"] + 1
        elif graph == "reviewer":
            Search.checked(cast(ReviewerInput, one.input), context)
        elif graph == "curator":
            Specialization.checked(cast(CuratorInput, one.input), context)
        else:
            ended = server.run(server.thread(), served["assistant_id"], {**one.input, "seeds": [1]})
            assert ended["summary"]["overall"]["n"] == 1


def choices(schema: dict[str, Any], name: str) -> list[str]:
    """The values that a schema offers for a field, its items or its keys."""
    field = schema["properties"][name]
    field = next((one for one in field.get("anyOf", []) if one["type"] != "null"), field)
    return list(field.get("items", field.get("propertyNames", field))["enum"])
