"""Attention over trees of examples: a token sees those before it in its own node, and all those of the nodes above.

Registered with transformers as `shared_prefix`; a model set to it takes a `View` of each pass as a keyword. Import this
module when training starts; its imports are heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from training.chunked_attention import chunks_are_faster, in_chunks

NAME = "shared_prefix"
"""Of this attention in transformers' register."""
Span = tuple[int, int, int]
"""Of a node in a pass: its tokens from `begin` to `end`, those of the nodes below it from there to `below`."""
KeysValues = tuple[torch.Tensor, torch.Tensor]
"""Of one layer, each of shape (1, heads, tokens, size)."""
Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float | None], torch.Tensor]
"""Attention of queries over keys and values, with a factor of the scores: the last query sees all keys, the one before
it all but the last, and so on."""


class View:
    """What the tokens of a pass see, and whether later passes see them. No dataclass: FSDP hands each layer a copy of
    those, and of the dicts in them, so that what is kept would be lost."""

    __slots__ = ("above", "kept", "spans")

    def __init__(
        self,
        spans: Sequence[Span],
        above: Sequence[dict[int, KeysValues]] = (),
        kept: dict[int, KeysValues] | None = None,
    ) -> None:
        """`above`: keys and values by layer of the passes above, from the root down. `kept` gets those of this pass,
        if later passes are below it."""
        self.spans = spans
        self.above = above
        self.kept = kept


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared_prefix: View | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of one layer, in transformers' form: tensors of shape (1, heads, tokens, size), and no weights."""
    if shared_prefix is None or attention_mask is not None or dropout:
        raise RuntimeError("The attention shared_prefix computes the passes of --batching shared, and nothing else.")
    layer: Any = module.layer_idx
    if shared_prefix.kept is not None:
        shared_prefix.kept.setdefault(layer, (key, value))  # set already where activations are recomputed
    above = None
    if shared_prefix.above:
        parts = [layers[layer] for layers in shared_prefix.above]
        keys, values = zip(*parts, strict=True)
        above = parts[0] if len(parts) == 1 else (torch.cat(keys, 2), torch.cat(values, 2))
    if query.device.type != "cpu" or key.shape[-1] != value.shape[-1]:
        out = by_path(query, (key, value), above, shared_prefix.spans, scaling, flash)
    elif query.dtype == torch.bfloat16 and chunks_are_faster():
        out = by_path(query, (key, value), above, shared_prefix.spans, scaling, in_chunks)
    else:
        out = merged(query, key, value, *(above or (None, None)), shared_prefix.spans, scaling)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attend)


def by_path(
    query: torch.Tensor,
    own: KeysValues,
    above: KeysValues | None,
    spans: Sequence[Span],
    scaling: float | None,
    kernel: Kernel,
) -> torch.Tensor:
    """Attention node by node: its tokens over all tokens of its path. `above` is seen by the whole pass.

    For kernels that need no mask where the queries are the end of the keys.
    """
    sizes = [end - begin for begin, end, _ in spans]
    queries = torch.split(query, sizes, 2)
    nodes = list(zip(*(torch.split(tensor, sizes, 2) for tensor in own), strict=True))
    outs = []
    for place, (begin, _, below) in enumerate(spans):
        path = [nodes[up] for up in range(place) if spans[up][1] <= begin and below <= spans[up][2]]
        seen = [*([above] if above else []), *path, nodes[place]]
        keys, values = (torch.cat(parts, 2) for parts in zip(*seen, strict=True))
        outs.append(kernel(queries[place], keys, values, scaling))
    return torch.cat(outs, 2)


def flash(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """torch's kernel, for a GPU, and where keys and values differ in size."""
    same = query.shape[2] == keys.shape[2]
    return scaled_dot_product_attention(
        query,
        keys,
        values,
        None if same else causal_lower_right(query.shape[2], keys.shape[2]),
        is_causal=same,
        scale=scaling,
        enable_gqa=query.shape[1] != keys.shape[1],
    )


_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class _Merged(torch.autograd.Function):
    """The same with torch's kernel for a CPU, where a masked token costs as much as a seen one: calls without a mask,
    their softmax merged.

    Each node's tokens over themselves, and all tokens below a node over that node, give partial outputs and the
    logarithms of their sums of exponentials, which say what share of the whole each part has. Given output and sum of
    the whole, torch's backward kernel returns the exact gradient of each part. Measured on 8 continuations of 984
    tokens under a prefix of 1,628 (9 heads, float32, two cores, forward and backward): 3.2 s; `by_path` 4.0 s, one
    call with a dense mask 10.0 s, the eight examples one by one 5.4 s.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        keys_above: torch.Tensor | None,
        values_above: torch.Tensor | None,
        spans: Sequence[Span],
        scaling: float | None,
    ) -> torch.Tensor:
        out = query.new_empty(query.transpose(1, 2).shape).transpose(1, 2)
        total = query.new_empty(query.shape[:3], dtype=torch.promote_types(query.dtype, torch.float32))
        for own in _own(spans):
            out[:, :, own], total[:, :, own] = _flash(
                query[:, :, own], key[:, :, own], value[:, :, own], 0.0, True, scale=scaling
            )
        for rows, columns in _below(spans, keys_above is not None):
            keys, values = (keys_above, values_above) if columns is None else (key[:, :, columns], value[:, :, columns])
            part, part_total = _flash(query[:, :, rows], keys, values, 0.0, False, scale=scaling)
            whole = torch.logaddexp(total[:, :, rows], part_total)
            shares = ((one - whole).exp().unsqueeze(-1) for one in (total[:, :, rows], part_total))
            out[:, :, rows] = out[:, :, rows] * next(shares) + part * next(shares)
            total[:, :, rows] = whole
        ctx.save_for_backward(query, key, value, keys_above, values_above, out, total)
        ctx.spans, ctx.scaling = spans, scaling
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, keys_above, values_above, out, total = ctx.saved_tensors
        of_query, of_key, of_value = (torch.empty_like(tensor) for tensor in (query, key, value))
        of_above: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)

        def part(rows: slice, keys: torch.Tensor, values: torch.Tensor, causal: bool) -> tuple[torch.Tensor, ...]:
            seen = (gradient[:, :, rows], query[:, :, rows], keys, values, out[:, :, rows], total[:, :, rows])
            parts: tuple[torch.Tensor, ...] = _flash_backward(*seen, 0.0, causal, scale=ctx.scaling)
            return parts

        for own in _own(ctx.spans):
            of_query[:, :, own], of_key[:, :, own], of_value[:, :, own] = part(
                own, key[:, :, own], value[:, :, own], True
            )
        for rows, columns in _below(ctx.spans, keys_above is not None):
            if columns is None:
                more, *above = part(rows, keys_above, values_above, False)
                of_above = (above[0], above[1])
            else:
                more, more_key, more_value = part(rows, key[:, :, columns], value[:, :, columns], False)
                of_key[:, :, columns] += more_key
                of_value[:, :, columns] += more_value
            of_query[:, :, rows] += more
        return of_query, of_key, of_value, *of_above, None, None


merged: Any = _Merged.apply


def _own(spans: Sequence[Span]) -> Iterator[slice]:
    """The tokens of each node."""
    return (slice(begin, end) for begin, end, _ in spans)


def _below(spans: Sequence[Span], above: bool) -> Iterator[tuple[slice, slice | None]]:
    """Tokens that see all of other tokens: those below each node, and the whole pass what is above it (None)."""
    for begin, end, below in spans:
        if below > end:
            yield slice(end, below), slice(begin, end)
    if above:
        yield slice(0, spans[-1][1]), None
