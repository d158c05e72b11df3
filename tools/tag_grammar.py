"""How an operation is written as a tag: its form, what its arguments may hold, and the regular expression of both."""

import re
from collections.abc import Iterable, Sequence

from tools.arguments import parameters
from tools.operation import ACT, Operation

CLOSER = "<|END|>"
# "<" is free in a text unless a letter, "|" or "/" follows it: those begin a tag. No lookaround, so that the
# engines of constrained decoding (xgrammar, llguidance) take it.
_TEXT = r"(?:[^<]|<+[^<|/A-Za-z])*<*"
_INNER = r"[^<|\s](?:[^<|\r\n]*[^<|\s])?"
# The same without control characters, which the notebook refuses, and spaces that engines do not agree on.
# Nothing but single characters is repeated where a text is read: under a star, a choice between characters costs
# xgrammar (vLLM's engine for patterns) 0.1 to 0.3 s for each token, and this some 1 ms.
_TEXT_CHARACTER = r"[^<\x00-\x08\x0b-\x1f\x7f]"
_PLAIN_TEXT = rf"(?:{_TEXT_CHARACTER}*<+[^<|/A-Za-z\x00-\x08\x0b-\x1f\x7f])*{_TEXT_CHARACTER}*<*"
_PLAIN_INNER = r"[^<|\s\x00-\x1f\x7f-\xa0](?:[^<|\x00-\x1f\x7f]*[^<|\s\x00-\x1f\x7f-\xa0])?"
_FILE = r"(?:[A-Za-z0-9_-]{1,30}/)?[A-Za-z0-9_-]{1,30}(?:\.[A-Za-z0-9_-]{1,12}){0,2}"
_POSITIVE = r"[1-9][0-9]{0,5}"
_NUMBERS = {
    "integer": r"(?:0|-?[1-9][0-9]{0,5})",
    "number": r"-?[0-9]{1,6}(?:\.[0-9]{1,6})?",
    "boolean": r"(?:true|false)",
}
TEXT_PATTERN = re.compile(_TEXT)
INNER_PATTERN = re.compile(_INNER)
LAST_PATTERN = re.compile(r"[^<\s](?:[^<\r\n]*[^<\s])?|<")


def form(operation: Operation) -> str:
    """How to write the operation, with the names of its arguments: `<|SEARCH|>file|keyword<|END|>`."""
    return write(operation.tag, operation.fields)


def write(tag: str, values: Sequence[str]) -> str:
    """One operation as a tag; operations without arguments have no closer."""
    return f"<|{tag}|>{'|'.join(values)}{CLOSER}" if values else f"<|{tag}|>"


def regex(operations: Iterable[Operation]) -> str:
    """A regular expression that fully matches one valid operation, the world's actions enumerated.

    What it matches always reads as one call. It leaves out a little that could also be read: `<` before a letter in
    a text, `<` and `|` in other arguments, control characters, numbers of more than six digits, and file names that are
    not plain (an argument called `file` is one). Of the constraints on an argument it knows the type, the values of an
    enumeration and a minimum of 1.
    """
    return "|".join(f"(?:{_operation_regex(operation)})" for operation in operations)


_FREE = r"[^<|]"
# Beside an action's tag, a line `ACTION: Do` is thinking aloud; without that tag it is one. So where `act` is allowed
# no colon follows what could be the end of "action", spaced or marked as Markdown has it.
_NO_COLON = r"[^<|:]"
_COLON = r"[^<|:Nn \t*_`]:"
_BETWEEN = r"[ \n]{0,2}"


def reply_regex(operations: Sequence[Operation], thought: int | None = None) -> str:
    """A regular expression for a whole reply: free text, then one or more valid operations and nothing else.

    `thought` is how many characters of free text there may be, give or take a colon; any number if None. Where `act`
    is allowed and they are counted, there is one colon at most, between two halves.
    Nothing follows an operation that ends the routine. What it matches reads without a mistake, up to the limit of
    operations in one message. Every beginning of a match can be completed in few characters. It leaves out `<` and
    `|` in the free text, where they could begin a tag.
    """
    free = _free_beside_act(thought) if any(operation.name == ACT for operation in operations) else _free(thought)
    going_on = regex(operation for operation in operations if not operation.ends_routine)
    before = f"(?:(?:{going_on}){_BETWEEN})*" if going_on else ""
    return f"{free}{before}(?:{regex(operations)})"


def _free(thought: int | None) -> str:
    return f"{_FREE}*" if thought is None else f"{_FREE}{{0,{thought}}}"


def _free_beside_act(thought: int | None) -> str:
    """Repeats single characters only, as `_PLAIN_TEXT` does."""
    if thought is None:
        return f"(?:{_NO_COLON}*{_COLON})*{_NO_COLON}*"
    whole = f"{_NO_COLON}{{0,{thought}}}"
    half = f"{_NO_COLON}{{0,{(thought - 1) // 2}}}"
    return whole if thought < 2 else f"(?:{whole}|{half}{_COLON}{half})"


def _operation_regex(operation: Operation) -> str:
    opener = _escape(f"<|{operation.tag}|>")
    if not operation.fields:
        return opener
    values = [_value_regex(operation, name) for name in operation.fields]
    return opener + r"\|".join(values) + _escape(CLOSER)


def _value_regex(operation: Operation, name: str) -> str:
    schema = parameters(operation.arguments)["properties"][name]
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if choices:
        return f"(?:{'|'.join(_escape(str(choice)) for choice in choices)})"
    if schema["type"] != "string":
        return _POSITIVE if schema.get("minimum") == 1 else _NUMBERS[schema["type"]]
    if name == "file":
        return _FILE  # any other name would only be refused by the notebook
    return _PLAIN_TEXT if operation.carries_text and name == operation.fields[-1] else _PLAIN_INNER


def _escape(text: str) -> str:
    """The text as a pattern. `re.escape` also escapes spaces, which other engines refuse."""
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", text)
