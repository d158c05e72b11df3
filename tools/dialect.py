"""What a dialect is: a way to show a vocabulary to a model, read what it writes, and answer it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tools.functions import Functions
from tools.reading import Call, Mistake, Reading, Reply
from tools.schema import Vocabulary
from tools.tags import Tags

Message = Mapping[str, Any]
"""An OpenAI-style message: role, content, and for tool calling tool_calls or tool_call_id."""


class Dialect(Protocol):
    """A way of writing operations. Instances are stateless and may be shared."""

    name: str

    def forms(self, vocabulary: Vocabulary) -> list[tuple[str, str]]:
        """How to write each operation, and its help, for the system prompt."""
        ...

    def tools(self, vocabulary: Vocabulary) -> list[dict[str, Any]] | None:
        """The tool schemas to bind to the model; None when the dialect is plain text."""
        ...

    def constraint(self, vocabulary: Vocabulary, thought: int | None = None) -> str | None:
        """A regular expression for whole replies without a mistake; None when a reply is not plain text.

        `thought`: characters of free text before the operations at most; None for any number.
        """
        ...

    def read(self, message: Message, vocabulary: Vocabulary, *, truncated: bool = False) -> Reading:
        """Calls and mistakes in the order written; `truncated` when the reply hit the token limit. Never raises."""
        ...

    def write(self, calls: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, Any]:
        """The assistant message that makes these calls; ValueError for arguments the dialect cannot carry."""
        ...

    def settle(self, message: Message) -> dict[str, Any]:
        """The assistant message in a form that servers accept in a conversation."""
        ...

    def remove(self, message: Message, items: Sequence[Call | Mistake]) -> dict[str, Any]:
        """The message without these items, as `read` gave them for this message; its content may be left empty.

        To take a world action out, remove the calls of `act` and also the mistakes AFTER_END, which may hold another.
        """
        ...

    def answer(
        self,
        message: Message,
        replies: Sequence[Reply],
        render: Callable[[Sequence[Reply]], str],
    ) -> list[dict[str, Any]]:
        """The messages that answer an assistant message; `render` turns replies into the text of a user message."""
        ...


class UnknownDialect(ValueError):
    """A dialect name that does not exist: our error."""


_DIALECTS: dict[str, Dialect] = {"tags": Tags(), "functions": Functions()}
DIALECT_NAMES: tuple[str, ...] = tuple(_DIALECTS)
"""The dialects there are; `tags` is the paper's and the default."""


def dialect(name: str) -> Dialect:
    """The dialect of this name; UnknownDialect names the ones there are."""
    try:
        return _DIALECTS[name]
    except KeyError:
        raise UnknownDialect(f"unknown dialect {name!r}: use one of {', '.join(DIALECT_NAMES)}") from None
