"""Base and specialist from one copy of the weights: an adapter for one role, none for the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from playing import play, steps_of
from tiny_model import make_adapter, make_tiny_model

from chat_models.embedded import EmbeddedChatModel
from graphs.inner_agent.opening import models
from graphs.settings import Context, episode_settings


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "base", context=16384)


def specs(tiny: Path, adapter: Path) -> tuple[str, str]:
    """(the memory specialist, the base)"""
    base = f"embedded+weights={tiny}+dtype=float32+tokens=90"
    return f"{base}+adapter={adapter}", base


def of_memory(model: str, gameplay_model: str) -> EmbeddedChatModel:
    settings = episode_settings({"world": "vault", "model": model}, Context(gameplay_model=gameplay_model))
    playing = models(settings)
    memory, gameplay = playing["memory"], playing["gameplay"]
    assert isinstance(memory, EmbeddedChatModel)
    assert isinstance(gameplay, EmbeddedChatModel)
    assert memory.engine is gameplay.engine
    assert gameplay.adapter is None
    return memory


def test_both_roles_play_and_the_run_can_be_repeated(tiny: Path, tmp_path: Path) -> None:
    specialist, base = specs(tiny, make_adapter(tmp_path / "adapter", tiny))
    said = []
    for thread in ("one", "two"):
        play(tmp_path, 2, thread=thread, model=specialist, gameplay_model=base, constrained=True)
        talks = [talk for step in steps_of(tmp_path, thread) for talk in step.conversations]
        assert {talk.role for talk in talks} == {"memory", "gameplay"}
        said.append([talk.messages for talk in talks])
    assert said[0] == said[1]


def test_an_adapter_trained_anew_under_its_path_is_the_one_that_plays(tiny: Path, tmp_path: Path) -> None:
    specialist, base = specs(tiny, make_adapter(tmp_path / "adapter", tiny, seed=1))
    before = of_memory(specialist, base)
    make_adapter(tmp_path / "adapter", tiny, seed=2)
    after = of_memory(specialist, base)
    assert before.adapter is not None
    assert after.adapter is not None
    assert before.adapter.digest != after.adapter.digest
