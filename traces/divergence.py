"""The first thing that differs between two episodes of one seed, and whose doing it is.

The records of both are walked in the order in which things happened: what the world shows, what hooks say, each message
of each conversation, the action, its reward. Whatever comes first is the cause; what follows from it is not compared.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from traces.folders import EpisodeFolder, RunFolder
from traces.reader import TraceReader
from traces.records import Conversation, StepRecord
from traces.run_file import read_run

Cause = Literal["settings", "scaffold", "sampling", "model", "memory", "world", "end"]
"""settings: what the runs were started with. scaffold: prompts and hooks. sampling: the seed of a call. model: another
reply to the same prompt with the same seed. memory: another result of the same operation, or a prompt of the same
scaffold about another notebook, such as one that was edited in a fork. world: another observation
or reward after the same actions, which is a fault. end: one episode has more steps."""

_SAMPLING = ("temperature", "sampler", "max_tokens", "constrained")
_OF_THE_WORLD = ("world_options", "max_steps")
_OF_PROMPTS = (
    "notebook",
    "arm",
    "others",
    "dialect",
    "handoff",
    "gameplay_model",
    "overflow",
    "version of automem-langgraph",
)


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two episodes part."""

    step: int
    cause: Cause
    what: str
    """What differs, as a sentence without its end."""
    one: str
    """What the first episode holds there; empty where it holds nothing."""
    other: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two episodes beside each other."""

    settings: dict[str, tuple[Any, Any]]
    """Recorded settings that differ."""
    steps: tuple[int, int]
    """Steps recorded of each."""
    divergence: Divergence | None
    """None: as far as both go they are equal, and they go equally far."""


def compare(one: EpisodeFolder, other: EpisodeFolder) -> Comparison:
    """Compare two episodes. TraceFailure or TraceDamaged where one of them cannot be read."""
    settings = differing_settings(one, other)
    with TraceReader(one) as first, TraceReader(other) as second:
        found = None
        for left, right in zip_longest(first, second):
            found = _first_difference(left, right, settings)
            if found is not None:
                break
        return Comparison(settings, (len(first), len(second)), found)


def differing_settings(one: EpisodeFolder, other: EpisodeFolder) -> dict[str, tuple[Any, Any]]:
    """What the run.json of each says otherwise: settings, the scaffold's digest, versions of engines and libraries."""
    left, right = _settings(one), _settings(other)
    names = (*left, *(name for name in right if name not in left))
    return {name: (left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)}


def _settings(folder: EpisodeFolder) -> dict[str, Any]:
    above = folder.path.parents
    run = (read_run(RunFolder(above[3])) if len(above) > 3 else None) or {}
    configuration = dict(run.get("configuration", {}))
    settings = {"sampler": {}, **configuration.get("settings", {})}  # runs of before there was one have none
    versions = {f"version of {name}": version for name, version in run.get("versions", {}).items()}
    return settings | {"scaffold digest": configuration.get("scaffold_digest")} | versions


def _first_difference(
    one: StepRecord | None, other: StepRecord | None, settings: Mapping[str, Any]
) -> Divergence | None:
    if one is None or other is None:
        longer = one or other
        assert longer is not None, "zip_longest yields no pair of nothings"
        which = "first" if other is None else "second"
        return Divergence(longer.step, "end", f"only the {which} episode goes on", _end(one), _end(other))
    for cause, what, left, right in _parts(one, other, settings):
        if left != right:
            return Divergence(one.step, cause, what, _text(left), _text(right))
    return None


def _end(step: StepRecord | None) -> str:
    return "" if step is None else f"step {step.step}: {step.action}"


def _parts(one: StepRecord, other: StepRecord, settings: Mapping[str, Any]) -> Iterator[tuple[Cause, str, Any, Any]]:
    """What a step is made of, in the order in which it came about: (who is to blame, what it is, one's, other's)."""
    set_otherwise = any(name in settings for name in _OF_THE_WORLD) or any("version of" in name for name in settings)
    world: Cause = "settings" if set_otherwise else "world"
    for part in ("long", "short"):
        yield world, f"the observation ({part})", one.observation.get(part), other.observation.get(part)
    yield "scaffold", "the notices of hooks", one.notices, other.notices
    yield "scaffold", "what the last replies are said to lack", one.complaints, other.complaints
    routines, others = ([(each.routine, each.role) for each in step.conversations] for step in (one, other))
    for left, right in zip(one.conversations, other.conversations, strict=False):
        yield from _conversation_parts(left, right, settings)
    yield _of_prompts(settings), "which conversations there are", routines, others
    yield "scaffold", "what hooks did to the notebook", one.hook_operations, other.hook_operations
    yield "scaffold", "the action sent, after equal replies", one.action, other.action
    yield world, "the reward", one.reward, other.reward
    yield world, "how the step ended", (one.terminated, one.truncated), (other.terminated, other.truncated)


def _of_prompts(settings: Mapping[str, Any]) -> Cause:
    """What of both makes their prompts."""
    return "settings" if any(name in settings for name in _OF_PROMPTS) else "scaffold"


def _conversation_parts(
    one: Conversation, other: Conversation, settings: Mapping[str, Any]
) -> Iterator[tuple[Cause, str, Any, Any]]:
    yield "settings", f"who answers in {one.routine}", (one.role, one.model), (other.role, other.model)
    prompts = _of_prompts(settings)
    notes: Cause = "memory" if prompts == "scaffold" and "scaffold digest" not in settings else prompts
    yield prompts, f"the tools offered in {one.routine}", one.tools, other.tools
    calls = {call.prompt_length: number for number, call in enumerate(one.calls)}  # message → call it answers
    opening = min(calls, default=len(one.messages))
    for number, (left, right) in enumerate(zip_longest(one.messages, other.messages)):
        if number in calls:
            call = calls[number]
            seed, its = (each.calls[call].seed if call < len(each.calls) else None for each in (one, other))
            where = f"{one.routine}, reply {call + 1}"
            yield "sampling", f"{where}: the seed of the call", seed, its
            blame: Cause = "sampling" if any(name in settings for name in _SAMPLING) else "model"
            yield blame, f"{where}: {_after(blame)}", _content(left), _content(right)
        elif number < opening:
            yield notes, f"{one.routine}: the prompt (message {number + 1})", _content(left), _content(right)
        else:
            replies = sum(at < number for at in calls)
            yield "memory", f"{one.routine}: the answer to reply {replies}", _content(left), _content(right)


def _after(blame: Cause) -> str:
    return "other sampling settings, another text" if blame == "sampling" else "the same prompt and seed, another text"


def _content(message: Mapping[str, Any] | None) -> Any:
    """What of a message differs for a reader: its text, and its tool calls where it has any."""
    if message is None:
        return None
    return [message.get("content"), message["tool_calls"]] if message.get("tool_calls") else message.get("content")


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, indent=2, ensure_ascii=False, default=dataclasses.asdict)
