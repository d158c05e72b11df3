"""Finds texts and operations in an episode, in one pass over outlines, with the step of each."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from traces.flags import Observation, StepFlags, flagged_steps
from traces.lines import Line
from traces.outline import OperationOutline, StepOutline
from traces.plain_json import dump
from traces.reader import TraceReader

Where = Literal["any", "observation", "operation", "reply", "action", "notice"]
PLACES: tuple[Where, ...] = get_args(Where)
MOST = 8_000
"""Steps rebuilt by one search by default: well below a second of work."""
REDUNDANT = "redundant"
"""Asked for as an outcome: writes that added nothing, whatever the notebook answered (see flags.py)."""


_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f-\U0010ffff]+')
"""Words that JSON writes as they are, however often it is quoted: printable ASCII but for quote and backslash."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for. An empty field does not choose; all that are given must be met."""

    text: str = ""
    """Upper and lower case of A-Z are the same. In an operation it is looked for in each argument."""
    where: Where = "any"
    operation: str = ""
    outcome: str = ""
    first: int = 1
    last: int = 0
    """0: the last step there is."""

    @property
    def only_operations(self) -> bool:
        """Whether nothing but operations can be meant."""
        return self.where == "operation" or bool(self.operation or self.outcome)

    def looks_at(self, place: Where) -> bool:
        """Whether texts of a place are looked at."""
        return place == "operation" if self.only_operations else self.where in ("any", place)


Said = tuple[str, str | OperationOutline, tuple[str, ...], tuple[str, ...]]
"""One place of a step: what it is, what it says, the texts in which a query's text is looked for, its flags."""


class Match(NamedTuple):
    """One text, or one operation, that meets a query."""

    step: int
    place: str
    """What it is: "observation long", "LOG reply 1", "PLAN operation", "hook operation", "action", "notice"."""
    text: str
    """The whole text; of an operation its arguments, as "name=value, ..."."""
    operation: OperationOutline | None = None
    flags: tuple[str, ...] = ()
    """Of an action: stuck, oscillating; of an operation: redundant."""


@dataclass(slots=True)
class Found:
    """The matches that were kept, and how many there are in the steps that were looked at."""

    kept: list[Match] = field(default_factory=list)
    matches: int = 0
    steps: int = 0
    """How many steps hold them."""
    next_kept: int = 0
    """The first step whose matches were counted but not kept; 0 where all were kept."""
    looked_until: int = 0
    """The last step looked at."""
    stopped: bool = False
    """Whether steps that were asked for have not been looked at."""


def find(
    reader: TraceReader,
    query: Query,
    keep: int,
    most: int = MOST,
    final_observation: Observation | None = None,
) -> Found:
    """Return the matches of the steps asked for; about `keep` are kept, those of one step together.

    Of a single step at most `keep` are kept. The search ends where `most` steps had to be rebuilt, so that its time
    does not grow with the episode; steps that cannot match are left out before. `final_observation` judges the last
    action.
    """
    wanted = folded(query.text)
    last = min(query.last or len(reader), len(reader))
    found = Found(looked_until=last)
    for number, (step, flags) in enumerate(_steps(reader, query, last, final_observation)):
        if number == most:
            found.looked_until, found.stopped = step.step - 1, True
            break
        matches = [
            Match(step.step, place, _shown(said), said if isinstance(said, OperationOutline) else None, names)
            for place, said, texts, names in _places(step, flags, query)
            if not wanted or any(wanted in folded(text) for text in texts)
        ]
        found.matches += len(matches)
        found.steps += bool(matches)
        if found.next_kept or not matches:
            continue
        if found.kept and len(found.kept) + len(matches) > keep:
            found.next_kept = step.step
        else:
            found.kept += matches[:keep]
    return found


def _steps(
    reader: TraceReader, query: Query, last: int, final: Observation | None
) -> Iterator[tuple[StepOutline, StepFlags | None]]:
    """Yield the steps to look at, with their flags where the query asks for any."""
    first = max(query.first, 1)
    redundant = query.outcome == REDUNDANT
    if not redundant and query.where != "action":
        first = max(first, _first_possible(reader, query.text))
        replies = query.looks_at("reply")
        steps = reader.outlines(first, last, replies=replies, among=_may_match(query))
        yield from ((step, None) for step in steps)
        return
    # A write is judged by what was written before; an action by three observations before it and the one after it.
    steps = reader.outlines(1 if redundant else first - 3, last + 1)
    for step, flags in flagged_steps(steps, final if last == len(reader) else None):
        if first <= step.step <= last:
            yield step, flags


def _first_possible(reader: TraceReader, text: str) -> int:
    """Return a step before which no text holds `text`.

    A line holds every text of its step, and prompts besides.
    """
    if not _PLAIN.fullmatch(text):
        return 1
    return reader.first_holding(folded(text)) or len(reader) + 1


def _may_match(query: Query) -> Callable[[Line], bool] | None:
    """Return what says of a line, before its texts are rebuilt, that it has an operation of the kind asked for."""
    if not query.operation and not query.outcome:
        return None

    def has_operation(line: Line) -> bool:
        groups = [one.get("operations", ()) for one in line.get("conversations", ())]
        return any(
            (not query.operation or one.get("operation", "") == query.operation)
            and (not query.outcome or one.get("outcome", "") == query.outcome)
            for group in (*groups, line.get("hook_operations", ()))
            for one in group
        )

    return has_operation


def folded(text: str) -> bytes:
    """Return bytes that are equal where texts are but for the case of A-Z."""
    return text.encode(errors="surrogatepass").lower()


def _shown(said: str | OperationOutline) -> str:
    if isinstance(said, str):
        return said
    return ", ".join(f"{name}={_value(value)}" for name, value in said.arguments.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else dump(value).decode()


def _places(step: StepOutline, flags: StepFlags | None, query: Query) -> Iterator[Said]:
    """Yield what the query looks at in a step, in the order it happened."""
    if query.looks_at("observation"):
        for name, text in step.observation.items():
            yield f"observation {name}", text, (text,), ()
    if query.looks_at("notice"):
        for notice in step.notices:
            yield "notice", notice, (notice,), ()
    for number, conversation in enumerate(step.conversations):
        for turn, reply in enumerate(conversation.replies, 1):
            yield f"{conversation.routine} reply {turn}", reply, (reply,), ()
        if query.looks_at("operation"):
            redundant = {index for one, index in flags.redundant_writes if one == number} if flags else set()
            yield from _operations(f"{conversation.routine} operation", conversation.operations, redundant, query)
    if query.looks_at("operation"):
        yield from _operations("hook operation", step.hook_operations, set(), query)
    if query.looks_at("action"):
        said = step.action if step.chosen in (None, step.action) else f"{step.action} (chosen: {step.chosen})"
        names = (step.action_outcome, *((flags.unproductive,) if flags.unproductive else ())) if flags else ()
        yield "action", said, (step.action, step.chosen or "", *names), names
    if query.looks_at("notice"):
        for complaint in step.complaints:
            yield "complaint", complaint, (complaint,), ()


def _operations(
    place: str, operations: Iterable[OperationOutline], redundant: set[int], query: Query
) -> Iterator[Said]:
    """Yield the operations of the kind asked for, with the texts of their arguments, their file and their code."""
    for index, one in enumerate(operations):
        if query.operation and one.operation != query.operation:
            continue
        if query.outcome and not (index in redundant if query.outcome == REDUNDANT else one.outcome == query.outcome):
            continue
        texts = (*map(_value, one.arguments.values()), one.file or "", one.code or "")
        yield place, one, texts, (REDUNDANT,) if index in redundant else ()
