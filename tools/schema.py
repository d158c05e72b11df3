"""The vocabulary of a routine: the operations it allows, and every other form derived from them."""

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from tools import tag_grammar
from tools.arguments import fault_sentence, flaw, parameters, takes, unencodable
from tools.memory_operations import MEMORY_OPERATIONS
from tools.operation import ACT, DONE, Operation, act_operation
from tools.reading import Call, Mistake, MistakeCode, one_line

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ENDINGS = {operation.name: operation for operation in (DONE, act_operation(()))}
_RESERVED = {"end": "END closes every tag", "action": "ACTION is how `act` is written"}


class VocabularyError(ValueError):
    """A vocabulary that cannot be offered to a model: our error, raised before any model is asked."""


class Vocabulary:
    """The operations allowed in one routine, in the order they are shown.

    `elsewhere` holds a scaffold's own operations that other routines allow, so that using one here is answered
    "not allowed", not "unknown"; the built-in ones need not be in it. Raises VocabularyError for a name used twice,
    reserved or not in lower case, and for arguments that are not flat.
    """

    def __init__(
        self,
        routine: str,
        operations: Sequence[Operation],
        *,
        elsewhere: Mapping[str, Operation] = MappingProxyType({}),
    ) -> None:
        self.routine = routine
        self.operations = tuple(operations)
        self._by_name: dict[str, Operation] = {}
        for operation in self.operations:
            self._check(operation)
            self._by_name[operation.name] = operation
        self._known = {**MEMORY_OPERATIONS, **_ENDINGS, **elsewhere, **self._by_name}

    def _check(self, operation: Operation) -> None:
        where = f"operation {operation.name!r} of {self.routine}"
        if not _NAME.fullmatch(operation.name):
            raise VocabularyError(f"{where}: name it with 1-32 lower-case letters, digits and underscores")
        if operation.name in _RESERVED:
            raise VocabularyError(f"{where}: {_RESERVED[operation.name]}, choose another name")
        if operation.name in self._by_name:
            raise VocabularyError(f"{where}: listed twice, remove one")
        found = flaw(operation.arguments)
        if found:
            raise VocabularyError(f"{where}: {found}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the operations allowed, in order."""
        return tuple(self._by_name)

    @property
    def known(self) -> Mapping[str, Operation]:
        """Every operation there is, allowed here or not, by name: what a reader takes for an operation at all."""
        return self._known

    def get(self, name: str) -> Operation | None:
        """The operation of this name (case does not matter), or None when this routine has none."""
        return self._by_name.get(name) or self._by_name.get(name.lower())

    def is_action(self, text: str) -> bool:
        """Whether `act` is allowed here and the text is one of the actions it enumerates, but for case and spaces."""
        return _loosened(text) in self._actions

    @cached_property
    def _actions(self) -> frozenset[str]:
        act = self.get(ACT)
        names = parameters(act.arguments)["properties"]["action"].get("enum", ()) if act else ()
        return frozenset(map(_loosened, names))

    def refusal(self, name: str) -> tuple[MistakeCode, str]:
        """Why an operation of this name cannot be used here: a code and a sentence for the model."""
        allowed = ", ".join(self.names) or "none"
        if name.lower() in self._known:
            return MistakeCode.NOT_ALLOWED, f"{name} is not allowed in {self.routine}; allowed here: {allowed}."
        near = difflib.get_close_matches(name.lower()[:32], self.names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return (
            MistakeCode.UNKNOWN_OPERATION,
            f"There is no operation {one_line(name, 40)}; allowed here: {allowed}.{hint}",
        )

    def validate(
        self,
        name: str,
        arguments: Mapping[str, object],
        *,
        fragment: str = "",
        call_id: str | None = None,
        span: tuple[int, int] | None = None,
    ) -> Call | Mistake:
        """The call of this name with these arguments, or the mistake that prevents it; never raises."""
        operation = self.get(name)
        if operation is None:
            code, message = self.refusal(name)
            return Mistake(code, message, fragment, call_id, span)
        fault = unencodable(arguments)
        if fault is None:
            try:
                validated = operation.arguments.model_validate(dict(arguments))
                return Call(operation, validated, fragment, call_id, span)
            except ValidationError as error:
                fault = fault_sentence(error)
        message = f"{operation.name}: {fault} ({takes(operation.fields)})."
        return Mistake(MistakeCode.BAD_ARGUMENTS, message, fragment, call_id, span)

    @cached_property
    def _json_schemas(self) -> tuple[dict[str, Any], ...]:
        return tuple(
            {
                "type": "function",
                "function": {
                    "name": operation.name,
                    "description": operation.help,
                    "parameters": parameters(operation.arguments),
                },
            }
            for operation in self.operations
        )

    def json_schemas(self) -> list[dict[str, Any]]:
        """The operations as OpenAI tool schemas: flat, the same for the same vocabulary. Treat them as read-only."""
        return list(self._json_schemas)

    def help_text(self) -> str:
        """One line per operation: its name, its arguments and its help."""
        return "\n".join(f"{op.name}({', '.join(op.fields)}): {op.help}" for op in self.operations)

    def regex(self) -> str:
        """A regular expression for exactly one valid operation in the tag dialect, for constrained decoding."""
        return tag_grammar.regex(self.operations)

    def reply_regex(self, thought: int | None = None) -> str:
        """A regular expression for a whole reply in the tag dialect: free text, then one or more valid operations.

        `thought`: characters of free text at most; None for any number.
        """
        return tag_grammar.reply_regex(self.operations, thought)


def _loosened(text: str) -> str:
    return " ".join(text.split()).casefold()
