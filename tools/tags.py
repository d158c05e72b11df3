"""The tag dialect, the paper's: `<|SEARCH|>file|keyword<|END|>` in plain text, for any text model."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools import tag_grammar
from tools.memory_operations import MEMORY_OPERATIONS
from tools.operation import ACT
from tools.reading import EMPTY, Call, Mistake, Reading, Reply, answer_text, encodable, excerpt
from tools.schema import Vocabulary
from tools.tag_body import pad
from tools.tag_reader import MAX_REPLY_CHARS, TagReader
from tools.tag_scanner import scan


class Tags:
    """The tag dialect."""

    name = "tags"

    def forms(self, vocabulary: Vocabulary) -> list[tuple[str, str]]:
        """How to write each operation as a tag, and its help."""
        return [(tag_grammar.form(operation), operation.help) for operation in vocabulary.operations]

    def tools(self, vocabulary: Vocabulary) -> None:
        """None: tags need nothing of the model but text."""
        return

    def constraint(self, vocabulary: Vocabulary, thought: int | None = None) -> str:
        """A regular expression for whole replies without a mistake."""
        return vocabulary.reply_regex(thought)

    def read(self, message: Mapping[str, Any], vocabulary: Vocabulary, *, truncated: bool = False) -> Reading:
        """Calls and mistakes in the order written; spans are character positions in the content. Never raises."""
        text = answer_text(message)
        if len(text) > MAX_REPLY_CHARS:
            text, truncated = text[:MAX_REPLY_CHARS], True
        return Reading(tuple(TagReader(text, vocabulary, truncated).read()))

    def write(self, calls: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, Any]:
        """The assistant message that makes these calls, one per line, arguments in the order given.

        ValueError for what tags cannot carry: in a text, `<` before a letter, `|` or `/`; in other arguments also line
        breaks, outer white space, and `|` except in the last.
        """
        return {"role": "assistant", "content": "\n".join(_written(name, arguments) for name, arguments in calls)}

    def settle(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message as plain text, safe to encode and not empty; native tool calls mean nothing in this dialect."""
        return {"role": "assistant", "content": encodable(answer_text(message)) or EMPTY}

    def remove(self, message: Mapping[str, Any], items: Sequence[Call | Mistake]) -> dict[str, Any]:
        """The message with the text of these items cut out."""
        text = answer_text(message)
        for start, end in sorted((item.span for item in items if item.span), reverse=True):
            text = text[:start] + text[end:]
        return {"role": "assistant", "content": encodable(text.strip())}

    def answer(
        self,
        message: Mapping[str, Any],
        replies: Sequence[Reply],
        render: Callable[[Sequence[Reply]], str],
    ) -> list[dict[str, Any]]:
        """One user message with all replies."""
        return [{"role": "user", "content": render(replies)}]


def _written(name: str, arguments: Mapping[str, object]) -> str:
    """One call as a tag. A scaffold's own operation is written in the order given, its last argument as text."""
    operation = MEMORY_OPERATIONS.get(name)
    if operation is not None and set(arguments) == set(operation.fields):
        arguments = {field: arguments[field] for field in operation.fields}
    text_last = operation.carries_text if operation is not None else name != ACT
    values = [str(value) for value in arguments.values()]
    for place, value in enumerate(values):
        if place < len(values) - 1:
            _check(name, value, tag_grammar.INNER_PATTERN, "line breaks, outer white space, `<` or `|`")
        elif text_last:
            _check(name, value, tag_grammar.TEXT_PATTERN, "`<` before a letter, `|` or `/`")
            values[place] = pad(value)
        else:
            _check(name, value, tag_grammar.LAST_PATTERN, "line breaks, outer white space or `<`")
    tag = tag_grammar.write("ACTION" if name == ACT else name.upper(), values)
    marks = scan(tag, 0, {name}, is_action=None)
    if len(marks) > 2 and not text_last:  # such as `|END|>` in a keyword
        raise ValueError(f"{name}: the tag dialect cannot carry what looks like a tag: {excerpt(tag, 60)!r}")
    return tag


def _check(name: str, value: str, pattern: re.Pattern[str], what: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(f"{name}: the tag dialect cannot carry {what} in this argument: {excerpt(value, 60)!r}")
