"""The body of a tag: divided into arguments, and written from arguments."""

from tools.operation import Operation

_LIST_MARKS = ("-", "*", ">")  # of a list of operations: what is left of the next item
_TORN_CLOSERS = ("<|EN", "<|en", "<|E", "<|e", "<|", "```")


def divide(body: str, operation: Operation, *, closed: bool) -> dict[str, str] | None:
    """The arguments in a tag's body, or None when there are too few of them.

    The first `|`s divide, the last argument takes the rest. Text is kept as written but for one line break at either
    end; of any other argument the first line counts, stripped.
    """
    if not closed:
        body = _unclosed(body, operation)
    parts = body.split("|", max(len(operation.fields) - 1, 0))
    if len(parts) < operation.required:
        return None
    values = dict(zip(operation.fields, parts, strict=False))
    text = operation.fields[-1] if operation.carries_text and len(parts) == len(operation.fields) else None
    return {name: _unpadded(value) if name == text else _first_line(value) for name, value in values.items()}


def pad(text: str) -> str:
    """The text with the line breaks at its ends doubled, since reading takes one away."""
    before = "\n" if text.startswith("\n") else ""
    return f"{before}{text}\n" if text.endswith("\n") else f"{before}{text}"


def line_value(line: str) -> str:
    """What a line `ACTION: Do` names, without the Markdown around it."""
    value = line.partition(":")[2].strip()
    return value.strip("*_`\"' \t") or value


def is_torn_closer(text: str) -> bool:
    """Whether this is the beginning of a closer, as a stop string or a hurried model leaves it."""
    return text.strip() in _TORN_CLOSERS


def _unpadded(text: str) -> str:
    """Models set line breaks next to the tags for looks; one is taken away, and `pad` doubles those that are meant."""
    text = text[1:] if text.startswith("\n") else text
    return text[:-1] if text.endswith("\n") else text


def _first_line(value: str) -> str:
    return value.strip().partition("\n")[0].rstrip()


def _unclosed(body: str, operation: Operation) -> str:
    """The body of an operation without a closer: its line, or its text without the mark of a next list item."""
    body = body.strip()
    if not operation.carries_text:
        body = body.partition("\n")[0].rstrip()
    else:
        before, line_break, last = body.rpartition("\n")
        body = before if line_break and last.strip() in _LIST_MARKS else body
    for torn in _TORN_CLOSERS:
        body = body.removesuffix(torn)
    return body.rstrip()
