"""The embedded model: what it answers, when it stops, what it says of itself, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from chat_models import Completion, ConfigurationError, FailureKind, ProviderFailure, Retry, acall, call, chat_model
from chat_models.embedded import EmbeddedChatModel
from chat_models.embedded_engine import Engine, Reply, Request
from chat_models.embedded_network import BLOCK

ONCE = Retry(attempts=1)
PAGE = [
    {"role": "system", "content": "You keep a notebook. " * 30},
    {"role": "user", "content": "PLAN step 3\n\nYou see water."},
]
"""Longer than a block of the prefix cache."""


def embedded(weights: Path, *parts: str, dtype: str = "float32", **settings: Any) -> EmbeddedChatModel:
    spec = "+".join([f"embedded+weights={weights}", f"dtype={dtype}", *parts])
    made = chat_model(spec, world="none", **settings)
    assert isinstance(made, EmbeddedChatModel)
    return made


def say(model: EmbeddedChatModel, messages: list[dict[str, Any]] | None = None, **options: Any) -> Completion:
    return call(model, messages or PAGE, retry=ONCE, **options)


def test_a_sampler_of_one_token_says_what_is_likeliest_whatever_the_seed(tiny: Path) -> None:
    likeliest = say(embedded(tiny, "tokens=20", temperature=0.0)).message
    drawn = embedded(tiny, "tokens=20", sampler={"top_k": 1})
    assert [say(drawn, seed=seed).message for seed in (1, 2)] == [likeliest, likeliest]
    assert say(embedded(tiny, "tokens=20"), seed=1).message != likeliest


def together(model: EmbeddedChatModel, seeds: Sequence[int]) -> list[Completion]:
    async def asked() -> list[Completion]:
        return await asyncio.gather(*(acall(model, PAGE, seed=seed, retry=ONCE) for seed in seeds))

    return asyncio.run(asked())


def generated(weights: Path, count: int) -> tuple[Any, list[int], int]:
    """(tokenizer, what transformers' own generate writes at temperature 0, tokens of the prompt)."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(weights)
    reference: Any = AutoModelForCausalLM.from_pretrained(weights)
    prompt = tokenizer.apply_chat_template(PAGE, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    length = prompt["input_ids"].shape[1]
    written = reference.generate(**prompt, max_new_tokens=count, do_sample=False)[0, length:]
    return tokenizer, written.tolist(), length


def test_it_says_what_transformers_would_generate(tiny: Path) -> None:
    tokenizer, wanted, length = generated(tiny, 60)
    said = say(embedded(tiny, "tokens=60", temperature=0.0))
    assert said.message == {"role": "assistant", "content": tokenizer.decode(wanted, skip_special_tokens=True)}
    assert said.prompt_tokens == length


def test_a_seed_repeats_a_reply_and_another_does_not(tiny: Path) -> None:
    model = embedded(tiny)
    one, again, other = (say(model, seed=seed).message["content"] for seed in (5, 5, 6))
    assert one == again != other


def test_without_a_seed_replies_differ(tiny: Path) -> None:
    model = embedded(tiny)
    assert say(model).message != say(model).message


def test_both_ways_to_call_say_the_same(tiny: Path) -> None:
    model = embedded(tiny)
    assert say(model, seed=5).message == asyncio.run(acall(model, PAGE, seed=5, retry=ONCE)).message


def test_tokens_are_counted_and_a_cut_reply_says_so(tiny: Path) -> None:
    said = say(embedded(tiny, "tokens=9"), seed=1)
    assert (said.completion_tokens, said.finish_reason) == (9, "length")
    assert said.prompt_tokens is not None
    assert said.prompt_tokens > 300
    assert len(said.message["content"]) >= 3


@pytest.mark.parametrize(
    ("parts", "max_tokens", "limit"), [([], 4096, 256), ([], 5, 5), (["tokens=7"], 4096, 7), (["tokens=900"], 300, 300)]
)
def test_a_reply_is_as_long_as_the_lower_limit_allows(
    tiny: Path, parts: list[str], max_tokens: int, limit: int
) -> None:
    assert embedded(tiny, *parts, max_tokens=max_tokens).max_tokens == limit


def test_a_reply_ends_with_the_token_that_ends_a_turn(tiny: Path, tmp_path: Path) -> None:
    tokenizer, wanted, _ = generated(tiny, 30)
    weights = shutil.copytree(tiny, tmp_path / "other")
    settings = json.loads((weights / "generation_config.json").read_text())
    (weights / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [2, wanted[12]]}))
    said = say(embedded(weights, "tokens=30", temperature=0.0))
    before = wanted[: wanted.index(wanted[12])]
    assert said.message["content"] == tokenizer.decode(before)
    assert (said.completion_tokens, said.finish_reason) == (len(before) + 1, "stop")


def test_a_stop_string_ends_the_reply(tiny: Path) -> None:
    model = embedded(tiny, temperature=0.0)
    whole = model.invoke("hi").content
    assert isinstance(whole, str)
    cut = model.invoke("hi", stop=[whole[5:7]])
    assert whole.startswith(str(cut.content))
    assert len(cut.content) <= 5
    assert cut.response_metadata["finish_reason"] == "stop"


def test_a_prompt_beyond_the_context_is_a_failure_that_is_not_tried_again(tiny: Path) -> None:
    with pytest.raises(ProviderFailure, match=r"the prompt has \d+ tokens, the model reads 2048") as caught:
        call(embedded(tiny), [{"role": "user", "content": "z" * 3000}], retry=Retry(attempts=5, base_s=60))
    assert caught.value.kind is FailureKind.CONTEXT_TOO_LONG
    assert caught.value.attempts == 1


def test_a_reply_ends_where_the_context_does(tiny: Path) -> None:
    model = embedded(tiny, "tokens=1000")
    empty = say(model, [{"role": "user", "content": ""}], constraint="a").prompt_tokens
    assert empty is not None
    said = say(model, [{"role": "user", "content": "z" * (2048 - 6 - empty)}], seed=3)
    assert (said.prompt_tokens, said.completion_tokens, said.finish_reason) == (2042, 6, "length")


def test_functions_are_refused_before_anything_is_computed(tiny: Path) -> None:
    tool = {"type": "function", "function": {"name": "read", "description": "", "parameters": {}}}
    with pytest.raises(ConfigurationError, match=r"cannot call functions: use the dialect tags"):
        say(embedded(tiny), tools=[tool])


def test_the_event_loop_goes_on_while_the_model_writes(tiny: Path) -> None:
    async def count_meanwhile() -> int:
        writing = asyncio.create_task(acall(embedded(tiny), PAGE, seed=1, retry=ONCE))
        turns = 0
        while not writing.done():
            await asyncio.sleep(0.001)
            turns += 1
        await writing
        return turns

    assert asyncio.run(count_meanwhile()) > 5


def test_a_cancelled_call_leaves_the_others_alone(tiny: Path) -> None:
    model = embedded(tiny)
    wanted = say(model, seed=2).message

    async def cancel_one() -> Completion:
        dropped, kept = (asyncio.create_task(acall(model, PAGE, seed=seed, retry=ONCE)) for seed in (1, 2))
        await asyncio.sleep(0.01)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        return await kept

    assert asyncio.run(cancel_one()).message == wanted


def test_what_breaks_in_the_worker_reaches_the_caller_and_the_next_call_is_served(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = embedded(tiny)
    wanted = say(model, seed=2).message

    def broken(*_: Any) -> None:
        raise RuntimeError("no memory left")

    with monkeypatch.context() as patched:
        patched.setattr(model.engine.network, "step", broken)
        with pytest.raises(ProviderFailure, match="no memory left"):
            say(model, seed=2)
    assert say(model, seed=2).message == wanted


@pytest.fixture
def changed(tmp_path: Path, tiny: Path) -> Callable[..., Path]:
    """The model's folder with another configuration."""

    def change(**fields: object) -> Path:
        folder = shutil.copytree(tiny, tmp_path / "changed")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **fields}))
        return folder

    return change


def test_a_model_with_a_sliding_window_says_what_transformers_would_generate(changed: Callable[..., Path]) -> None:
    folder = changed(model_type="mistral", architectures=["MistralForCausalLM"], sliding_window=32)
    tokenizer, wanted, length = generated(folder, 40)
    model = embedded(folder, "tokens=40", temperature=0.0)
    assert length > 2 * BLOCK
    for _ in range(2):
        said = say(model)
        assert said.message["content"] == tokenizer.decode(wanted, skip_special_tokens=True)
    assert said.cached_tokens == 0
    sampled = embedded(folder, "tokens=20")
    alone = [say(sampled, seed=seed).message for seed in range(3)]
    assert [one.message for one in together(sampled, range(3))] == alone


def test_a_template_without_a_system_role_gets_the_text_with_the_first_user_message(tmp_path: Path, tiny: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "folding")
    template = (folder / "chat_template.jinja").read_text()
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(refusing + template)
    joined = [{"role": "user", "content": f"{PAGE[0]['content']}\n\n{PAGE[1]['content']}"}]
    assert say(embedded(folder), seed=1).message == say(embedded(tiny), joined, seed=1).message
    (folder / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    with pytest.raises(ConfigurationError, match="The chat template of the model refuses the prompt: never"):
        say(embedded(shutil.copytree(folder, tmp_path / "refusing")))
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match="has no chat template: name one made for conversations"):
        say(embedded(shutil.copytree(folder, tmp_path / "without")))


def test_weights_that_cannot_be_loaded_are_our_error(changed: Callable[..., Path]) -> None:
    folder = changed(architectures=["BertForMaskedLM"], model_type="bert")
    with pytest.raises(ConfigurationError, match=r"\(BertForMaskedLM\) is no causal language model"):
        embedded(folder)
    (folder / "config.json").write_text('{"model_type": "not a known one"}')
    with pytest.raises(ConfigurationError, match=r"loaded as a causal language model: .*not a known one"):
        say(embedded(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"The configuration .*config.json cannot be read"):
        embedded(folder)
    (folder / "model.safetensors").rename(folder / "model.gguf")
    with pytest.raises(ConfigurationError, match=r"\(model.safetensors\) is missing \(its GGUF files are"):
        embedded(folder)


def test_a_model_that_keeps_no_cache_is_refused(changed: Callable[..., Path]) -> None:
    folder = changed(model_type="openai-gpt", architectures=["OpenAIGPTLMHeadModel"], n_layer=1, n_embd=8, n_head=1)
    with pytest.raises(ConfigurationError, match="keeps no cache, so that it cannot go on from a prompt"):
        say(embedded(folder))


def test_a_stopped_engine_ends_its_thread(tiny: Path) -> None:
    engine = Engine(tiny, "float32")
    reply = engine.submit(Request(PAGE, limit=3, seed=1)).result(timeout=60)
    assert isinstance(reply, Reply)
    engine.stop()
    assert engine._thread is not None
    assert not engine._thread.is_alive()
    with pytest.raises(RuntimeError, match="has been stopped"):
        engine.submit(Request(PAGE, limit=3))


Spell = Callable[[Path], str]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("embedded:x", r"write embedded\[\+adapter=…\]\[\+weights=…\]\[\+dtype=…\]\[\+tokens=…\]"),
        ("embedded:a/b/c", "cannot be read: write embedded.*, or embedded:OWNER/NAME for one of the hub"),
        ("embedded:a/b+weights=c", "cannot be read"),
        ("embedded:../b", "cannot be read"),
        ("embedded+", "cannot be read"),
        ("embedded+lora=x", "cannot be read"),
        ("embedded+adapter=", "cannot be read"),
        ("embedded+dtype=float32+dtype=float32", "cannot be read"),
        ("embedded+dtype=int8", "unknown dtype: write float32 or bfloat16"),
        ("embedded+tokens=0", "whole number of at least 1"),
        ("embedded+tokens=ten", "whole number of at least 1"),
        ("embedded+weights=/no/such", "/no/such is no folder, and 'embedded' needs a folder"),
        ("embedded+weights=/no/such.gguf", r"/no/such.gguf is a GGUF file, .* or serve the file with llama.cpp"),
    ],
)
def test_a_specification_that_cannot_work_says_what_to_write(spec: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        chat_model(spec, world="none")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llguidance" else found(name))
    with pytest.raises(ConfigurationError, match=r"needs the package llguidance: pip install .*\[embedded\]"):
        chat_model("embedded", world="none")


def test_a_path_may_hold_a_plus_sign(tiny: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(tiny, tmp_path / "a+b=c")
    assert embedded(weights).engine.weights == weights.resolve()


def test_it_says_who_it_is_and_keeps_one_engine(tiny: Path) -> None:
    before = threading.active_count()
    one, two = embedded(tiny, "tokens=3"), embedded(tiny, temperature=0.5)
    say(one), say(two)
    assert one.engine is two.engine
    assert threading.active_count() <= before + 1
    assert one.where == "embedded (base)"
    assert one._llm_type == "embedded"
