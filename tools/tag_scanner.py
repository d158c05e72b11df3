"""Finds the tags in a model's text, damaged ones included: one pass, linear in the length of the text.

What counts as which mark:
- opener: `<|NAME|>` and, for the names of operations, `<NAME>`, `<|NAME>`, `<NAME|>`, `<|NAME|}`, `<|NAME|`, any case;
- closer: `<|END|>` and its damages `<|END|}`, `<|END>`, `<END>`, `<END|>`, `<|end|>`, `<|END`, `|END|>`, `<|/END|>`;
  `</NAME>` closes the operation of that name;
- line: `ACTION: Do` alone on its line;
- turn end: `<|im_end|>` and its like, which some servers leave in the text; what follows is no longer the model's turn;
- stray: `<|` that begins none of these.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Container
from enum import Enum, auto
from typing import NamedTuple

from tools.operation import ACT
from tools.tag_body import line_value


class Mark(Enum):
    """The kinds of mark that divide a text."""

    OPENER = auto()
    CLOSER = auto()
    NAMED_CLOSER = auto()
    LINE = auto()
    TURN_END = auto()
    STRAY = auto()


class Token(NamedTuple):
    """One mark: its kind, its place, the operation's name (as written for unknown ones), whether damaged."""

    mark: Mark
    start: int
    end: int
    name: str = ""
    damaged: bool = False


# Every part is optional or bounded and nothing is nested, so a match costs at most some 50 characters and is never
# tried twice from one position. Without the IGNORECASE flag the engine leaps from one "<" or "|" to the next.
_TAG = re.compile(
    r"<(?P<slash>\s?/)?\s?(?P<lead>\|)?\s?(?P<slash2>/)?\s?(?P<name>[A-Za-z][A-Za-z0-9_]{0,31})(?P<edge>(?![A-Za-z0-9_]))?"
    r"\s?(?P<tail>\|)?(?P<bracket>[>}\])])?"
    r"|\|\s?(?P<bare>[Ee][Nn][Dd])\s?\|\s?[>}]"
    r"|<\|"
)
_ACTION_LINE = re.compile(r"[Aa][Cc][Tt][Ii][Oo][Nn][ \t*_`]{0,4}:[ \t*_`]{0,8}(?=\S)")
_BEFORE_ACTION = 12
_DECORATION = " \t>*_#`-"
_TURN_ENDS = frozenset({"im_end", "im_start", "endoftext", "end_of_text", "eot_id", "eom_id", "eot", "start_header_id"})
_ALIASES = {"action": ACT}


def scan(text: str, start: int, known: Container[str], *, is_action: Callable[[str], bool] | None) -> list[Token]:
    """The marks of the text from `start` on, in order; `known` holds the operations' names.

    A line `ACTION: …` is a mark when `is_action` says that it names an action (None: never), and only when no ACTION
    tag stands in the text: beside a tag such a line is the model thinking aloud.
    """
    tokens = [token for match in _TAG.finditer(text, start) if (token := _token(match, known)) is not None]
    if is_action is not None and not any(token.mark is Mark.OPENER and token.name == ACT for token in tokens):
        lines = [_line(text, match, tokens) for match in _ACTION_LINE.finditer(text, start) if _opens_line(text, match)]
        lines = [line for line in lines if is_action(line_value(text[line.start : line.end]))]
        if lines:
            tokens = sorted(tokens + lines, key=lambda token: token.start)
    return tokens


def _opens_line(text: str, match: re.Match[str]) -> bool:
    """Whether only a little Markdown precedes the match on its line."""
    start = match.start()
    before = text[max(start - _BEFORE_ACTION - 1, 0) : start]
    line = before.rpartition("\n")[2]
    return not line.strip(_DECORATION) and (len(line) < len(before) or len(line) == start)


def _line(text: str, match: re.Match[str], tokens: list[Token]) -> Token:
    """The line of this match from its start, up to a tag in it."""
    start = text.rfind("\n", max(match.start() - _BEFORE_ACTION - 1, 0), match.start()) + 1
    end = text.find("\n", match.end())
    end = len(text) if end < 0 else end
    following = bisect_left(tokens, match.end(), key=lambda token: token.start)
    return Token(Mark.LINE, start, min(end, tokens[following].start) if following < len(tokens) else end, ACT)


def _token(match: re.Match[str], known: Container[str]) -> Token | None:
    start, end = match.span()
    slash, lead, slash2, written, edge, tail, bracket, bare = match.groups()
    if written is None:
        return Token(Mark.CLOSER, start, end, damaged=True) if bare else Token(Mark.STRAY, start, end)
    name = written.lower()
    name = _ALIASES.get(name, name)
    if edge is None or not _is_tag(name == "end", lead, tail, bracket):
        return _stray(start, end, written, name, lead, known)
    if name == "end":
        return Token(Mark.CLOSER, start, end, damaged=match.group() != "<|END|>")
    if slash or slash2:
        return Token(Mark.NAMED_CLOSER, start, end, name)
    if name in known:
        return Token(Mark.OPENER, start, end, name)
    if name in _TURN_ENDS and lead and tail:
        return Token(Mark.TURN_END, start, end, name)
    return Token(Mark.OPENER, start, end, written) if lead or tail else None


def _is_tag(is_end: bool, lead: str | None, tail: str | None, bracket: str | None) -> bool:
    """Whether enough of the pipes and brackets are there. Without a pipe only `>` will do: "<5 apples" is prose."""
    if lead and tail:
        return True
    if lead or tail:
        return bracket in (">", "}") or bool(is_end and lead)
    return bracket == ">" or (is_end and bracket == "}")


def _stray(start: int, end: int, written: str, name: str, lead: str | None, known: Container[str]) -> Token | None:
    """A tag that was begun and not finished: with a pipe, or an operation's name in capitals (`<SEARCH file="a">`)."""
    if lead or (name in known and written.isupper()):
        return Token(Mark.STRAY, start, end)
    return None
