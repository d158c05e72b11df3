"""Replies that must match a regular expression: which tokens may come next, and how to end in time.

llguidance follows the expression byte by byte and says which of the vocabulary's tokens keep a match possible, in some
50 microseconds a token and without compiling anything beforehand.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
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
LONGEST = 120
"""Characters that an end may have: one operation with a long name and as long a choice."""
WIDE = 40
"""Where more single bytes than these may come next (in free text), few of them lead to an end sooner."""
NARROWING = frozenset(b"<|>a1\n")
BAR = ord("|")
"""Parts arguments: the beginning of the second looks like that of the first."""
KEPT = 32
"""Compiled expressions kept: two per scaffold and dialect."""


class Constraints:
    """What turns regular expressions into Constraints, for one tokenizer. For one thread."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self.ends = sorted(ends)
        self._guide: Any = None
        self._bytes: dict[int, int] = {}
        self._matchers: OrderedDict[str, Any] = OrderedDict()

    def begin(self, regex: str) -> Constraint:
        """A constraint at the beginning of a reply. ConfigurationError for an expression that cannot be followed."""
        if self._guide is None:
            self._guide = from_tokenizer(self._tokenizer, n_vocab=len(self._tokenizer), eos_token=self.ends)
            self._bytes = _single_bytes(self._guide)
        if regex not in self._matchers:
            matcher = LLMatcher(self._guide, LLMatcher.grammar_from_regex(regex))
            if matcher.is_error():
                raise ConfigurationError(f"Replies cannot be constrained to {regex[:80]!r}…: {matcher.get_error()}")
            self._matchers[regex] = matcher
            while len(self._matchers) > KEPT:
                self._matchers.popitem(last=False)
        self._matchers.move_to_end(regex)
        return Constraint(self._matchers[regex].deep_copy(), self._bytes, self.ends[0])


class Constraint:
    """One reply's way through its expression."""

    def __init__(self, matcher: Any, single_bytes: dict[int, int], end: int) -> None:
        self._matcher = matcher
        self._bytes = single_bytes
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
        """Tokens, most of a single byte, that complete the match, and the end of the turn: the fewest, or nearly so.

        Searched over all that may come next where that is little (names of operations and actions), and over marks
        and one letter where it is much (texts).
        """
        ways: deque[tuple[list[int], Any]] = deque([([], self._matcher.deep_copy())])
        seen: set[tuple[bytes, int, int]] = set()
        while ways:
            tokens, matcher = ways.popleft()
            if matcher.is_accepting():
                return [*tokens, self._end]
            if len(tokens) >= LONGEST:
                continue
            mask = matcher.compute_bitmask()
            allowed = _bits(mask)
            # Where what comes next is certain, only its longest token is allowed.
            possible = [token for token in self._bytes if allowed[token]] or np.flatnonzero(allowed)[:WIDE].tolist()
            marks = [token for token in possible if self._bytes.get(token) in NARROWING]
            text = len(possible) > WIDE and bool(marks)
            # Where ways part, those on which the same may come next lead on alike: in a text whatever its length, in
            # numbers and in the bytes of one character those of the same length.
            place = (mask, sum(self._bytes.get(token) == BAR for token in tokens), 0 if text else len(tokens))
            if len(possible) > 1 and place in seen:
                continue
            seen.add(place)
            if text:
                possible = marks
            for token in possible:
                further = matcher.deep_copy()
                further.consume_token(token)
                ways.append(([*tokens, token], further))
        return []


def _single_bytes(guide: Any) -> dict[int, int]:
    """The byte of each token that is a single one."""
    written = {
        token: guide.decode_bytes([token]) for token in range(guide.vocab_size) if not guide.is_special_token(token)
    }
    return {token: text[0] for token, text in written.items() if len(text) == 1}


def _allowed(matcher: Any, size: int) -> NDArray[np.bool_]:
    """For each of `size` logits, whether its token may come next."""
    bits = _bits(matcher.compute_bitmask())
    if len(bits) < size:  # logits are sometimes padded beyond the vocabulary
        bits = np.concatenate([bits, np.zeros(size - len(bits), dtype=bool)])
    return bits[:size]


def _bits(mask: bytes) -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(mask, dtype=np.uint8), bitorder="little").astype(bool)
