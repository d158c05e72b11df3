"""Episodes as text: one line per episode, two runs side by side, one episode's overview."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar, get_args

from graphs.reviewer.trace_tools.lookup import Episode
from graphs.reviewer.trace_tools.step_text import one_line
from traces import METRICS_VERSION, EpisodeResult, TraceFailure, TraceReader
from traces.overview import STRETCH, Overview, Recurrence, Tally
from traces.records import Status
from traces.summary import score

COMPARED = {
    "unproductive_action_rate": "unproductive",
    "redundant_write_rate": "redundant writes",
    "empty_search_rate": "empty searches",
    "invalid_action_rate": "invalid actions",
}
"""Metrics that are shares, shown in percent, and their short names."""


def listing(run: str, episodes: Sequence[Episode]) -> str:
    """The state of each episode of a run; the mean counts a failed or damaged one as zero."""
    lines, ended = [], []
    for episode in episodes:
        try:
            result = episode.result()
            lines.append(_line(episode, result) if result else _playing(episode))
        except TraceFailure as failure:
            lines.append(f"{episode.name}: cannot be read: {one_line(str(failure), 300)}")
            continue
        ended += [result] if result else []
    if not lines:
        return f"Run {run} has no episode yet."
    figures = score(ended)
    scored = f"mean progression {figures['mean_failures_zero']:.1f} %" if ended else "none has ended yet"
    counted = {status: sum(one.status == status for one in ended) for status in get_args(Status)}
    counts = ", ".join(f"{number} {status}" for status, number in counted.items() if number)
    return "\n".join(
        [
            f"{run}: {len(lines)} episodes ({counts or 'all being played'}); {scored}, a failed or damaged one as 0.",
            *lines,
        ]
    )


def _line(episode: Episode, result: EpisodeResult) -> str:
    shown = f"{episode.name}: {result.status}, {result.steps} steps, progression {100 * result.progression:.1f} %"
    if result.failure and result.status == "damaged":
        return f"{episode.name}: damaged: {one_line(result.failure.sentence, 300)}"
    if result.failure:
        cause = result.failure
        return f"{shown}; {cause.kind} at step {cause.step}: {one_line(cause.sentence, 300)}"
    return f"{shown}, return {result.episode_return:g}, ended: {one_line(result.end_reason or 'no reason given')[1:-1]}"


def _playing(episode: Episode) -> str:
    if not episode.folder.steps.exists():
        return f"{episode.name}: no step yet"
    with TraceReader(episode.folder) as reader:
        if not len(reader):
            return f"{episode.name}: no step yet"
        last = reader.step(len(reader))
        return f"{episode.name}: being played, {last.step} steps, progression {_percent(last.info.get('progression'))}"


def comparison(before: str, after: str, results: Mapping[str, Mapping[str, EpisodeResult]]) -> str:
    """Two runs, episode by episode; `results`: of each run by episode name. A failed episode counts as zero."""
    ours, theirs = results[before], results[after]
    names = list(dict.fromkeys([*ours, *theirs]))
    damaged = [
        name for name in names if any(name in side and side[name].status == "damaged" for side in (ours, theirs))
    ]
    both = [name for name in names if name in ours and name in theirs and name not in damaged]
    lines = [_pair(name, ours.get(name), theirs.get(name)) for name in names]
    if not both:
        return "\n".join([f"{before} and {after} have no episode in common that has ended.", *lines])
    differences = [_reached(theirs[name]) - _reached(ours[name]) for name in both]
    up, down = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    heading = (
        f"{before} → {after}, over {len(both)} episodes that ended in both: progression "
        f"{_mean(ours, both):.1f} → {_mean(theirs, both):.1f} % ({100 * fmean(differences):+.1f}); "
        f"{up} better, {down} worse, {len(both) - up - down} equal. A failed episode counts as 0."
    )
    means = [
        f"mean {word}: {_metric_mean(ours, both, key)} → {_metric_mean(theirs, both, key)}"
        for key, word in COMPARED.items()
    ]
    tokens = [_metric_mean(side, both, "prompt_tokens_per_step", plain=True) for side in (ours, theirs)]
    other = sum(
        one.metrics.get("metrics_version") != METRICS_VERSION for side in results.values() for one in side.values()
    )
    note = [f"Metrics of {other} episodes were measured by other definitions and are left out."] if other else []
    note += [f"Damaged, and in no mean: {', '.join(damaged)}."] if damaged else []
    return "\n".join([heading, *means, f"mean prompt tokens per step: {' → '.join(tokens)}", *note, *lines])


def _pair(name: str, before: EpisodeResult | None, after: EpisodeResult | None) -> str:
    if before is None or after is None:
        side = "before" if after is None else "after"
        one = before or after
        return f"{name}: only {side}: {100 * _reached(one):.1f} %" if one else name
    figures = [f"{100 * _reached(one):.1f}" for one in (before, after)]
    difference = 100 * (_reached(after) - _reached(before))
    shares = "; ".join(
        f"{word} {_percent(_metric(before, key))} → {_percent(_metric(after, key))}" for key, word in COMPARED.items()
    )
    failed = "".join(f"; {one.status} {word}" for word, one in (("before", before), ("after", after)) if not one.scored)
    return (
        f"{name}: {' → '.join(figures)} % ({difference:+.1f}); steps {before.steps} → {after.steps}; {shares}{failed}"
    )


def _reached(one: EpisodeResult) -> float:
    return one.progression if one.scored else 0.0


def _mean(results: Mapping[str, EpisodeResult], names: Sequence[str]) -> float:
    return 100 * fmean(_reached(results[name]) for name in names)


def _metric(one: EpisodeResult, key: str) -> float | None:
    """A metric by today's definitions; None where it was measured by others, or has no value."""
    value = one.metrics.get(key) if one.metrics.get("metrics_version") == METRICS_VERSION else None
    return float(value) if isinstance(value, (int, float)) else None


def _metric_mean(results: Mapping[str, EpisodeResult], names: Sequence[str], key: str, plain: bool = False) -> str:
    values = [value for name in names if (value := _metric(results[name], key)) is not None]
    if not values:
        return "-"
    return f"{fmean(values):,.0f}" if plain else _percent(fmean(values))


def _percent(value: object) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, (int, float)) else "-"


K = TypeVar("K", bound=Hashable)

_ROWS = 12  # of each list, the most frequent


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
    if found.prompt_tokens is None:
        lines.append("prompt tokens per step: unknown, the server did not report them")
    elif found.prompt_tokens:
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
