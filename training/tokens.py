"""A dataset as tokens: which of them carry loss, and which examples are kept, cut or dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from training import TrainingError
from training.dataset import Example, Message, read_dataset

if TYPE_CHECKING:
    from training.sft_config import CutoffPolicy, LossOn


NO_LOSS = -100
"""The label that torch's cross entropy ignores."""


class Untrainable(Exception):
    """An example that this base's template cannot represent; the reason is counted."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example: two lists of equal length."""

    input_ids: list[int]
    labels: list[int]
    """The token where it carries loss, else NO_LOSS."""


class ChatTokens:
    """Tokenises conversations for one base. TrainingError when its template changes turns."""

    def __init__(self, tokenizer: Any, name: str, ends: frozenset[int]) -> None:
        """`ends`: the tokens at which this model stops."""
        if not getattr(tokenizer, "is_fast", False) or not getattr(tokenizer, "chat_template", None):
            raise TrainingError(f"The base {name} has no chat template (or no fast tokenizer): use an -Instruct model.")
        self.tokenizer = tokenizer
        self.name = name
        self.ends = ends
        added = tokenizer.added_tokens_decoder
        self._special = frozenset(token for token, written in added.items() if written.special) | ends

    def encode(self, messages: Sequence[Message], loss: LossOn) -> Tokens:
        """The conversation up to the end of its last assistant turn. Untrainable if a turn holds a special token."""
        plain = [message.model_dump() for message in messages]
        turns = [index for index, message in enumerate(plain) if message["role"] == "assistant"]
        whole = self._render(plain)
        input_ids: list[int] = []
        labels: list[int] = []
        at = 0
        for index in turns if loss == "all" else turns[-1:]:
            opening = self._render(plain[:index], opening=True)
            closed = self._render(plain[: index + 1])
            if not whole.startswith(closed) or not closed.startswith(opening):
                raise TrainingError(
                    f"The chat template of {self.name} writes turn {index + 1} otherwise when the conversation goes "
                    "on, so that its turns cannot be learned as they were written: use --loss last, or another base."
                )
            context = self._tokens(whole[at : len(opening)])
            turn, written = self._turn(closed[len(opening) :], plain[index]["content"])
            input_ids += context + turn
            labels += [NO_LOSS] * len(context) + turn
            at = len(opening) + written
        return Tokens(input_ids, labels)

    def _turn(self, text: str, content: str) -> tuple[list[int], int]:
        """The tokens of a turn up to its end-of-turn token, and their number of characters in `text`."""
        if text.startswith(content):
            end = len(content)
        elif text.startswith(content.strip()):  # templates of Llama trim what was written
            end = len(content.strip())
        else:
            raise TrainingError(
                f"The chat template of {self.name} changes what the assistant wrote ({_shown(content)} becomes "
                f"{_shown(text)}): what it would learn is not what was written. Use another base."
            )
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids: list[int] = encoded["input_ids"]
        for position, (token, (start, stop)) in enumerate(zip(ids, encoded["offset_mapping"], strict=True)):
            if start < end:
                if token in self._special:
                    raise Untrainable("an assistant turn holds a special token of the base")
            elif token in self.ends:
                return ids[: position + 1], stop
        raise TrainingError(
            f"The chat template of {self.name} ends a turn ({_shown(text[end:])}) with no token that the model stops "
            "at, so that the specialist would never learn to end: use an -Instruct model."
        )

    def _render(self, messages: list[dict[str, str]], *, opening: bool = False) -> str:
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opening)
        except TemplateError as error:
            raise TrainingError(f"The chat template of {self.name} refuses a conversation: {error}.") from error
        return text

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


OVER_CUTOFF = "longer than the cutoff"


class RowCounts(BaseModel):
    """Counts of examples and tokens; read = kept + the sum of dropped."""

    model_config = ConfigDict(frozen=True)

    read: int
    kept: int
    cut: int
    """Kept, but without their last turns, which exceeded the cutoff."""
    dropped: dict[str, int] = Field(default_factory=dict)
    """By reason."""
    dropped_ids: list[str] = Field(default_factory=list)
    tokens: int
    """Of all kept rows."""
    tokens_with_loss: int
    longest: int
    """Tokens of the longest row kept."""

    def sentence(self) -> str:
        """The counts in one line."""
        lost = "".join(f", {number} dropped ({why})" for why, number in sorted(self.dropped.items()))
        return (
            f"{self.read} examples: {self.kept} kept, {self.cut} of them cut{lost}; {self.tokens} tokens, "
            f"{self.tokens_with_loss} with loss, longest {self.longest}"
        )


def tokenise(
    dataset: Path, chat: ChatTokens, cutoff: int, policy: CutoffPolicy, loss: LossOn
) -> tuple[list[Tokens], RowCounts]:
    """The rows to train on, in the order of the file. TrainingError when none is left, or one is refused."""
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
    """The row of the most whole turns that fit; None if the first does not."""
    turns = [index for index, message in enumerate(example.messages) if message.role == "assistant"]
    for index in reversed(turns[:-1]):
        row = chat.encode(example.messages[: index + 1], loss)
        if len(row.input_ids) <= cutoff:
            return row
    return None
