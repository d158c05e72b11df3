"""Scripted players: rules, no language model, one for each world; and the protocol they follow.

A policy sees one prompt at a time and keeps nothing between calls, so it knows the past of an episode only through the
notebook, as a language model does.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol, TypeAlias

Decision: TypeAlias = tuple[str, dict[str, object]]

_SECTION = re.compile(r"^## (\w[\w ]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """What a policy may see: the messages of one routine, and nothing from before it."""

    routine: str
    """`LOG` or `PLAN`."""
    step: int
    """The step the routine's first message names; steps are numbered from 1."""
    text: str
    """The routine's first user message, whole."""
    results: tuple[tuple[str, str], ...]
    """(title, text) of the operations answered so far in this routine, in order."""
    operations: frozenset[str]
    """Names of the operations this routine allows."""


class Policy(Protocol):
    """Rules that play one world from its prompts."""

    def decide(self, prompt: Prompt) -> list[Decision]:
        """The operations to write next, in order: (name, arguments), such as `("act", {"action": "Do"})`."""
        ...


def sections(text: str) -> dict[str, str]:
    """The parts of a routine's first message, by heading."""
    parts = _SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def coin(sides: int, seen: str) -> int:
    """A number below `sides` that looks random and is a function of what was seen."""
    return int.from_bytes(blake2b(seen.encode(), digest_size=4).digest()) % sides
