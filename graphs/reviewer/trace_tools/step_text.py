"""One step, or what a search found, as text; quoted, so that text by worlds and models is marked as theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, get_args

from memory_fs import NotebookFailure, files_at
from traces import Conversation, EpisodeFolder, Message, OperationRecord, StepRecord
from traces.find import Found, Match, Query
from traces.outline import reply_text
from traces.plain_json import dump

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with what cannot be seen, or steers what shows it, written as an escape. Lines and tabs stay."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def quoted(text: str) -> str:
    """The text with a bar before each line."""
    return "\n".join(f"| {line}" for line in readable(text).split("\n"))


def one_line(text: str, most: int = 160) -> str:
    """The text in quotation marks on one line of about `most` characters; what is left out is counted."""
    line = " ".join(readable(text[: 4 * most]).split())
    if len(line) <= most and len(text) <= 4 * most:
        return f'"{line}"'
    return f'"{line[:most]}…" ({len(text):,} characters)'


def around(text: str, words: str, most: int = 160) -> str:
    """One line of about `most` characters around the first place where `words` stand, A-Z in either case."""
    at = text.lower().find(words.lower()) if words else 0
    start = max(0, at - most // 3)
    shown = one_line(text[start : start + most], most)[1:-1]
    before, after = "…" if start else "", "…" if start + most < len(text) else ""
    return f'"{before}{shown}{after}"'


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


Part = Literal["all", "observation", "LOG", "PLAN", "memory"]
PARTS: tuple[Part, ...] = get_args(Part)
_SOURCES = 60  # recalled lines of one operation whose origin is listed


def step_text(record: StepRecord, part: Part, folder: EpisodeFolder, flags: Sequence[str]) -> str:
    """The part of a step that was asked for; "all" is everything but the system message and the notebook's files."""
    sections = [_heading(record, flags)]
    if part in ("all", "observation"):
        sections += _observation(record)
    if part in ("all", "LOG", "PLAN"):
        talks = [one for one in record.conversations if part in ("all", one.routine)]
        sections += [_conversation(one, whole=part != "all") for one in talks] or [f"This step has no {part}."]
    if part == "all":
        sections += _outcome(record)
    if part == "memory":
        sections += _memory(record, folder)
    elif record.hook_operations:
        sections += ["Operations of hooks:\n" + "\n".join(map(_operation, record.hook_operations))]
    return "\n\n".join(sections)


def _heading(record: StepRecord, flags: Sequence[str]) -> str:
    chosen = (
        "" if record.chosen == record.action else f", chosen {one_line(record.chosen) if record.chosen else 'none'}"
    )
    flagged = f"; {', '.join(flags)}" if flags else ""
    return (
        f"Action sent: {one_line(record.action)} ({record.action_outcome}{chosen}){flagged}; reward "
        f"{record.reward:g}, progression after it {100 * float(record.info.get('progression', 0)):.1f} %"
    )


def _observation(record: StepRecord) -> Iterator[str]:
    for name, text in record.observation.items():
        yield f"Observation ({name}):\n{quoted(text)}"
    for notice in record.notices:
        yield f"Notice:\n{quoted(notice)}"


def _conversation(conversation: Conversation, whole: bool) -> str:
    """The messages in order; before each answer, what the call received."""
    lines = [
        f"{conversation.routine} ({conversation.role} model {one_line(conversation.model)[1:-1]}, "
        f"{len(conversation.calls)} calls)"
    ]
    by_prompt = {call.prompt_length: number for number, call in enumerate(conversation.calls, 1)}
    for place, message in enumerate(conversation.messages):
        if place in by_prompt:
            lines.append(_answered(conversation, by_prompt[place]))
        lines.append(_message(place + 1, message, whole))
    unanswered = by_prompt.get(len(conversation.messages))
    if unanswered is not None:
        lines.append(_answered(conversation, unanswered))
    if whole and conversation.tools is not None:
        lines.append(f"Tool schemas sent along:\n{quoted(dump(conversation.tools).decode())}")
    if conversation.operations:
        lines.append(f"Operations of this {conversation.routine}:")
        lines += map(_operation, conversation.operations)
    return "\n".join(lines)


def _answered(conversation: Conversation, number: int) -> str:
    call = conversation.calls[number - 1]
    tokens = f", {call.prompt_tokens:,} tokens" if call.prompt_tokens is not None else ""
    tokens += f", {len(call.shortened)} results left out of them" if call.shortened else ""
    ended = f", ended by {call.finish_reason}" if call.finish_reason not in (None, "stop") else ""
    return f"Call {number} received messages 1 to {call.prompt_length}{tokens}{ended}, and answered:"


def _message(number: int, message: Message, whole: bool) -> str:
    text, role = reply_text(message), str(message.get("role"))
    if role == "system" and not whole:
        return f"Message {number}, system: {len(text):,} characters, the same in all steps; part=LOG or PLAN shows it"
    return f"Message {number}, {one_line(role)[1:-1]}:\n{quoted(text)}"


def _operation(one: OperationRecord) -> str:
    arguments = ", ".join(
        f"{name}={one_line(value if isinstance(value, str) else dump(value).decode(), 400)}"
        for name, value in one.arguments.items()
    )
    what = one_line(one.operation)[1:-1] if one.operation else "(could not be read)"
    code = f" ({one.code})" if one.code else ""
    origin = "by a hook" if one.call < 0 else f"call {one.call + 1}"
    line = f"- {origin}: {what} {arguments}".rstrip() + f" → {one.outcome}{code}"
    if one.outcome == "hit":
        line += f", {len(one.lines)} of {one.total} lines" if one.lines else f", {one.total} in all"
    return line + _sources(one)


def _sources(one: OperationRecord) -> str:
    """Which lines, and of recalled ones the step that wrote each."""
    if not one.lines:
        return ""
    if len(one.provenance) != len(one.lines):
        return f"; line {_ranges(one.lines)}"
    shown = [f"{line}@{step}" for line, (step, _) in zip(one.lines, one.provenance, strict=True)]
    more = len(shown) - _SOURCES
    listed = " ".join(shown[:_SOURCES]) + (f" … {more} more" if more > 0 else "")
    return f"; each line@the step that wrote it: {listed}"


def _ranges(numbers: Sequence[int]) -> str:
    starts = [numbers[0], *(after for before, after in pairwise(numbers) if after != before + 1)]
    ends = [*(before for before, after in pairwise(numbers) if after != before + 1), numbers[-1]]
    parts = [str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
    return ", ".join(parts[:_SOURCES]) + (" …" if len(parts) > _SOURCES else "")


def _outcome(record: StepRecord) -> Iterator[str]:
    info = dump(record.info).decode()
    ended = " The episode ended here." if record.terminated or record.truncated else ""
    yield f"After the action the world reports: {readable(info)}{ended}"
    for complaint in record.complaints:
        yield f"The next step is shown:\n{quoted(complaint)}"


def _memory(record: StepRecord, folder: EpisodeFolder) -> Iterator[str]:
    """All operations of the step, then each file of the notebook as it was after it."""
    for conversation in record.conversations:
        if conversation.operations:
            yield f"Operations of {conversation.routine}:\n" + "\n".join(map(_operation, conversation.operations))
    if record.hook_operations:
        yield "Operations of hooks:\n" + "\n".join(map(_operation, record.hook_operations))
    try:
        files = files_at(folder.journal, record.revision) if folder.journal.exists() else None
    except NotebookFailure as failure:
        yield f"The notebook of that time cannot be rebuilt: {readable(str(failure))}"
        return
    if files is None:
        yield "No journal of the notebook was kept."
        return
    yield f"The notebook after this step (revision {record.revision}, {len(files)} files):"
    for name, text in files.items():
        lines = text.split("\n")[: -1 if text.endswith("\n") else None] if text else []
        numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(lines, 1))
        yield f"{one_line(name)}, {len(lines)} lines" + (f":\n{quoted(numbered)}" if lines else "")
