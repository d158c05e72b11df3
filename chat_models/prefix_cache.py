"""Keys and values of prompt prefixes seen before, so that only what is new in a prompt is computed.

Prefixes are kept in blocks of tokens, each under the hash of all tokens up to its end: prompts that begin alike share
their blocks, and the longest run of known blocks is the longest known prefix. Blocks are computed one by one from the
prompt's beginning, so a block found here holds, bit for bit, what computing it again would give.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

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
