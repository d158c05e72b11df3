"""Calls side by side, prefixes seen before and adapters change nothing in what a call is answered."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_model import make_adapter, make_tiny_model

from chat_models import Completion, ConfigurationError, Retry, acall, call, chat_model
from chat_models.embedded import EmbeddedChatModel
from chat_models.embedded_engine import Engine, Reply, Request
from chat_models.embedded_network import BLOCK
from chat_models.embedded_spec import read_spec

ONCE = Retry(attempts=1)
SYSTEM = {"role": "system", "content": "You keep a notebook. " * 30}


def pages(count: int) -> list[list[dict[str, str]]]:
    """Prompts that begin alike and differ in length."""
    return [
        [SYSTEM, {"role": "user", "content": f"PLAN step {n}\n" + "You see water. " * (7 * n)}] for n in range(count)
    ]


def embedded(weights: Path, *parts: str, dtype: str = "float32", **settings: Any) -> EmbeddedChatModel:
    made = chat_model("+".join([f"embedded+weights={weights}", f"dtype={dtype}", *parts]), world="none", **settings)
    assert isinstance(made, EmbeddedChatModel)
    return made


def fresh(weights: Path, dtype: str, **settings: Any) -> Engine:
    return Engine(weights, dtype, **settings)


def answers(engine: Engine, requests: list[Request]) -> list[Reply]:
    """The replies to calls that arrive together."""
    futures = [engine.submit(request) for request in requests]
    return [future.result(timeout=60) for future in futures]


def watch_widths(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls share each step from now on."""
    widths: list[int] = []
    step = engine.network.step

    def watched(rows: Any, tokens: Any) -> Any:
        widths.append(len(rows))
        return step(rows, tokens)

    monkeypatch.setattr(engine.network, "step", watched)
    return widths


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_calls_side_by_side_are_answered_as_each_alone(
    tiny: Path, dtype: str, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request(page, limit=20 + 5 * n, temperature=temperature, seed=n) for n, page in enumerate(pages(4))]
    # Each alone, and nothing to reuse.
    alone = [answers(fresh(tiny, dtype, prefix_bytes=0), [request])[0] for request in requests]
    assert len({reply.text for reply in alone}) == len(alone)
    engine = fresh(tiny, dtype)
    answers(engine, requests[:1])
    widths = watch_widths(engine, monkeypatch)
    together = answers(engine, requests)
    assert max(widths) > 1
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert all(reply.cached_tokens > 0 for reply in together)


def test_calls_of_one_event_loop_share_steps(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = embedded(tiny, "tokens=40")
    call(model, pages(1)[0], seed=1, retry=ONCE)
    widths = watch_widths(model.engine, monkeypatch)

    async def all_at_once() -> list[Completion]:
        return await asyncio.gather(*(acall(model, page, seed=1, retry=ONCE) for page in pages(5)))

    together = asyncio.run(all_at_once())
    alone = [call(model, page, seed=1, retry=ONCE) for page in pages(5)]
    assert [said.message for said in together] == [said.message for said in alone]
    assert max(widths) > 1


def test_more_calls_than_fit_wait_for_their_turn(tiny: Path) -> None:
    requests = [Request(page, limit=6, seed=n) for n, page in enumerate(pages(5) * 8)]
    replies = answers(fresh(tiny, "float32"), requests)
    assert all(reply.completion_tokens == 6 or reply.finish_reason == "stop" for reply in replies)


def test_a_prefix_seen_before_is_counted_as_cached(tiny: Path) -> None:
    engine = fresh(tiny, "float32")
    first, second = pages(2)
    assert answers(engine, [Request(first, limit=2, seed=1)])[0].cached_tokens == 0
    reply = answers(engine, [Request(second, limit=2, seed=1)])[0]
    assert reply.cached_tokens % BLOCK == 0
    assert 0 < reply.prompt_tokens - reply.cached_tokens <= 2 * BLOCK


def test_a_conversation_that_grows_reuses_its_own_turns(tiny: Path) -> None:
    engine = fresh(tiny, "float32")
    talk = pages(3)[2]
    reply = answers(engine, [Request(talk, limit=30, seed=1)])[0]
    longer = [*talk, {"role": "assistant", "content": reply.text}, {"role": "user", "content": "RESULTS " * 40}]
    again = answers(engine, [Request(longer, limit=30, seed=2)])[0]
    assert reply.prompt_tokens - again.cached_tokens < BLOCK
    assert again.text == answers(fresh(tiny, "float32", prefix_bytes=0), [Request(longer, limit=30, seed=2)])[0].text


def test_prefixes_stay_within_their_bytes(tiny: Path) -> None:
    engine = fresh(tiny, "float32")
    answers(engine, [Request(pages(1)[0], limit=1, seed=1)])
    block = engine.prefixes.bytes // len(engine.prefixes)
    small = fresh(tiny, "float32", prefix_bytes=3 * block)
    wanted = [answers(fresh(tiny, "float32"), [Request(page, limit=9, seed=1)])[0].text for page in pages(4)]
    for _ in range(2):
        said = [answers(small, [Request(page, limit=9, seed=1)])[0].text for page in pages(4)]
        assert said == wanted
        assert len(small.prefixes) == 3
        assert small.prefixes.bytes == 3 * block


# --- adapters --------------------------------------------------------------------------------------------------------


def test_an_adapter_says_what_peft_would_generate(tiny: Path, adapters: tuple[Path, Path]) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    base: Any = AutoModelForCausalLM.from_pretrained(tiny)
    reference: Any = PeftModel.from_pretrained(base, adapters[0])
    prompt = tokenizer.apply_chat_template(
        pages(2)[1], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    wanted = reference.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    said = call(embedded(tiny, f"adapter={adapters[0]}", "tokens=40", temperature=0.0), pages(2)[1], retry=ONCE)
    assert said.message["content"] == tokenizer.decode(wanted, skip_special_tokens=True)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_base_and_adapters_side_by_side_are_answered_as_each_alone(
    tiny: Path, adapters: tuple[Path, Path], dtype: str
) -> None:
    places = [None, *((f"a{n}", folder) for n, folder in enumerate(adapters))]
    requests = [Request(page, limit=25, seed=n, adapter=places[n % 3]) for n, page in enumerate([*pages(5), *pages(4)])]
    alone = [answers(fresh(tiny, dtype, prefix_bytes=0), [request])[0].text for request in requests]
    engine = fresh(tiny, dtype)
    for _ in range(2):  # the second time with prefixes to reuse
        assert [reply.text for reply in answers(engine, requests)] == alone
    assert len(set(alone)) == len(alone)


def test_base_and_adapter_share_one_copy_of_the_weights(tiny: Path, adapters: tuple[Path, Path]) -> None:
    base, one = embedded(tiny), embedded(tiny, f"adapter={adapters[0]}")
    assert base.engine is one.engine
    before = call(base, pages(1)[0], seed=1, retry=ONCE).message
    adapted = call(one, pages(1)[0], seed=1, retry=ONCE).message
    assert adapted != before == call(base, pages(1)[0], seed=1, retry=ONCE).message


def test_an_adapter_trained_anew_under_its_old_path_is_another_one(tiny: Path, tmp_path: Path) -> None:
    place = make_adapter(tmp_path / "mine", tiny, seed=3)
    old = call(embedded(tiny, f"adapter={place}"), pages(1)[0], seed=1, retry=ONCE).message
    make_adapter(place, tiny, seed=4)
    new = call(embedded(tiny, f"adapter={place}"), pages(1)[0], seed=1, retry=ONCE).message
    assert old != new


def test_an_adapter_that_is_not_there_is_our_error(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no adapter in .*/nowhere: it needs adapter_config.json"):
        embedded(tiny, f"adapter={tmp_path / 'nowhere'}")


def test_an_adapter_of_another_base_is_our_error(tmp_path: Path, adapters: tuple[Path, Path]) -> None:
    for settings, sentence in (
        ({"hidden": 32}, r"is \d+ wide in the base and \d+ in the adapter"),
        ({"layers": 1}, r"the base has no layer model.layers.1"),
    ):
        other = make_tiny_model(tmp_path / "-".join(settings), **settings)
        with pytest.raises(ConfigurationError, match=f"trained for another base .*{sentence}"):
            embedded(other, f"adapter={adapters[0]}")


def test_an_adapter_that_names_another_model_of_the_same_form_is_our_error(
    tiny: Path, adapters: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_models.embedded_spec.get_weights", lambda: tiny)
    adapter = shutil.copytree(adapters[0], tmp_path / "a")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    for base, known in (("HuggingFaceTB/SmolLM2-135M", False), ("HuggingFaceTB/SmolLM2-135M-Instruct", True)):
        (adapter / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": base}))
        if known:
            assert read_spec(f"embedded+adapter={adapter}").adapter is not None
        else:
            with pytest.raises(ConfigurationError, match=r"another base \(HuggingFaceTB/SmolLM2-135M\)"):
                read_spec(f"embedded+adapter={adapter}")


@pytest.mark.parametrize("damage", ["torn", "empty", "text", "kind"])
def test_a_broken_adapter_is_our_error(tiny: Path, adapters: tuple[Path, Path], tmp_path: Path, damage: str) -> None:
    adapter = shutil.copytree(adapters[0], tmp_path / "a")
    tensors = adapter / "adapter_model.safetensors"
    if damage == "kind":
        settings = json.loads((adapter / "adapter_config.json").read_text())
        (adapter / "adapter_config.json").write_text(json.dumps({**settings, "peft_type": "IA3"}))
    elif damage == "text":
        (adapter / "adapter_config.json").write_text("{")
    else:
        tensors.write_bytes(tensors.read_bytes()[: 40 if damage == "torn" else 0])
    with pytest.raises(ConfigurationError, match=r"The adapter in .*(cannot be read|of type IA3)"):
        embedded(tiny, f"adapter={adapter}")
