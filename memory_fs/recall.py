"""What a recall shows: numbered lines under a heading, never more than the limits allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from memory_fs.names import Limits
from memory_fs.page import Page
from memory_fs.results import Outcome, Refused, RejectionCode, plural, quoted

HEADING = 300
"""Characters reserved for the heading, in addition to the file's name."""

SHARE = 8
"""A line longer than this part of the room is cut, so that several always fit."""


class Recall(NamedTuple):
    """What a recall found: the text to read and the indices (from 0) of the lines in it."""

    outcome: Outcome
    text: str
    shown: list[int]
    total: int


def nothing_found(operation: str, name: str, lines: int, keyword: str = "") -> str:
    """What a recall answers that finds nothing in a file of so many lines."""
    if operation == "count":
        return f"0 of {plural(lines, 'line')} of {name} contain {quoted(keyword)}."
    if operation == "search" and lines:
        return f"No line of {name} ({plural(lines, 'line')}) contains {quoted(keyword)}."
    return f"{name} is empty."


def search(name: str, page: Page, keyword: str, limits: Limits) -> Recall:
    """Show the last lines that contain the keyword, whatever its case, and say how many there are."""
    found = page.search(keyword)
    if not found:
        return Recall(Outcome.EMPTY, nothing_found("search", name, len(page.lines), keyword), [], 0)
    verb = "contains" if len(found) == 1 else "contain"
    heading = f"{plural(len(found), 'line')} of {name} {verb} {quoted(keyword)}"
    return _last_lines(heading, name, page, found[-limits.search_lines :], len(found), limits)


def count(name: str, page: Page, keyword: str) -> Recall:
    """Say how many lines contain the keyword, whatever its case."""
    total = len(page.search(keyword))
    if not total:
        return Recall(Outcome.EMPTY, nothing_found("count", name, len(page.lines), keyword), [], 0)
    verb = "contains" if total == 1 else "contain"
    text = f"{total} of {plural(len(page.lines), 'line')} of {name} {verb} {quoted(keyword)}."
    return Recall(Outcome.HIT, text, [], total)


def tail(name: str, page: Page, lines: int, limits: Limits) -> Recall:
    """Show the last lines of a file."""
    if lines < 1:
        raise Refused(RejectionCode.BAD_COUNT, "tail shows 1 line or more.")
    total = len(page.lines)
    if not total:
        return Recall(Outcome.EMPTY, nothing_found("tail", name, 0), [], 0)
    first = max(total - min(lines, limits.read_lines), 0)
    return _last_lines(f"{name}, {plural(total, 'line')}", name, page, range(first, total), total, limits)


def read(name: str, page: Page, limits: Limits) -> Recall:
    """Show a file; of a long one the first quarter and the last three quarters of what may be shown."""
    total = len(page.lines)
    if total <= limits.read_lines:
        whole = tail(name, page, limits.read_lines, limits)
        if len(whole.shown) == total:
            return whole
    room = _room(name, limits)
    most = limits.read_lines // 4
    head, first = _fitting(page, range(most), room // 4, room // SHARE)
    rest = range(total - 1, max(total - 1 - (limits.read_lines - most), -1), -1)
    end, last = _fitting(page, rest, room - room // 4, room // SHARE)
    heading = f"{name}, {plural(total, 'line')}; the first {len(first)} and the last {len(last)}:"
    gap = f"… lines {len(first) + 1} to {last[-1]} are left out; search {name} for a word to see them …"
    return Recall(Outcome.HIT, "\n".join([heading, *head, gap, *end[::-1]]), first + last[::-1], total)


def best_lines(heading: str, name: str, page: Page, ranked: Sequence[int], limits: Limits) -> Recall:
    """Show lines in the order given, as many as fit; `heading` says how many there are."""
    room = _room(name, limits)
    body, shown = _fitting(page, ranked, room, room // SHARE)
    return Recall(Outcome.HIT, "\n".join([f"{heading}; the best {len(shown)}, best first:", *body]), shown, len(ranked))


def _last_lines(heading: str, name: str, page: Page, indices: Sequence[int], total: int, limits: Limits) -> Recall:
    """Show the last of these lines, as many as fit, and say so when it is not all of `total`."""
    room = _room(name, limits)
    body, shown = _fitting(page, reversed(indices), room, room // SHARE)
    if len(shown) < total:
        heading += f"; the last {len(shown)}"
    return Recall(Outcome.HIT, "\n".join([heading + ":", *body[::-1]]), shown[::-1], total)


def _room(name: str, limits: Limits) -> int:
    return limits.result_chars - HEADING - 2 * len(name)


def _fitting(page: Page, indices: Iterable[int], room: int, longest: int) -> tuple[list[str], list[int]]:
    """Return the numbered lines that fit into `room` characters, in the order given, those over `longest` cut."""
    body: list[str] = []
    shown: list[int] = []
    for index in indices:
        line = page.lines[index]
        if len(line) > longest:
            line = f"{line[: longest - 40]}… ({len(line) - longest + 40} more characters)"
        numbered = f"{index + 1}: {line}"
        room -= len(numbered) + 1
        if room < 0:
            break
        body.append(numbered)
        shown.append(index)
    return body, shown
