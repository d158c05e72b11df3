"""The difference between two revisions, as a unified diff a person reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from memory_fs.change import change_between
from memory_fs.text import Text

CONTEXT = 3
"""Unchanged lines shown around a change, as diff(1) does."""


def unified_diff(a: Mapping[str, Text], b: Mapping[str, Text]) -> str:
    """Return what turns files `a` into files `b`; a file only one side has stands against /dev/null."""
    names = sorted(a.keys() | b.keys())
    return "".join(line + "\n" for name in names for line in _file_diff(name, a.get(name), b.get(name)))


def _file_diff(name: str, a: Text | None, b: Text | None) -> Iterator[str]:
    old, new = _shown(a), _shown(b)
    if old == new and (a is None) == (b is None):
        return
    yield f"--- {'a/' + name if a else '/dev/null'}"
    yield f"+++ {'b/' + name if b else '/dev/null'}"
    # difflib takes quadratic time in what differs: hand it only that, and its surroundings.
    at, drop, put, _ = change_between(old, new, False)
    start = max(at - CONTEXT, 0)
    old_part = old[start : at + drop + CONTEXT]
    new_part = new[start : at + len(put) + CONTEXT]
    matcher = difflib.SequenceMatcher(None, old_part, new_part)
    for group in matcher.get_grouped_opcodes(CONTEXT):
        (_, a1, _, b1, _), (_, _, a2, _, b2) = group[0], group[-1]
        yield f"@@ -{_range(start + a1, a2 - a1)} +{_range(start + b1, b2 - b1)} @@"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (" " + line for line in old_part[i1:i2])
                continue
            yield from ("-" + line for line in old_part[i1:i2])
            yield from ("+" + line for line in new_part[j1:j2])


def _shown(text: Text | None) -> list[str]:
    """Return the lines, the last one marked as diff(1) does when it lacks its newline."""
    if text is None or not text.lines:
        return []
    return [*text.lines[:-1], text.lines[-1] + "\n\\ No newline at end of file"] if text.unended else text.lines


def _range(start: int, length: int) -> str:
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
