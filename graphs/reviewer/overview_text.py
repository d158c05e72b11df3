"""An episode's overview as text, with the steps at which each thing can be seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from graphs.reviewer.quoting import one_line
from traces import EpisodeResult
from traces.overview import STRETCH, Overview
from traces.tally import Recurrence, Tally

K = TypeVar("K", bound=Hashable)

_ROWS = 12  # of each list: what recurs most says most


def overview_text(name: str, found: Overview, result: EpisodeResult | None) -> str:
    """The whole overview; sections that have nothing to say are left out."""
    sections = [
        _heading(name, found, result),
        _gains(found),
        _stagnation(found),
        _actions(found),
        _section("Mistakes, by code and what was written", found.mistakes, lambda key: f"{key[0]}: {one_line(key[1])}"),
        _section("Refused operations, by code", found.rejections, lambda key: f"{key[0]}: {one_line(key[1])}"),
        _section("Notices", found.notices, one_line),
        _memory(found),
        _section(
            "Writes that added nothing, most repeated (search_trace with outcome=redundant lists all)",
            found.repeated,
            lambda key: f"{one_line(key[0])[1:-1]}: {one_line(key[1])}",
        ),
        _section(
            "Searches that found nothing, most frequent (search_trace with operation=search, outcome=empty lists all)",
            found.empty,
            lambda key: f"{one_line(key[0])[1:-1]}: {one_line(key[1])}",
        ),
    ]
    return "\n\n".join(section for section in sections if section)


def _heading(name: str, found: Overview, result: EpisodeResult | None) -> str:
    status = "being played" if result is None else result.status
    lines = [
        f"{name}: {status}, {found.steps} steps, progression {100 * found.progression:.1f} %, "
        f"return {found.episode_return:g}"
    ]
    if result is not None and result.failure is not None:
        cause = result.failure
        if result.status == "damaged":
            return f"{name}: damaged, {found.steps} steps: {one_line(cause.sentence, 400)}"
        lines.append(f"Failed at step {cause.step} ({cause.where}, {cause.kind}): {one_line(cause.sentence, 400)}")
    elif result is not None and result.end_reason:
        lines.append(f"Ended: {one_line(result.end_reason)[1:-1]}")
    if found.prompt_tokens:
        lines.append(f"{found.prompt_tokens / max(found.steps, 1):,.0f} prompt tokens per step")
    return "\n".join(lines)


def _gains(found: Overview) -> str:
    if not found.gained:
        return "Rewards: none; progression never changed."
    shown = found.gains[:60]
    parts = [f"{gain.step} ({gain.reward:+g}, {100 * gain.progression:.1f} %)" for gain in shown]
    more = f" … {found.gained - len(shown)} more" if found.gained > len(shown) else ""
    since = found.steps - found.last_gain
    last = f"progression last rose at step {found.last_gain}, {since} steps before the end" if found.last_gain else ""
    return (
        f"Steps with a reward or another progression ({found.gained}), as step (reward, progression after it): "
        f"{', '.join(parts)}{more}" + (f"\n{last[0].upper()}{last[1:]}." if last else "\nProgression never rose.")
    )


def _stagnation(found: Overview) -> str:
    unproductive = found.stuck + found.oscillating
    heading = (
        f"Unproductive: {unproductive} of {found.judged} judged actions ({_share(unproductive, found.judged)}), "
        f"{found.stuck} stuck, {found.oscillating} oscillating."
    )
    if not found.stretches:
        return f"{heading} No stretch of {STRETCH} or more in a row."
    longest = sorted(found.longest, key=lambda one: (-one.length, one.first))[:_ROWS]
    parts = [f"{one.first}-{one.last} ({one.length}, {one.stuck} stuck)" for one in longest]
    return f"{heading}\nStretches of {STRETCH} or more in a row: {found.stretches}, the longest: {', '.join(parts)}"


def _actions(found: Overview) -> str:
    parts = [f"{outcome} {seen.count}" for outcome, seen in found.actions.most()]
    lines = [f"Actions: {', '.join(parts)}"]
    for (outcome, chosen), seen in found.refused.most(_ROWS):
        lines.append(f"- {outcome}: {one_line(chosen) if chosen else 'none chosen'} {_when(seen)}")
    more = len(found.refused) - _ROWS
    return "\n".join(lines) + (f"\n… {more} others: search_trace with where=action" if more > 0 else "")


def _memory(found: Overview) -> str:
    lines = ["Memory operations of the model, by routine, operation and outcome:"]
    by_operation: dict[tuple[str, str], list[str]] = {}
    for (routine, operation, outcome), seen in found.operations.most():
        by_operation.setdefault((routine, operation), []).append(f"{outcome} {seen.count}")
    lines += [f"- {routine} {operation}: {', '.join(parts)}" for (routine, operation), parts in by_operation.items()]
    if len(found.hooks):
        parts = [f"{operation} {outcome} {seen.count}" for (operation, outcome), seen in found.hooks.most()]
        lines.append(f"- hooks: {', '.join(parts)}")
    lines.append("By file:")
    most_used = sorted(found.files.items(), key=lambda item: (-item[1].total(), item[0]))
    for name, uses in most_used[:30]:
        writes = f"{uses['writes']} writes, {uses['redundant']} added nothing"
        recalls = f"{uses['recalls']} recalls ({uses['searches']} searches, {uses['empty']} found nothing)"
        lines.append(f"- {one_line(name) if name else 'no file, or one of too many'}: {writes}; {recalls}")
    if len(most_used) > 30:
        lines.append(f"… {len(most_used) - 30} more files")
    return "\n".join(lines)


def _section(title: str, tally: Tally[K], text: Callable[[K], str]) -> str:
    rows = tally.most(_ROWS)
    if not rows:
        return ""
    more = len(tally) - len(rows)
    lines = [f"{title}:", *(f"- {text(key)} {_when(seen)}" for key, seen in rows)]
    if more > 0 or tally.forgot:
        lines.append(f"… {more} others" + (", and rare ones that were not kept" if tally.forgot else ""))
    return "\n".join(lines)


def _when(seen: Recurrence) -> str:
    if seen.count == 1:
        return f"(step {seen.first})"
    return f"{seen.count} times (steps {seen.first} to {seen.last})"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
