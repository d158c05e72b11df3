"""Attention in bfloat16 by matrix products, for a CPU with AVX512_BF16: a few rows at a time, all keys.

torch's flash kernel works in small blocks, which reach less than half of such a CPU's speed in a matrix product; with
AMX its forward pass is fast, and its backward pass takes eight times as long. Measured on 674 tokens after 1,732 (9
heads, 3 of keys, two cores, forward and backward), here and with torch's kernel: 0.08 and 0.13 s without AMX (AMD,
chunks of 1,024 rows), 0.04 and 0.08 s with it (Intel).

Scores are rounded to bfloat16, their softmax is computed in float32. The mean key is taken from every key first, which
changes no row's softmax: in Qwen2.5's first layers it brings scores from 1,200 to 30, so that rounding leaves hidden
states as close to those of float32 as torch's kernel does (1.5 % and 1.4 % on 1,864 tokens of Crafter). Scores live for
a chunk; the backward pass computes them again. Import this module when training starts; its imports are heavy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch

CHUNK = 2048
"""Rows of scores in a chunk, those of all heads together, if there are not more heads."""


class _InChunks(torch.autograd.Function):
    """Attention whose last query sees all keys, the one before it all but the last, and so on."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        ctx.scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        query, keys, values = _grouped(query, keys), _centred(keys[0]), values[0]
        ctx.save_for_backward(query, keys, values)
        out = torch.empty_like(query)
        for chunk in _Chunk.all(query, keys, ctx.scaling):
            out[:, :, chunk.rows] = torch.bmm(chunk.weights(), values[:, : chunk.seen]).view(chunk.shape)
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
            weights = chunk.weights()
            of_values[:, : chunk.seen] += torch.bmm(weights.mT, upper)
            of_weights = torch.bmm(upper, values[:, : chunk.seen].mT, out=chunk.buffer(0))
            of_scores = torch.ops.aten._softmax_backward_data.out(
                of_weights, weights, -1, weights.dtype, grad_input=chunk.buffer(2)
            )
            of_query[:, :, chunk.rows] = torch.bmm(of_scores, keys[:, : chunk.seen]).view(chunk.shape) * ctx.scaling
            of_keys[:, : chunk.seen] += torch.bmm(of_scores.mT, chunk.query)
        of_keys, of_values = (one.to(keys.dtype).unsqueeze(0) for one in (of_keys, of_values))
        return of_query.flatten(0, 1).unsqueeze(0), of_keys, of_values, None


in_chunks: Any = _InChunks.apply
"""Called with queries, keys and values of shape (1, heads, tokens, size), and a factor of the scores or None."""


def _grouped(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Of shape (heads of keys, heads of queries that share them, tokens, size)."""
    _, heads, tokens, size = query.shape
    return query.reshape(keys.shape[1], heads // keys.shape[1], tokens, size)


def _centred(keys: torch.Tensor) -> torch.Tensor:
    """Keys of shape (heads, keys, size) less their mean over the keys."""
    exact = keys.to(torch.promote_types(keys.dtype, torch.float32))
    return (exact - exact.mean(1, keepdim=True)).to(keys.dtype)


class _Chunk:
    """Some rows of queries, and the buffers for their scores that all chunks use in turn."""

    def __init__(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        rows: slice,
        scaling: float,
        buffers: torch.Tensor,
        unseen: torch.Tensor,
    ) -> None:
        groups, shared, tokens, size = query.shape
        self.rows = rows
        self.shape = (groups, shared, rows.stop - rows.start, size)
        self.seen = keys.shape[1] - tokens + rows.stop
        """So many keys are seen by the last row."""
        self.query = (query[:, :, rows] * scaling).flatten(1, 2)
        self._keys = keys[:, : self.seen]
        self._buffers = buffers
        self._unseen = unseen[: self.shape[2], : self.shape[2]]

    @classmethod
    def all(cls, query: torch.Tensor, keys: torch.Tensor, scaling: float) -> Iterator[_Chunk]:
        """The chunks of a node."""
        groups, shared, tokens, _ = query.shape
        rows = min(tokens, max(1, CHUNK // (groups * shared)))
        buffers = _buffers(3 * groups * shared * rows * keys.shape[1], query.dtype).view(3, -1)
        unseen = query.new_ones(rows, rows, dtype=torch.bool).triu(1)
        for begin in range(0, tokens, rows):
            yield cls(query, keys, slice(begin, min(begin + rows, tokens)), scaling, buffers, unseen)

    def buffer(self, number: int) -> torch.Tensor:
        """One of three tensors in the shape of the scores: (heads of keys, rows, keys)."""
        groups, shared, rows, _ = self.shape
        return self._buffers[number, : groups * shared * rows * self.seen].view(groups, shared * rows, self.seen)

    def weights(self) -> torch.Tensor:
        """The attention weights of each row, in buffer 1; buffer 0 is used."""
        _, shared, rows, _ = self.shape
        scores = torch.bmm(self.query, self._keys.mT, out=self.buffer(0))
        own = scores.view(scores.shape[0], shared, rows, self.seen)[..., self.seen - rows :]
        own.masked_fill_(self._unseen, -torch.inf)
        return torch.softmax(scores, -1, out=self.buffer(1))


_scratch = threading.local()


def _buffers(size: int, dtype: torch.dtype) -> torch.Tensor:
    """So many elements, the same for all calls of a thread: fresh memory costs more than what is computed in it."""
    if getattr(_scratch, "buffers", None) is None or _scratch.buffers.numel() < size or _scratch.buffers.dtype != dtype:
        _scratch.buffers = torch.empty(size, dtype=dtype)
    buffers: torch.Tensor = _scratch.buffers[:size]
    return buffers


@cache
def chunks_are_faster() -> bool:
    """Whether this CPU is one for which chunks in bfloat16 are meant: with AVX512_BF16."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))
