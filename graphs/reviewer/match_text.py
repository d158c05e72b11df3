"""What a search in an episode found, as text: one line per match, and where to go on."""

from __future__ import annotations

from graphs.reviewer.quoting import around, one_line
from traces.find import Found, Match, Query


def found_text(name: str, query: Query, found: Found, characters: int) -> str:
    """A heading, the matches that fit, by step, and how to see the rest."""
    lines: list[str] = []
    room, next_step = characters, found.next_kept
    for match in found.kept:
        line = _line(match, query)
        if len(line) > room and lines and match.step != found.kept[0].step:
            next_step = match.step
            lines = [one for one, kept in zip(lines, found.kept, strict=False) if kept.step < next_step]
            break
        lines.append(line)
        room -= len(line) + 1
    if not found.matches:
        heading = f"{name}: nothing in steps {query.first} to {found.looked_until}."
    else:
        heading = (
            f"{name}: {found.matches} matches in {found.steps} of the steps {query.first} to {found.looked_until}"
            + (f", {len(lines)} shown:" if len(lines) < found.matches else ":")
        )
    rest = []
    if next_step:
        rest.append(f"… more: search_trace with first_step={next_step}, or ask for less with a narrower text or range")
    if found.stopped:
        rest.append(f"… later steps were not searched yet: search_trace with first_step={found.looked_until + 1}")
    return "\n".join([heading, *lines, *rest])


def _line(match: Match, query: Query) -> str:
    flags = f" [{', '.join(match.flags)}]" if match.flags else ""
    one = match.operation
    if one is None:
        return f"step {match.step}, {match.place}{flags}: {around(match.text, query.text)}"
    code = f" ({one.code})" if one.code else ""
    what = one_line(one.operation)[1:-1] if one.operation else "(could not be read)"
    return f"step {match.step}, {match.place}{flags}: {what} {around(match.text, query.text)} → {one.outcome}{code}"
