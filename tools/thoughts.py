"""Thoughts in the text of a reply: where they begin and end. They are no part of the answer.

A server that knows how its model thinks sends thoughts apart; any other leaves them in the text, and the operations
that a model drafts there must not be carried out, shown to it again, or trained on.
"""

import re
from typing import NamedTuple


class Wrapper(NamedTuple):
    """What opens and what closes a thought, as regular expressions."""

    models: str
    opening: str
    closing: str


_CALL = r"<\|start\|>assistant to=|(?:<\|start\|>assistant)?<\|channel\|>commentary to="
WRAPPERS = (
    Wrapper("Qwen, DeepSeek, GLM, Seed and most others", r"<(?:seed:)?think(?:ing)?>", r"</(?:seed:)?think(?:ing)?>"),
    Wrapper("Magistral", r"\[THINK\]", r"\[/THINK\]"),
    Wrapper("Command A", r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    Wrapper("Gemma 4", r"<\|channel>thought\b", r"<channel\|>"),
    Wrapper(
        "gpt-oss: every channel but `final`, up to a tool call; `assistantfinal` where the server drops special tokens",
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)\b(?! to=)",
        r"(?:<\|start\|>assistant)?<\|channel\|>final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>|assistantfinal"
        rf"|(?={_CALL})",
    ),
)
_MARK = re.compile(
    r"(?P<to_>to=[\w.]+<\|channel\|>commentary)|"
    + "|".join(f"(?P<o{n}>{one.opening})|(?P<c{n}>{one.closing})" for n, one in enumerate(WRAPPERS))
)
_HINTS = ("hink", "THINK", "channel", "assistantfinal")
"""A text with none of these holds no mark; most replies are of that kind."""
_END_OF_FINAL = re.compile(r"\s*<\|(?:return|end|call)\|>\s*\Z")


class Separated(NamedTuple):
    """A text in two: the thoughts with their marks, and the answer."""

    thoughts: str
    answer: str


def separate(text: str, *, opened: bool = False) -> Separated:
    """The thoughts and the answer in a reply's text.

    A closing mark without an opening one ends a thought that began in the prompt. An opening mark that nothing closes
    takes the rest, unless it is in the middle of a line with an operation before it: that is a mention.
    `opened`: a thought began in the prompt, so that a text that closes none is a thought as a whole.
    """
    spans: list[tuple[int, int]] = []
    kind, begun = "", 0  # of the thought that is open
    marks = _MARK.finditer(text) if any(hint in text for hint in _HINTS) else ()
    for mark in marks:
        group = str(mark.lastgroup)
        if not kind and group[0] == "o":
            kind, begun = group[1:], mark.start()
        elif kind and group == f"c{kind}":
            kind = ""
            spans.append((begun, mark.end()))
        elif not kind and group[0] == "c" and mark.end() > mark.start():
            spans = [(0, mark.end())]
    if kind and _takes_the_rest(text, begun):
        spans.append((begun, len(text)))
    if not spans:
        return Separated(text, "") if opened else Separated("", text)
    thoughts = "".join(text[start:end] for start, end in spans)
    between = zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), len(text)], strict=True)
    answer = "".join(text[start:end] for start, end in between)
    return Separated(thoughts, (_END_OF_FINAL.sub("", answer) if "<|channel|>" in thoughts else answer).strip())


def _takes_the_rest(text: str, begun: int) -> bool:
    line = text[text.rfind("\n", 0, begun) + 1 : begun]
    return text.startswith("<|", begun) or not line.strip() or "<|" not in text[:begun]


class ThoughtReader:
    """Separates the replies of one model, and learns from them whether its chat template opens a thought in the prompt.

    Only that tells a thought that the token limit cut from an answer that it cut: neither holds a mark. Before any
    whole reply, a cut one that begins with prose is taken for a thought, since drafts must not be carried out.
    """

    def __init__(self) -> None:
        self._opened: bool | None = None

    def separate(self, text: str, *, cut: bool) -> Separated:
        """The thoughts and the answer in a reply; `cut` when it hit the token limit."""
        prose = text.lstrip()[:1].isalnum()
        found = separate(text, opened=cut and (prose if self._opened is None else self._opened))
        self.learn(found.thoughts, cut=cut)
        return found

    def learn(self, thoughts: str, *, cut: bool) -> None:
        """Take the thoughts of an earlier reply into account."""
        mark = _MARK.search(thoughts)
        if mark is not None and str(mark.lastgroup)[0] == "c":
            self._opened = True
        elif not cut and self._opened is None:
            self._opened = False
