"""Constrained runs: not one mistake from a model that knows nothing, and refusals before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_stub import OpenAIStub, holding, say, status
from playing import Json, folder_of, play, steps_of
from tiny_model import make_tiny_model

from chat_models import ConfigurationError, ProviderFailure
from graphs.evaluation import graph
from graphs.settings import Context, SettingsError
from traces import RunFolder, read_run


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny random model that can read the scaffold's prompts."""
    weights = make_tiny_model(tmp_path_factory.mktemp("tiny") / "base", context=16384)
    return f"embedded+weights={weights}+dtype=float32+tokens=64"


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub() as server:
        yield server


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, spec: str) -> Path:
    """Where a constrained episode was played, in the thread "held"."""
    folder = tmp_path_factory.mktemp("held")
    play(folder, 1, thread="held", model=spec, constrained=True)
    return folder


def outcomes(folder: Path, thread: str) -> list[str]:
    steps = steps_of(folder, thread)
    return [facts.outcome for step in steps for talk in step.conversations for facts in talk.operations]


def test_a_constrained_episode_holds_no_mistake_and_an_unconstrained_one_little_else(
    tmp_path: Path, held: Path, spec: str
) -> None:
    play(tmp_path, 1, thread="free", model=spec)
    assert "mistake" not in outcomes(held, "held")
    assert outcomes(held, "held")
    assert outcomes(tmp_path, "free").count("mistake") > 5


def test_a_constrained_episode_can_be_repeated(tmp_path: Path, held: Path, spec: str) -> None:
    play(tmp_path, 1, thread="again", model=spec, constrained=True)
    said = [
        [talk.messages for step in steps_of(folder, thread) for talk in step.conversations]
        for folder, thread in ((held, "held"), (tmp_path, "again"))
    ]
    assert said[0] == said[1]


def test_the_run_records_that_it_was_constrained(held: Path) -> None:
    recorded = read_run(RunFolder(folder_of(held, "held").path.parents[3]))
    assert recorded is not None
    assert recorded["configuration"]["settings"]["constrained"] is True


def test_every_call_to_vllm_carries_the_expression_of_its_routine(tmp_path: Path, stub: OpenAIStub) -> None:
    stub.default = holding(say("<|DONE|><|ACTION|>Wait<|END|>"))
    play(tmp_path, 2, model="vllm:m", base_url=stub.url, constrained=True)
    probe, *bodies = stub.bodies
    assert "hello" in probe["messages"][0]["content"]
    asked: dict[str, Json] = {body["messages"][1]["content"].split(" ")[0]: body for body in bodies}
    assert sorted(asked) == ["LOG", "PLAN"]
    assert "<\\|DONE\\|>" in asked["LOG"]["structured_outputs"]["regex"]
    assert "<\\|ACTION\\|>" in asked["PLAN"]["structured_outputs"]["regex"]


def test_beside_a_scripted_player_only_the_language_model_is_held(tmp_path: Path, stub: OpenAIStub) -> None:
    stub.default = holding(say("<|DONE|>"))
    play(tmp_path, 2, model="vllm:m", base_url=stub.url, gameplay_model="scripted", constrained=True)
    _, *bodies = stub.bodies
    assert bodies
    assert all("structured_outputs" in body for body in bodies)


@pytest.mark.parametrize(("limit", "counted"), [(40, True), (4096, False)])
def test_a_short_limit_of_tokens_leaves_room_for_an_operation_after_free_text(
    tmp_path: Path, stub: OpenAIStub, limit: int, counted: bool
) -> None:
    stub.default = holding(say("<|DONE|><|ACTION|>Wait<|END|>"))
    play(tmp_path, 1, model="vllm:m", base_url=stub.url, constrained=True, max_tokens=limit)
    assert (f"{{0,{limit}}}" in stub.bodies[-1]["structured_outputs"]["regex"]) is counted


def test_a_model_that_cannot_be_constrained_is_refused_before_the_first_call(tmp_path: Path, stub: OpenAIStub) -> None:
    with pytest.raises(ConfigurationError, match="The replies of scripted cannot be constrained"):
        play(tmp_path, 1, constrained=True)
    with pytest.raises(ConfigurationError, match="The replies of openai:m cannot be constrained"):
        play(tmp_path, 1, model="vllm:m", gameplay_model="openai:m", base_url=stub.url, constrained=True)
    assert stub.bodies == []


def test_a_server_that_holds_no_reply_is_refused_before_the_first_step(tmp_path: Path, stub: OpenAIStub) -> None:
    stub.default = say("<|ACTION|>Wait<|END|>")
    asked = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "model": "vllm:m", "out": str(tmp_path / "run")}
    context = Context(base_url=stub.url, constrained=True, patience_s=0, attempts=1)
    with pytest.raises(ConfigurationError, match="passes over the request to constrain replies"):
        graph.invoke(asked, context=context)
    stub.script(status(500))
    with pytest.raises(ProviderFailure, match="HTTP 500"):
        graph.invoke(asked, context=context)
    assert len(stub.bodies) == 2
    assert not (tmp_path / "run").exists()


def test_functions_cannot_be_constrained(tmp_path: Path, stub: OpenAIStub) -> None:
    with pytest.raises(SettingsError, match="the dialect is functions: set `dialect` to tags"):
        play(tmp_path, 1, model="vllm:m", base_url=stub.url, dialect="functions", constrained=True)
    assert stub.bodies == []
