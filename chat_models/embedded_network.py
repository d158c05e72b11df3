"""A causal language model in memory, computing many calls at once.

The calls of a step share the matrix products, which is where the time goes; each keeps keys and values of its own and
attends to them alone. So there is no padding, calls may come and go at every step, and a call's numbers depend on
no other's: products are taken over a multiple of WIDTH rows, for which CPU kernels give each row the same bits
whatever the others hold. With prompts computed in fixed blocks (`PrefixCache`) a reply is then a function of its
prompt, seed and settings alone, in bf16 too.
"""

from __future__ import annotations

import warnings
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from jinja2.exceptions import TemplateError
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AttentionInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
)
from transformers.utils import logging

from chat_models.adapting import folded
from chat_models.failures import ConfigurationError

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor


WIDTH = 4
"""Rows that products are padded to a multiple of. Of one to three rows, the kernels of MKL (fp32) and oneDNN (bf16)
add up in another order; four cost hardly more than one in bf16, since reading the weights is what takes the time."""
SMALL = 500_000_000
"""Parameters below which a step is computed by one thread: its many short products gain a third from two threads on an
idle machine (27 ms for 38), and lose a factor of ten and more where another process wants one of the cores."""
ATTENTION = "automem_rows"
CACHE_NAMES = ("cache", "past_key_values", "cache_params")
"""What transformers calls a model's cache: from 5.24 on, before it, and before it of states. An argument of another
name is passed over in silence."""
UNLIMITED = 1 << 17
"""Tokens that a model may read which names no limit (states in place of attention)."""


class Row:
    """Keys and values of one call: [layers, 2, heads, capacity, dimension], of which `length` tokens are computed.

    Of a network that computes each call apart, `kv` is None and `cache` what transformers keeps.
    """

    def __init__(self, kv: Tensor | None) -> None:
        self.kv = kv
        self.cache: Any = None
        self.length = 0


class _Rows:
    """In place of transformers' cache: hands each layer's new keys and values to their rows.

    What it returns goes, untouched by the model, to the attention function: a list of [heads, tokens, dimension], one
    per row.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[list[Tensor], list[Tensor]]:
        """Write the new keys and values, [rows, heads, new tokens, dimension]; all of each row's so far."""
        new = keys.shape[2]
        all_keys, all_values = [], []
        for index, row in enumerate(self.rows):
            end = row.length + new
            assert row.kv is not None, "calls that are computed apart have no rows"
            kv = row.kv[layer]
            kv[0, :, row.length : end] = keys[index]
            kv[1, :, row.length : end] = values[index]
            all_keys.append(kv[0, :, :end])
            all_values.append(kv[1, :, :end])
        return all_keys, all_values

    def get_seq_length(self, *_: Any) -> int:
        """Tokens of the first row; positions are given, so nothing depends on it."""
        return self.rows[0].length


def _attend(
    module: Any, query: Tensor, key: list[Tensor], value: list[Tensor], attention_mask: None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Attention of each row to its own past: query [rows or more, heads, new tokens, dimension], keys one per row."""
    rows, heads, new, dimension = query.shape
    out = query.new_zeros(rows, new, heads, dimension)
    scale = kwargs.get("scaling")
    for index, (keys, values) in enumerate(zip(key, value, strict=True)):  # fewer than the queries, if padded
        groups = keys.shape[0]
        if new == 1:
            # Query heads that share keys become as many queries: no copy of the keys is made for each.
            one = query[index].view(1, groups, heads // groups, dimension)
            found = scaled_dot_product_attention(one, keys[None], values[None], scale=scale)
            out[index, 0] = found.reshape(heads, dimension)
            continue
        tokens = keys.shape[1]
        seen = None
        if tokens > new:
            seen = torch.ones(new, tokens, dtype=torch.bool, device=query.device).tril(tokens - new)
        found = scaled_dot_product_attention(
            query[index][None],
            keys[None],
            values[None],
            attn_mask=seen,
            is_causal=seen is None,
            scale=scale,
            enable_gqa=groups != heads,
        )
        out[index] = found[0].transpose(0, 1)
    return out, None


AttentionInterface.register(ATTENTION, _attend)


class Network:
    """Model, tokenizer and adapters of one folder of weights. For one thread.

    `dtype`: float32, bfloat16, or None for what suits the machine. ConfigurationError for a folder that transformers
    loads no causal language model from, and for one without a chat template.
    """

    def __init__(self, weights: Path, dtype: str | None = None) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = getattr(torch, dtype or _suitable(self.device))
        self.tokenizer, model = _loaded(weights, self.dtype)
        config = model.config.get_text_config()
        self.apart = config._attn_implementation != ATTENTION
        """Whether calls are computed one by one, without kept prefixes: layers with windows or states of their own."""
        self._forward_takes = frozenset(signature(model.forward).parameters)
        self._cache_name = next((name for name in CACHE_NAMES if name in self._forward_takes), "")
        if not self._cache_name:
            raise ConfigurationError(f"The model in {weights} keeps no cache, so that it cannot go on from a prompt.")
        self.model = model.to(self.device).eval()
        self._peft: PeftModel | None = None
        self._adapter: str | None = None
        self.context: int = getattr(config, "max_position_embeddings", None) or UNLIMITED
        self._shape = () if self.apart else _shape(config)
        ends = model.generation_config.eos_token_id
        self.ends = frozenset([ends] if isinstance(ends, int) else ends or []) | {self.tokenizer.eos_token_id}
        self._threads = torch.get_num_threads()
        small = sum(weight.numel() for weight in model.parameters()) < SMALL
        self._step_threads = 1 if small else self._threads
        self._nothing = torch.tensor([], dtype=torch.long, device=self.device)

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """The tokens that open the model's turn after these messages, as its chat template writes them."""
        try:
            text = self._templated(messages)
        except TemplateError:  # Gemma's and others' templates take no system message
            try:
                text = self._templated(folded(list(map(dict, messages))))
            except TemplateError as refused:
                raise ConfigurationError(f"The chat template of the model refuses the prompt: {refused}.") from refused
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _templated(self, messages: Sequence[Mapping[str, Any]]) -> str:
        text: str = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        return text

    def row(self, capacity: int) -> Row:
        """An empty row for as many tokens."""
        if self.apart:
            return Row(None)
        *outer, dimension = self._shape
        return Row(torch.empty(*outer, capacity, dimension, dtype=self.dtype, device=self.device))

    def prefill(self, row: Row, tokens: Sequence[int], *, last: bool) -> Tensor | None:
        """Compute the next tokens of a prompt; with `last`, the logits after them (float32 [vocabulary])."""
        torch.set_num_threads(self._threads)
        ids = torch.tensor([list(tokens)], device=self.device)
        if self.apart:
            logits = self._forward_apart(ids, row)
        else:
            logits = self._forward(ids, [row], 1 if last else self._nothing)
        return logits[0, -1].float().cpu() if last else None

    def step(self, rows: Sequence[Row], tokens: Sequence[int]) -> Tensor:
        """Compute one token more of each row; the logits after it (float32 [rows, vocabulary])."""
        torch.set_num_threads(self._step_threads)
        if self.apart:
            one_by_one = [
                self._forward_apart(torch.tensor([[token]], device=self.device), row)[0, -1]
                for row, token in zip(rows, tokens, strict=True)
            ]
            return torch.stack(one_by_one).float().cpu()
        ids = torch.tensor([*tokens, *[tokens[-1]] * (-len(rows) % WIDTH)], device=self.device)[:, None]
        return self._forward(ids, rows, 1)[: len(rows), -1].float().cpu()

    def _forward(self, ids: Tensor, rows: Sequence[Row], kept: int | Tensor) -> Tensor:
        """`ids`: [rows or more, new tokens]. Padding beyond the rows is computed and dropped."""
        new = ids.shape[1]
        starts = torch.tensor([row.length for row in rows] + [0] * (len(ids) - len(rows)))
        positions = (starts[:, None] + torch.arange(new)).to(self.device)
        with torch.inference_mode():
            logits: Tensor = self.model(
                input_ids=ids,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=kept,
                **{self._cache_name: _Rows(rows)},
            ).logits
        for row in rows:
            row.length += new
        return logits

    def _forward_apart(self, ids: Tensor, row: Row) -> Tensor:
        """`ids`: [1, new tokens] of one call, whose cache transformers makes and keeps."""
        options = {"logits_to_keep": 1} if "logits_to_keep" in self._forward_takes else {}
        with torch.inference_mode():
            out = self.model(input_ids=ids, use_cache=True, **{self._cache_name: row.cache}, **options)
        row.cache = getattr(out, self._cache_name)
        row.length += ids.shape[1]
        logits: Tensor = out.logits
        return logits

    def use(self, adapter: tuple[str, Path] | None) -> None:
        """Compute with the adapter (name, folder) from now on, or with the base alone."""
        name = adapter[0] if adapter else None
        if name == self._adapter:
            return
        if adapter is not None:
            self._switch_on(*adapter)
        elif self._peft is not None:
            cast("Any", self._peft.base_model).disable_adapter_layers()
        self._adapter = name

    def _switch_on(self, name: str, folder: Path) -> None:
        from peft import PeftModel

        # PEFT asks transformers for an attribute by its old name; nothing we can change, nothing a user can do.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        if self._peft is None:
            self._peft = PeftModel.from_pretrained(self.model, folder, adapter_name=name)
            self._peft.eval()
        elif name not in self._peft.peft_config:
            self._peft.load_adapter(folder, adapter_name=name)
        cast("Any", self._peft.base_model).enable_adapter_layers()
        self._peft.set_adapter(name)


def _loaded(weights: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and model. ConfigurationError if they cannot be loaded, or cannot hold a conversation."""
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(weights)
        attention = ATTENTION if _is_plain(AutoConfig.from_pretrained(weights)) else None
        with _without_bars():
            model: Any = AutoModelForCausalLM.from_pretrained(weights, dtype=dtype, attn_implementation=attention)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        words = " ".join(str(error).split())[:200]
        raise ConfigurationError(
            f"The model in {weights} cannot be loaded as a causal language model: {words}."
        ) from error
    if not tokenizer.chat_template:
        raise ConfigurationError(f"The model in {weights} has no chat template: name one made for conversations.")
    return tokenizer, model


def _shape(config: Any) -> tuple[int, ...]:
    """Of the keys and values of a token: [layers, 2, heads, dimension]."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    dimension = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return (config.num_hidden_layers, 2, heads, dimension)


def _is_plain(config: Any) -> bool:
    """Whether every layer attends to all of a call's past and to nothing else."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    able = getattr(MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None), "_supports_attention_backend", False)
    others = ("sliding_window", "attn_logit_softcapping")
    return able and kinds == {"full_attention"} and not any(getattr(config, name, None) for name in others)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Silence the progress bar of loading, which takes a tenth of a second."""
    bars = cast("Any", logging)
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _suitable(device: torch.device) -> str:
    """bf16 where the machine computes it itself (twice as fast at half the memory), float32 elsewhere."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("arm_bf16") else "float32"


BLOCK = 128
"""Tokens. Longer blocks compute a little faster (256: 5 %) and leave more of a new prompt to be computed again."""


class PrefixCache:
    """Blocks of keys and values, the least recently used dropped when they exceed `limit_bytes`. For one thread."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self._blocks: OrderedDict[bytes, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def restore(self, keys: Sequence[bytes], into: Tensor) -> int:
        """Copy the longest run of known blocks to the beginning of `into`; how many tokens that is.

        `into`: [layers, 2, heads, capacity, dimension]. The last token of a prompt must be computed anyway: leave the
        key of the block that ends with it out.
        """
        known = 0
        for key in keys:
            block = self._blocks.get(key)
            if block is None:
                break
            into[..., known * BLOCK : (known + 1) * BLOCK, :] = block
            known += 1
        for key in reversed(keys[:known]):
            self._blocks.move_to_end(key)  # of two blocks, the one nearer to the beginning serves more prompts
        return known * BLOCK

    def store(self, key: bytes, block: Tensor) -> None:
        """Keep a copy of a block: [layers, 2, heads, BLOCK, dimension]."""
        size = block.numel() * block.element_size()
        if key in self._blocks or size > self.limit_bytes:
            return
        self._blocks[key] = block.clone()
        self.bytes += size
        while self.bytes > self.limit_bytes:
            _, dropped = self._blocks.popitem(last=False)
            self.bytes -= dropped.numel() * dropped.element_size()


def block_keys(network: str, tokens: Sequence[int]) -> list[bytes]:
    """A key for each whole block of the tokens. `network` names what computes them: the same tokens mean other keys
    and values to every adapter."""
    keys = []
    parent = network.encode()
    for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
        parent = blake2b(parent + array("q", tokens[start : start + BLOCK]).tobytes(), digest_size=16).digest()
        keys.append(parent)
    return keys
