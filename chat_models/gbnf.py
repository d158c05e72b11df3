"""From a regular expression to the grammar (GBNF) by which llama.cpp constrains a reply."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"(?P<group>\(\?:)|(?P<mark>\((?!\?)|[)|])|(?P<times>[*+?]|\{\d+(?:,\d*)?\})"
    r"|(?P<range>\[\^?(?:\\.|[^\]\\])+\])|(?P<escaped>\\.)|(?P<literal>[^.\\\[\](){}*+?|^$])",
    re.DOTALL,
)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_SPACE = r" \t\n\x0b\x0c\r"


@lru_cache(maxsize=64)
def gbnf(regex: str) -> str:
    """A grammar whose one rule matches what the expression matches as a whole.

    For the expressions that `tools.tag_grammar` writes: literals, classes, groups, alternatives, repetitions.
    ValueError for anything else.
    """
    rule, at = "root ::= ", 0
    while at < len(regex):
        found = _TOKEN.match(regex, at)
        if found is None:
            raise ValueError(f"An expression with {regex[at : at + 10]!r} has no form as a grammar.")
        rule += _written(str(found.lastgroup), found[0])
        at = found.end()
    return rule


def _written(kind: str, text: str) -> str:
    if kind == "group":
        return "("
    if kind == "mark":
        return f" {text} " if text == "|" else text
    if kind == "times":
        return f"{text} "
    if kind == "range":
        return text.replace(r"\s", _SPACE) + " "
    character = _CONTROLS.get(text[1], text[1]) if kind == "escaped" else text
    if kind == "escaped" and text[1].isalnum() and text[1] not in _CONTROLS:
        raise ValueError(f"An expression with {text!r} has no form as a grammar.")
    return '"' + {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character, character) + '" '
