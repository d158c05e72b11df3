"""Notebooks of the control arms: kept by the program instead of the model, or answering from another episode's text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from pathlib import Path

from memory_fs.names import Limits
from memory_fs.notebook import MemoryFS
from memory_fs.page import Page
from memory_fs.recall import Recall, best_lines
from memory_fs.results import MemoryResult, Outcome, Source, plural, quoted
from memory_fs.text import Change, Text, split

BEST = 10
"""Lines that a ranked search shows: with all that match, their order would not matter."""
RANKED = 2_000
"""Lines that a ranked search compares, the last ones: the index is built for each search, in at most 0.1 s."""
_WORD = re.compile(r"\w+")


class OneFile(MemoryFS):
    """A notebook of one file: every operation means that file, whatever name it gives."""

    def __init__(self, root: Path, limits: Limits, *, journal: Path, file: str) -> None:
        super().__init__(root, limits, journal=journal)
        self.file = file

    def _name(self, file: str) -> str:
        return self.file


class RankedLog(OneFile):
    """A file of observations, a line each, that only the program writes; `search` ranks its lines by BM25."""

    def log(self, text: str) -> None:
        """Add the text as one line. A full file first loses the older half of its lines."""
        line = " ".join(text.split())
        if self.append(self.file, line).outcome is Outcome.REJECTED:
            lines, _ = split(self.at(self.revision)[self.file])
            self.write(self.file, "".join(f"{one}\n" for one in [*lines[len(lines) // 2 :], line]))

    def search(self, file: str, keyword: str) -> MemoryResult:
        """Show the lines that say most of the keyword's words, best first: BM25, of equals the later."""
        return self._recall("search", file, lambda name, page: self._ranked(name, page, keyword))

    def _ranked(self, name: str, page: Page, keyword: str) -> Recall:
        from rank_bm25 import BM25Plus

        wanted = _words(keyword)
        first = max(0, len(page.lines) - RANKED)
        words = [_words(line) for line in page.lines[first:]]
        matching = [index for index, line in enumerate(words) if not set(wanted).isdisjoint(line)]
        if not matching:
            text = f"No line of {name} ({plural(len(page.lines), 'line')}) has a word of {quoted(keyword)}."
            return Recall(Outcome.EMPTY, text, [], 0)
        scores = BM25Plus(words).get_scores(wanted)
        ranked = sorted(matching, key=lambda index: (-round(float(scores[index]), 9), -index))
        best = [first + index for index in ranked[: min(BEST, self.limits.search_lines)]]
        return best_lines(
            f"{plural(len(matching), 'line')} of {name} on {quoted(keyword)}", name, page, best, self.limits
        )


class OthersNotebook(MemoryFS):
    """A notebook whose recalls answer from another episode's files, as many lines as this one's files have."""

    def __init__(self, root: Path, limits: Limits, *, journal: Path, others: Mapping[str, str]) -> None:
        super().__init__(root, limits, journal=journal)
        self._others = {name: split(text)[0] for name, text in others.items()}
        self._all = [line for lines in self._others.values() for line in lines]

    def _recall(self, operation: str, file: str, find: Callable[[str, Page], Recall]) -> MemoryResult:
        result = super()._recall(operation, file, lambda name, own: find(name, self._other(name, len(own.lines))))
        return dataclasses.replace(result, lines=(), provenance=())  # no line of this notebook was shown

    def _other(self, name: str, lines: int) -> Page:
        """The other episode's file of this name, or all of its lines if it has none: repeated or cut to the length."""
        text = list(islice(cycle(self._others.get(name) or self._all), lines))
        page = Text()
        page.splice(Change(0, 0, text), Source(0, 0))
        return Page(page)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
