"""Prefixes that examples share are computed once, and change neither loss nor gradient."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from effort import effort

from training import TrainingError
from training.dataset import Example, Message, write_dataset
from training.metrics import Metrics
from training.prefix_tree import Node, grow, passes, sharing

Train = Callable[..., Metrics]
Rows = list[dict[str, list[int]]]


def related_rows(seed: int, count: int, low: int = 3, high: int = 90) -> Rows:
    """Rows with and without common prefixes, some the beginning of others, some equal, with loss here and there."""
    draw = random.Random(seed)
    rows: list[list[int]] = []
    for _ in range(count):
        tail = [draw.randint(low, high) for _ in range(draw.randint(20, 60))]
        stem = draw.choice(rows) if rows and draw.random() < 0.8 else []
        rows.append(stem[: draw.randint(len(stem) // 2, len(stem))] + tail)
    rows.append(list(rows[0]))
    rows.append(rows[1] + rows[1])
    return [{"input_ids": row, "labels": [token if draw.random() < 0.4 else -100 for token in row]} for row in rows]


@pytest.mark.parametrize("shortest", [1, 8, 1000])
def test_the_nodes_of_an_example_are_its_tokens(shortest: int) -> None:
    for seed in range(20):
        rows = [row["input_ids"] for row in related_rows(seed, 8, 3, 5)]
        found: list[list[int]] = [[] for _ in rows]
        computed = 0

        def follow(node: Node, found: list[list[int]] = found, rows: list[list[int]] = rows) -> int:
            assert node.length
            for example in node.examples:
                assert len(found[example]) == node.begin
                found[example] += rows[node.examples[0]][node.begin : node.end]
            assert all(set(child.examples) <= set(node.examples) for child in node.children)
            return node.length + sum(follow(child) for child in node.children)

        computed = sum(follow(root) for root in grow(rows, shortest))
        assert found == rows
        for examples in (1, 3, 100):
            cut = passes(grow(rows, shortest), examples)
            assert computed == sum(one.length for one in with_children(cut))


def with_children(cut: list[Any]) -> list[Any]:
    return [one for top in cut for one in (top, *with_children(top.children))]


def test_what_is_shared_is_counted() -> None:
    prompt = list(range(60))
    found = sharing([[*prompt, 100 + number, 7, 7, 7] for number in range(8)], together=4, seed=0)
    assert (found.tokens, found.shared, found.computed) == (8 * 64, 8 * 60, 2 * (60 + 4 * 4))
    assert found.sentence() == "94 % of tokens shared: 3.4 × fewer to compute"
    assert sharing([[*prompt, 1], [*prompt, 2]], together=1, seed=0).shared == 0


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def adapted(request: pytest.FixtureRequest) -> Any:
    """A random model in float64 with an adapter on every linear layer, both of its halves random."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    from training.base_model import ignore_deprecation
    from training.shared_prefix import gather_before_head, set_attention

    ignore_deprecation()
    torch.set_num_threads(1)  # for so small a model more threads only wait for one another
    form = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "pad_token_id": 0}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": request.param == "llama"}
    config = AutoConfig.for_model(request.param, **form, **heads, initializer_range=0.3)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    for part in model.modules():
        if hasattr(part, "variance_epsilon"):  # transformers' norms round to float32
            part.forward = partial(torch.nn.functional.rms_norm, normalized_shape=(32,), weight=part.weight)
    set_attention(model, request.param)
    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    gather_before_head(model.get_base_model())
    model = model.double().train()
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def exact_head(model: Any) -> Callable[..., Any]:
    """The model as the trainer calls it, with the head in float64: TRL's sums in float32."""
    import torch

    def call(*, shift_labels: Any, fused_lm_head: bool, **given: Any) -> Any:
        assert fused_lm_head
        logits = model(**given).logits[0]
        probabilities = torch.log_softmax(logits, -1)
        at = probabilities.gather(1, shift_labels[0].unsqueeze(1)).squeeze(1)
        return SimpleNamespace(log_probs=at.unsqueeze(0), entropy=0 * at.unsqueeze(0), is_top1=0 * at.unsqueeze(0))

    return call


def gradients(model: Any) -> dict[str, Any]:
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    model.zero_grad()
    return found


def one_by_one(model: Any, rows: Rows) -> float:
    """The loss of examples, each computed alone with torch's own attention; it goes backward."""
    import torch

    count = sum(label != -100 for row in rows for label in row["labels"][1:])
    model.get_base_model().set_attn_implementation("sdpa")
    total = 0.0
    for row in rows:
        logits = model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False).logits[0, :-1]
        labels = torch.tensor(row["labels"][1:])
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum") / count
        loss.backward()
        total += loss.item()
    return total


def whole_again(model: Any) -> None:
    """Undo recompute_mlps."""
    for part in model.modules():
        if hasattr(part, "gate_proj"):
            vars(part).pop("forward", None)


def depth(cut: Sequence[Any]) -> int:
    return 1 + max(depth(one.children) for one in cut) if cut else 0


@pytest.mark.parametrize(("examples", "recompute"), [(1, "off"), (2, "on"), (2, "mlp"), (100, "off")])
def test_loss_and_gradient_are_those_of_the_examples_one_by_one(adapted: Any, examples: int, recompute: str) -> None:
    import torch
    from accelerate import Accelerator

    from training.shared_prefix import SharedPrefixCollator, _Step
    from training.trainer import recompute_mlps
    from training.tree_attention import NAME

    rows = related_rows(3, 9)
    alone = one_by_one(adapted, rows)
    expected = gradients(adapted)
    adapted.get_base_model().set_attn_implementation(NAME)
    if recompute == "mlp":
        recompute_mlps(adapted, "the model")
    elif recompute == "on":
        adapted.enable_input_require_grads()
        adapted.get_base_model().activation_checkpointing_enable()
    try:
        batch = SharedPrefixCollator(examples)(rows)
        assert depth(batch["passes"]) == {1: 3, 2: 2, 100: 1}[examples]
        scale = torch.tensor(1 / batch["shift_labels"].numel(), dtype=torch.float64)
        loss = _Step(Accelerator(cpu=True), exact_head(adapted), scale).loss_of(batch["passes"])
        loss.backward()
    finally:
        adapted.get_base_model().activation_checkpointing_disable()
        whole_again(adapted)
    assert loss.item() == pytest.approx(alone, rel=1e-9)
    found = gradients(adapted)
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() < 1e-9 * gradient.norm(), name


@pytest.mark.parametrize(("kernel", "chunk"), [("flash", 0), ("in_chunks", 1024), ("in_chunks", 8), ("in_chunks", 3)])
def test_node_by_node_is_computed_what_is_merged(kernel: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from training import chunked_attention, tree_attention
    from training.tree_attention import by_path, merged

    monkeypatch.setattr(chunked_attention, "CHUNK", chunk)
    spans = ((0, 5, 20), (5, 9, 15), (9, 12, 12), (12, 15, 15), (15, 20, 20), (20, 26, 26))
    shapes = [(1, 4, 26, 8), *[(1, 2, 26, 8)] * 2, *[(1, 2, 7, 8)] * 2]
    draw = torch.Generator().manual_seed(0)
    given = [torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True) for shape in shapes]
    weight = torch.randn(shapes[0], generator=draw, dtype=torch.float64)
    run = getattr(tree_attention, kernel)
    for above in (given[3:], None):
        inputs = given if above else given[:3]
        together = merged(*given[:3], *(above or (None, None)), spans, 0.4)
        path = by_path(given[0], (given[1], given[2]), above and (above[0], above[1]), spans, 0.4, run)
        torch.testing.assert_close(together, path, rtol=1e-12, atol=1e-12)
        found, expected = (torch.autograd.grad((one * weight).sum(), inputs) for one in (together, path))
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_keys_that_all_share_a_large_part_cost_bfloat16_no_accuracy() -> None:
    """As in Qwen2.5's first layers. Without its part, scores of 400 are rounded by up to one: another softmax."""
    import torch

    from training.chunked_attention import in_chunks
    from training.tree_attention import merged

    draw = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn((1, heads, 60, 16), generator=draw) for heads in (4, 2, 2))
    query, keys, values = (one.bfloat16() for one in (query + 10, keys + 10, values))
    exact = merged(query.double(), keys.double(), values.double(), None, None, ((0, 60, 60),), None)
    found = in_chunks(query, keys, values, None)
    assert ((found.double() - exact).norm() / exact.norm()).item() < 0.03


def test_the_gradients_of_many_chunks_in_bfloat16_are_as_exact_as_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from training import chunked_attention

    draw = torch.Generator().manual_seed(0)
    given = [torch.randn((1, heads, 1_200, 8), generator=draw).bfloat16().requires_grad_() for heads in (2, 1, 1)]
    weight = torch.rand((1, 2, 1_200, 8), generator=draw) + 1

    def gradients_of(chunk: int) -> list[torch.Tensor]:
        monkeypatch.setattr(chunked_attention, "CHUNK", chunk)
        return list(torch.autograd.grad((chunked_attention.in_chunks(*given, None) * weight).sum(), given))

    for many, one in zip(gradients_of(8), gradients_of(10_000), strict=True):
        assert ((many.double() - one.double()).norm() / one.double().norm()).item() < 0.005


def test_the_attention_of_a_pass_is_chosen_by_what_the_cpu_can(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from training import tree_attention
    from training.tree_attention import View, attend

    called: list[str] = []
    for name in ("in_chunks", "merged"):
        monkeypatch.setattr(tree_attention, name, lambda query, *_, name=name: called.append(name) or query)
    for able, dtype in ((True, torch.bfloat16), (True, torch.float32), (False, torch.bfloat16)):
        monkeypatch.setattr(tree_attention, "chunks_are_faster", lambda able=able: able)
        query = torch.zeros(1, 2, 4, 8, dtype=dtype)
        attend(SimpleNamespace(layer_idx=0), query, query, query, None, shared_prefix=View(((0, 4, 4),)))  # type: ignore[arg-type]
    assert called == ["in_chunks", "merged", "merged"]


def test_feed_forward_parts_are_computed_again_or_refused(adapted: Any) -> None:
    import torch

    from training.trainer import recompute_mlps

    part = adapted.get_base_model().model.layers[0].mlp
    computed: list[int] = []
    hook = part.gate_proj.register_forward_hook(lambda *_: computed.append(1))
    try:
        for often in (1, 2):
            computed.clear()
            adapted.get_base_model().set_attn_implementation("sdpa")
            adapted(input_ids=torch.tensor([[3, 4, 5]]), use_cache=False).logits.sum().backward()
            assert len(computed) == often
            if often == 1:
                recompute_mlps(adapted, "the model")
    finally:
        hook.remove()
        whole_again(adapted)
        adapted.zero_grad()
    with pytest.raises(TrainingError, match="No layer of the model has a part called mlp"):
        recompute_mlps(part, "the model")


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen conversations under two long system prompts; the last one goes on from another."""
    prompts = [f"{name} keeps notes. " + "a tree or water to your west " * 6 for name in ("One", "Two")]

    def turn(number: int) -> list[Message]:
        answer = f"<|SEARCH|>map_notes.md|{number}<|END|> <|DONE|>"
        return [Message(role="user", content=f"LOG step {number}"), Message(role="assistant", content=answer)]

    conversations = [[Message(role="system", content=prompts[n % 3 == 0]), *turn(n)] for n in range(15)]
    conversations.append([*conversations[4], *turn(40)])
    path = tmp_path_factory.mktemp("alike") / "dataset.jsonl"
    write_dataset(path, [Example(id=f"e{n}", messages=tuple(one)) for n, one in enumerate(conversations)])
    return path


COMMON = ("--batch", "2", "--accumulation", "4", "--cutoff", "400")


def losses(metrics: Metrics) -> list[float]:
    return [point.loss for point in metrics.curve]


@pytest.mark.parametrize(("dtype", "steps", "near"), [("float32", 6, 1e-4), ("bfloat16", effort(6, 30), 1e-2)])
def test_the_loss_curve_is_that_of_shuffled(
    train: Train, alike: Path, tmp_path: Path, dtype: str, steps: int, near: float
) -> None:
    epochs = str(steps // 2)
    given = ("--dataset", str(alike), *COMMON, "--epochs", epochs, "--dtype", dtype, "--learning-rate", "3e-3")
    shuffled = train(*given, "--batching", "shuffled", output=tmp_path / "shuffled")
    lines: list[str] = []
    shared = train(*given, lines=lines)
    assert (shared.batching, shared.steps) == ("shared", steps)
    assert lines[0].endswith(" to compute")
    assert losses(shared) == pytest.approx(losses(shuffled), rel=near)
    accuracy = [[point.token_accuracy for point in one.curve] for one in (shared, shuffled)]
    assert accuracy[0][0] == pytest.approx(accuracy[1][0], abs=0.02)
    assert shared.last_loss < shared.first_loss - 0.1  # far more than they may differ by


def test_a_killed_training_leaves_the_bytes_of_a_whole_one(
    train: Train, alike: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import Progress

    given = ("--dataset", str(alike), *COMMON, "--epochs", "2", "--save-every", "1", "--batching", "shared")
    whole = train(*given, output=tmp_path / "whole")
    log = Progress.on_log

    def until_three(self: Progress, args: Any, state: Any, control: Any, **more: Any) -> None:
        log(self, args, state, control, **more)
        if state.global_step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_log", until_three)
        with pytest.raises(KeyboardInterrupt):
            train(*given)
    resumed = train(*given, "--resume")
    assert losses(resumed) == losses(whole)
    ours, theirs = (tmp_path / name / "adapter_model.safetensors" for name in ("adapter", "whole"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_what_cannot_be_shared_is_refused_or_trained_plainly(
    train: Train, alike: Path, tiny: Path, dataset: Path, tmp_path: Path
) -> None:
    windowed = tmp_path / "windowed"
    shutil.copytree(tiny, windowed)
    config = json.loads((windowed / "config.json").read_text())
    config |= {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 64}
    (windowed / "config.json").write_text(json.dumps(config))
    cases = (
        (
            ("--base", str(windowed), "--dataset", str(alike), *COMMON),
            "some of its layers do not see the whole context",
        ),
        (("--dataset", str(alike), "--cutoff", "400"), "no two examples of a step of 1 begin with the same 32 tokens"),
    )
    for given, why in cases:
        with pytest.raises(TrainingError, match=f"--batching shared is impossible: .*{why}"):
            train(*given, "--batching", "shared")
        lines: list[str] = []
        metrics = train(*given, "--max-steps", "1", lines=lines, output=tmp_path / f"plain-{len(given)}")
        assert metrics.batching == "shuffled"
        assert why in lines[0]


def test_an_attention_of_another_kind_is_noticed() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    from training.shared_prefix import set_attention

    form = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "initializer_range": 0.5}
    config = AutoConfig.for_model("gemma2", **form, **heads, layer_types=["full_attention"], attn_logit_softcapping=0.5)
    with pytest.raises(TrainingError, match="cannot be computed over shared prefixes: its hidden states become others"):
        set_attention(AutoModelForCausalLM.from_config(config, attn_implementation="eager"), "gemma2")


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"router_aux_loss_coef": 0.001}, "its experts add a loss"),
        ({"attention_dropout": 0.1}, "its attention has dropout"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "do not see the whole context"),
        ({"sliding_window": 4096, "use_sliding_window": False}, None),
    ],
)
def test_a_form_that_cannot_share_is_known_without_weights(form: dict[str, Any], why: str | None) -> None:
    from training.base_model import _unshareable

    found = _unshareable(SimpleNamespace(**form), SimpleNamespace(_supports_attention_backend=True))
    assert found is None if why is None else why in str(found)
