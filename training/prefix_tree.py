"""Examples that begin with the same tokens, as trees: each common prefix once, and what follows it below.

A tree says which tokens are computed together and which tokens each of them sees: those of its own node that come
before it, and those of the nodes above. `passes` cuts the trees into forward passes of a bounded number of examples.
Nothing here needs torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

SHORTEST = 32
"""Tokens that a common prefix must have to become a node: a shorter one saves less than another node costs."""
ENOUGH = 0.3
"""Share of shared tokens from which on computing them once is the default."""


@dataclass(slots=True)
class Node:
    """A run of tokens that the same examples have in common."""

    begin: int
    end: int
    """Its tokens are `row[begin:end]` of each of its examples, at these positions."""
    examples: tuple[int, ...]
    """Indices of the examples that run through it."""
    children: list[Node] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of its own tokens."""
        return self.end - self.begin

    def walk(self) -> Iterator[Node]:
        """Itself and all nodes below, each before those below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def grow(rows: Sequence[Sequence[int]], shortest: int = SHORTEST) -> list[Node]:
    """The trees of rows of tokens. Each row is a path: its nodes' tokens, one after the other, are the row."""
    members = sorted((index for index, row in enumerate(rows) if row), key=lambda index: (list(rows[index]), index))
    return _grow(rows, members, 0, 0, shortest)


def _grow(rows: Sequence[Sequence[int]], members: list[int], start: int, depth: int, shortest: int) -> list[Node]:
    """The nodes that begin at `start`, of sorted rows that are equal up to `depth`, start <= depth."""
    nodes = []
    for token, equal in groupby(members, key=lambda index: rows[index][depth] if depth < len(rows[index]) else None):
        group = list(equal)
        if token is None:  # rows that end here
            if depth > start:
                nodes.append(Node(start, depth, tuple(group)))
            continue
        common = _common(rows[group[0]], rows[group[-1]], depth)
        if len(group) == 1 or common - start >= shortest:
            nodes.append(Node(start, common, tuple(group), _grow(rows, group, common, common, shortest)))
        else:
            nodes += _grow(rows, group, start, common, shortest)
    return nodes


def _common(one: Sequence[int], other: Sequence[int], equal: int) -> int:
    """Length of the common prefix of two rows that are equal up to `equal`, by bisection."""
    least, most = equal, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


@dataclass(frozen=True, slots=True)
class Segment:
    """A node as a part of a pass."""

    node: Node
    begin: int
    end: int
    """Its tokens in the pass."""
    below: int
    """Where the segments of the nodes below it end in the pass; they begin at `end`."""


@dataclass(slots=True)
class Pass:
    """What one forward pass computes: whole trees below one node, or a single node with its tree in later passes."""

    segments: list[Segment] = field(default_factory=list)
    children: list[Pass] = field(default_factory=list)
    """Passes that also see the tokens of this one, which then has one segment."""

    @property
    def length(self) -> int:
        """Number of its tokens."""
        return self.segments[-1].end if self.segments else 0

    def add(self, node: Node) -> None:
        """Append a tree."""
        end = self.length + node.length
        place = len(self.segments)
        self.segments.append(Segment(node, self.length, end, end))
        for child in node.children:
            self.add(child)
        self.segments[place] = Segment(node, end - node.length, end, self.length)


def passes(nodes: Sequence[Node], examples: int) -> list[Pass]:
    """Passes of at most so many examples. The root of a larger tree is a pass of its own, with the rest below it."""
    found: list[Pass] = []
    room = 0
    for node in nodes:
        if len(node.examples) > examples and node.children:
            root = Node(node.begin, node.end, node.examples)
            found.append(Pass([Segment(root, 0, node.length, node.length)], passes(node.children, examples)))
            room = 0
            continue
        if not found or len(node.examples) > room:
            found.append(Pass())
            room = examples
        found[-1].add(node)
        room -= len(node.examples)
    return found


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the examples of an optimizer step have in common, on average over a dataset."""

    tokens: int
    shared: int
    """Tokens of examples in nodes of several examples."""
    computed: int
    """Tokens of all nodes."""

    @property
    def share(self) -> float:
        """Shared tokens of all tokens, in [0, 1]."""
        return self.shared / self.tokens

    def sentence(self) -> str:
        """What it saves, in a few words."""
        fewer = self.tokens / self.computed
        return f"{100 * self.share:.0f} % of tokens shared: {fewer:.1f} × fewer to compute"


def sharing(rows: Sequence[Sequence[int]], together: int, seed: int) -> Sharing:
    """What steps of `together` examples share, in one random order of the rows."""
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    tokens = shared = computed = 0
    for first in range(0, len(order), together):
        for root in grow([rows[index] for index in order[first : first + together]]):
            for node in root.walk():
                used = len(node.examples)
                tokens += used * node.length
                computed += node.length
                shared += used * node.length if used > 1 else 0
    return Sharing(tokens, shared, computed)
