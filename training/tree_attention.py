"""Attention over trees of examples: a token sees those before it in its own node, and all those of the nodes above.

Registered with transformers as `shared_prefix`; a model set to it takes a `View` of each pass as a keyword. Import this
module when training starts; its imports are heavy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

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
    elif query.dtype == torch.bfloat16 and _multiplies_bfloat16():
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


class _InChunks(torch.autograd.Function):
    """The same in bfloat16 on a CPU that multiplies it: a few rows at a time, all their keys at once.

    torch's flash kernel works in small blocks, which reach less than half of such a CPU's speed in a matrix product
    (AMX, which that kernel packs blocks for, aside). Scores are rounded to bfloat16, their softmax is computed in
    float32. The mean key is taken from every key first, which changes no row's softmax: in Qwen2.5's first layers it
    brings scores from 1,200 to 30, so that rounding leaves hidden states as close to those of float32 as torch's kernel
    does (1.5 % and 1.4 % on 1,864 tokens of Crafter). Scores live for a chunk; the backward pass computes them again.
    Measured on 674 tokens after 1,732 (9 heads, 3 of keys, two AMD cores with AVX512_BF16,
    forward and backward): 0.08 s; torch's kernel, as `merged` calls it, 0.13 s.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        ctx.scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        query, keys, values = _grouped(query, keys), _centred(keys[0]), values[0]
        ctx.save_for_backward(query, keys, values)
        out = torch.empty_like(query)
        for chunk in _Chunk.all(query, keys, ctx.scaling):
            out[:, :, chunk.rows] = torch.bmm(chunk.shares(), values[:, : chunk.seen]).view(chunk.shape)
        return out.flatten(0, 1).unsqueeze(0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, keys, values = ctx.saved_tensors
        gradient = _grouped(gradient, keys[None])
        of_query = torch.empty_like(query)
        exact = torch.promote_types(keys.dtype, torch.float32)  # what many chunks add up to
        of_keys, of_values = (torch.zeros_like(one, dtype=exact) for one in (keys, values))
        for chunk in _Chunk.all(query, keys, ctx.scaling):
            upper = gradient[:, :, chunk.rows].flatten(1, 2)
            shares = chunk.shares()
            of_values[:, : chunk.seen] += torch.bmm(shares.mT, upper)
            of_shares = torch.bmm(upper, values[:, : chunk.seen].mT, out=chunk.room(0))
            of_scores = torch.ops.aten._softmax_backward_data.out(
                of_shares, shares, -1, shares.dtype, grad_input=chunk.room(2)
            )
            of_query[:, :, chunk.rows] = torch.bmm(of_scores, keys[:, : chunk.seen]).view(chunk.shape) * ctx.scaling
            of_keys[:, : chunk.seen] += torch.bmm(of_scores.mT, chunk.query)
        of_keys, of_values = (one.to(keys.dtype).unsqueeze(0) for one in (of_keys, of_values))
        return of_query.flatten(0, 1).unsqueeze(0), of_keys, of_values, None


in_chunks: Any = _InChunks.apply
"""A kernel for a CPU."""
CHUNK = 1024
"""Rows of scores in a chunk, those of all heads together, if there are not more heads."""


def _grouped(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Of shape (heads of keys, heads of queries that share them, tokens, size)."""
    _, heads, tokens, size = query.shape
    return query.reshape(keys.shape[1], heads // keys.shape[1], tokens, size)


def _centred(keys: torch.Tensor) -> torch.Tensor:
    """Keys of shape (heads, keys, size) less their mean over the keys."""
    exact = keys.to(torch.promote_types(keys.dtype, torch.float32))
    return (exact - exact.mean(1, keepdim=True)).to(keys.dtype)


class _Chunk:
    """Some rows of queries, and room for their scores that all chunks use in turn."""

    def __init__(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        rows: slice,
        scaling: float,
        rooms: torch.Tensor,
        unseen: torch.Tensor,
    ) -> None:
        groups, shared, tokens, size = query.shape
        self.rows = rows
        self.shape = (groups, shared, rows.stop - rows.start, size)
        self.seen = keys.shape[1] - tokens + rows.stop
        """So many keys are seen by the last row."""
        self.query = (query[:, :, rows] * scaling).flatten(1, 2)
        self._keys = keys[:, : self.seen]
        self._rooms = rooms
        self._unseen = unseen[: self.shape[2], : self.shape[2]]

    @classmethod
    def all(cls, query: torch.Tensor, keys: torch.Tensor, scaling: float) -> Iterator[_Chunk]:
        """The chunks of a node."""
        groups, shared, tokens, _ = query.shape
        rows = min(tokens, max(1, CHUNK // (groups * shared)))
        rooms = _rooms(3 * groups * shared * rows * keys.shape[1], query.dtype).view(3, -1)
        unseen = query.new_ones(rows, rows, dtype=torch.bool).triu(1)
        for begin in range(0, tokens, rows):
            yield cls(query, keys, slice(begin, min(begin + rows, tokens)), scaling, rooms, unseen)

    def room(self, number: int) -> torch.Tensor:
        """One of three tensors in the shape of the scores: (heads of keys, rows, keys)."""
        groups, shared, rows, _ = self.shape
        return self._rooms[number, : groups * shared * rows * self.seen].view(groups, shared * rows, self.seen)

    def shares(self) -> torch.Tensor:
        """What share of each row's attention each key has; in room 1, and room 0 is used."""
        _, shared, rows, _ = self.shape
        scores = torch.bmm(self.query, self._keys.mT, out=self.room(0))
        own = scores.view(scores.shape[0], shared, rows, self.seen)[..., self.seen - rows :]
        own.masked_fill_(self._unseen, -torch.inf)
        return torch.softmax(scores, -1, out=self.room(1))


_kept = threading.local()


def _rooms(size: int, dtype: torch.dtype) -> torch.Tensor:
    """So many elements, the same for all calls of a thread: fresh memory costs more than what is computed in it."""
    if getattr(_kept, "rooms", None) is None or _kept.rooms.numel() < size or _kept.rooms.dtype != dtype:
        _kept.rooms = torch.empty(size, dtype=dtype)
    rooms: torch.Tensor = _kept.rooms[:size]
    return rooms


@cache
def _multiplies_bfloat16() -> bool:
    """Whether this CPU has AVX512_BF16 and no AMX."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") and not able.get("amx_bf16"))


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
