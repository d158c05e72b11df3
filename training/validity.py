"""How often a memory model's replies are made of valid operations only: what a specialist learns first of all.

A turn is one reply of the memory role in LOG or PLAN. It is valid if it holds at least one operation, and every
operation it holds could be read, was allowed and was not refused by the notebook; words beside them do not matter. A
PLAN's last reply that hands over in plain words is no valid turn: no example ends on such a reply, and a model without
any skill writes nothing else. One that is nothing but an action is: to find nothing worth looking up is a decision that
the routine's vocabulary has, though the action itself is removed. Failed model calls are in no trace, and episodes
that failed are left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from traces import Conversation, RunFolder, TraceReader, read_result


@dataclass(frozen=True, slots=True)
class Validity:
    """Turns of the memory role by routine: how many there were, and how many were valid."""

    turns: dict[str, int]
    valid: dict[str, int]

    def share(self, routine: str | None = None) -> float | None:
        """The share of valid turns, in all or of one routine; None without any turn."""
        whole = self.turns[routine] if routine else sum(self.turns.values())
        part = self.valid[routine] if routine else sum(self.valid.values())
        return part / whole if whole else None


def validity(run: RunFolder) -> Validity:
    """Count the turns of a run, episode by episode."""
    turns: Counter[str] = Counter()
    valid: Counter[str] = Counter()
    for folder in run.episodes():
        result = read_result(folder, content=True)
        if result is None or not result.scored or not folder.steps.exists():
            continue
        with TraceReader(folder) as reader:
            for record in reader:
                for conversation in record.conversations:
                    if conversation.role == "memory":
                        turns[conversation.routine] += len(conversation.calls)
                        valid[conversation.routine] += _valid_turns(conversation)
    routines = ("LOG", "PLAN")
    return Validity({name: turns[name] for name in routines}, {name: valid[name] for name in routines})


def _valid_turns(conversation: Conversation) -> int:
    outcomes: dict[int, set[str]] = {}
    for operation in conversation.operations:
        outcomes.setdefault(operation.call, set()).add(str(operation.outcome))
    return sum(not outcomes.get(call, {"mistake"}) & {"mistake", "rejected"} for call in range(len(conversation.calls)))
