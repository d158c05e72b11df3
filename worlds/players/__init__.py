"""Scripted players: rules, no language model, one for each world; and the protocol they follow.

A policy sees one prompt at a time and keeps nothing between calls, so it can know the past of an episode only through
the notebook, as a language model does.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

Decision: TypeAlias = tuple[str, dict[str, object]]


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
