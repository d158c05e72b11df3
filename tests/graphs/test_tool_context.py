"""Long conversations are cut to what the model takes in, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_desk import Desk, noted
from langchain_core.messages import AIMessage
from puppet_agent import puppet_agent

from graphs.agent.middleware import fitted, room


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_old_results_give_way_to_a_pointer_and_stay_in_the_transcript(desk: Desk) -> None:
    long = [("tell", {"characters": 2_000})]
    model = puppet_agent(*[long] * 12, "done")
    desk.run(model, context_characters=10_000)
    sizes = [sum(len(message.text) for message in asked) for asked in model.asked]
    assert max(sizes) <= 10_000
    cut = [message.text for message in model.asked[-1] if message.text.startswith("[Cut")]
    assert set(cut) == {
        '[Cut to save room: tell {"characters":2000} gave 2,000 characters here. Call it again to see them.]'
    }
    assert sum(len(content) for kind, content in desk.lines() if kind == "tool") == 24_000
    for before, after in zip(model.asked[1:], model.asked[2:], strict=False):  # what is cut stays cut
        texts = [message.text for message in after]
        assert all(texts[i].startswith("[Cut") for i, m in enumerate(before) if m.text.startswith("[Cut"))


def test_long_texts_that_were_written_give_way_too(desk: Desk) -> None:
    model = puppet_agent(*[noted(letter * 3_000) for letter in "abcdefgh"], "done")
    desk.run(model, context_characters=8_000)
    written = [m.tool_calls[0]["args"]["text"] for m in model.asked[-1] if isinstance(m, AIMessage)]
    assert written[0] == "[Cut to save room: 3,000 characters that you wrote here.]"
    assert written[-1] == "h" * 3_000
    assert [text[0] for text in desk.done] == list("abcdefgh")


def test_the_room_is_the_models_unless_it_is_configured() -> None:
    model = puppet_agent()
    assert room(model, 5_000) == 5_000
    assert room(model, None) == 300_000
    assert room(model.model_copy(update={"profile": {"max_input_tokens": 1_000}}), None) == 2_400
    assert fitted([], 10) == []
