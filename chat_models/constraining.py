"""Replies that must match a regular expression: which tokens may come next, and how to end in time.

llguidance follows the expression byte by byte and says which of the vocabulary's tokens keep a match possible, in some
50 microseconds a token and without compiling anything beforehand.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Collection
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from chat_models.failures import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDING = 64
"""Tokens before the limit from which on a reply is watched, and no further operation begun."""
MARGIN = 32
"""Tokens kept in hand beyond the shortest end: the next token may open an operation, in single characters some 30."""
WIDE = 40
"""Where more single characters than these may come next (in free text), few of them lead to an end sooner."""
NARROWING = frozenset(b"<|>a1\n")
KEPT = 32
"""Compiled expressions kept: two per scaffold and dialect."""


class Constraints:
    """What turns regular expressions into Constraints, for one tokenizer. For one thread."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self.ends = sorted(ends)
        self._guide: Any = None
        self._characters: dict[int, int] = {}
        self._matchers: OrderedDict[str, Any] = OrderedDict()

    def begin(self, regex: str) -> Constraint:
        """A constraint at the beginning of a reply. ConfigurationError for an expression that cannot be followed."""
        if self._guide is None:
            self._guide = from_tokenizer(self._tokenizer, n_vocab=len(self._tokenizer), eos_token=self.ends)
            vocabulary = self._tokenizer.get_vocab()
            # In a byte-level vocabulary every printable ASCII character is a token; the line break is written Ċ.
            self._characters = {vocabulary[chr(c)]: c for c in range(33, 127) if chr(c) in vocabulary}
            self._characters |= {vocabulary[name]: ord(c) for name, c in (("Ġ", " "), ("Ċ", "\n")) if name in vocabulary}
        if regex not in self._matchers:
            matcher = LLMatcher(self._guide, LLMatcher.grammar_from_regex(regex))
            if matcher.is_error():
                raise ConfigurationError(f"Replies cannot be constrained to {regex[:80]!r}…: {matcher.get_error()}")
            self._matchers[regex] = matcher
            while len(self._matchers) > KEPT:
                self._matchers.popitem(last=False)
        self._matchers.move_to_end(regex)
        return Constraint(self._matchers[regex].deep_copy(), self._characters, self.ends[0])


class Constraint:
    """One reply's way through its expression."""

    def __init__(self, matcher: Any, characters: dict[int, int], end: int) -> None:
        self._matcher = matcher
        self._characters = characters
        self._end = end
        self._ending: list[int] = []
        """The tokens, in reverse, that remain to be written once the reply is being brought to its end."""

    def masked(self, logits: torch.Tensor, left: int) -> torch.Tensor:
        """The logits ([vocabulary]) with minus infinity for every token that may not come next.

        `left`: tokens that may still be written, the next one and the end-of-turn token included. As they run out the
        shortest way to a match is taken, so that the reply is cut off in no operation.
        """
        if left <= ENDING and not self._ending:
            shortest = self.shortest_end()
            if len(shortest) == 1 or len(shortest) + MARGIN >= left:
                self._ending = shortest[::-1]
        if self._ending:
            allowed = np.zeros(len(logits), dtype=bool)
            allowed[self._ending[-1]] = True
        else:
            allowed = _allowed(self._matcher, len(logits))
        return logits.masked_fill(torch.from_numpy(~allowed), float("-inf"))

    def take(self, token: int) -> None:
        """Go on after a token that was allowed."""
        if self._ending:
            self._ending.pop()
        if not self._matcher.consume_token(token):
            raise RuntimeError(f"The constraint was left by token {token}: {self._matcher.get_error()}")

    def shortest_end(self) -> list[int]:
        """Single-character tokens that complete the match, and the end of the turn; few characters if not the fewest.

        Searched over all that may come next where that is little (names of operations and actions), and over marks
        and one letter where it is much (texts).
        """
        order = count()
        open_ends: list[tuple[int, int, list[int], Any]] = [(0, next(order), [], self._matcher.deep_copy())]
        while open_ends:
            length, _, tokens, matcher = heapq.heappop(open_ends)
            if matcher.is_accepting():
                return [*tokens, self._end]
            if length >= ENDING:
                continue
            allowed = _allowed(matcher, None)
            possible = [token for token in self._characters if allowed[token]]
            if len(possible) > WIDE:
                possible = [token for token in possible if self._characters[token] in NARROWING]
            for token in possible:
                further = matcher.deep_copy()
                further.consume_token(token)
                heapq.heappush(open_ends, (length + 1, next(order), [*tokens, token], further))
        return []


def _allowed(matcher: Any, size: int | None) -> NDArray[np.bool_]:
    """For each token of the vocabulary, whether it may come next."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
    if size is not None and len(bits) < size:  # logits are sometimes padded beyond the vocabulary
        bits = np.concatenate([bits, np.zeros(size - len(bits), dtype=np.uint8)])
    return bits[:size].astype(bool)
