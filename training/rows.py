"""From a dataset to rows of tokens, with an account of every example: kept, cut, or dropped and why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from training.dataset import Example, read_dataset
from training.errors import TrainingError
from training.tokens import NO_LOSS, ChatTokens, Tokens, Untrainable

if TYPE_CHECKING:
    from training.sft_config import CutoffPolicy, LossOn

OVER_CUTOFF = "longer than the cutoff"


class RowCounts(BaseModel):
    """What became of the examples; read = kept + the sum of dropped."""

    model_config = ConfigDict(frozen=True)

    read: int
    kept: int
    cut: int
    """Of the kept: lost whole turns at their end to the cutoff."""
    dropped: dict[str, int] = Field(default_factory=dict)
    """By reason."""
    dropped_ids: list[str] = Field(default_factory=list)
    tokens: int
    """Of all kept rows."""
    tokens_with_loss: int
    longest: int
    """Tokens of the longest row kept."""

    def sentence(self) -> str:
        """The account in one line."""
        lost = "".join(f", {number} dropped ({why})" for why, number in sorted(self.dropped.items()))
        return (
            f"{self.read} examples: {self.kept} kept, {self.cut} of them cut{lost}; {self.tokens} tokens, "
            f"{self.tokens_with_loss} with loss, longest {self.longest}"
        )


def tokenise(
    dataset: Path, chat: ChatTokens, cutoff: int, policy: CutoffPolicy, loss: LossOn
) -> tuple[list[Tokens], RowCounts]:
    """The rows to train on, in the order of the file. TrainingError when none is left, or the policy is to refuse."""
    rows: list[Tokens] = []
    dropped: Counter[str] = Counter()
    ids: list[str] = []
    cut = 0
    for example in read_dataset(dataset):
        try:
            row = chat.encode(example.messages, loss)
        except Untrainable as error:
            dropped[str(error)] += 1
            ids.append(example.id)
            continue
        if (length := len(row.input_ids)) > cutoff:
            if policy == "refuse":
                raise TrainingError(
                    f"{dataset}: the example {example.id!r} has {length} tokens, the cutoff is {cutoff}: raise "
                    "--cutoff, or choose --cutoff-policy drop or cut."
                )
            shorter = _cut(example, chat, cutoff, loss) if policy == "cut" else None
            if shorter is None:
                dropped[OVER_CUTOFF] += 1
                ids.append(example.id)
                continue
            row, cut = shorter, cut + 1
        rows.append(row)
    counts = RowCounts(
        read=len(rows) + len(ids),
        kept=len(rows),
        cut=cut,
        dropped=dict(dropped),
        dropped_ids=ids,
        tokens=sum(len(row.input_ids) for row in rows),
        tokens_with_loss=sum(label != NO_LOSS for row in rows for label in row.labels),
        longest=max((len(row.input_ids) for row in rows), default=0),
    )
    if not rows:
        raise TrainingError(f"{dataset} leaves nothing to train on with a cutoff of {cutoff}: {counts.sentence()}.")
    return rows, counts


def _cut(example: Example, chat: ChatTokens, cutoff: int, loss: LossOn) -> Tokens | None:
    """The row of as many whole turns as fit; None if not even the first does."""
    turns = [index for index, message in enumerate(example.messages) if message.role == "assistant"]
    for index in reversed(turns[:-1]):
        row = chat.encode(example.messages[: index + 1], loss)
        if len(row.input_ids) <= cutoff:
            return row
    return None
