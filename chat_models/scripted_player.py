"""`scripted`: a stand-in that plays by rules, so that everything runs offline. It is no language model, and says so.

It sees what a language model would see, the messages of one call, and keeps nothing between calls: what it knows of
earlier steps it has read in the notebook. The rules are a world's own (`worlds.players.Policy`, named in the registry);
here a conversation is read into a Prompt for them, and what they decide is written in the dialect in use: function
calls when functions were bound, tags otherwise.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from chat_models.failures import ConfigurationError
from chat_models.messages import assistant_message, to_plain
from chat_models.scripted_model import METADATA, ScriptedModel
from tools import dialect
from worlds import make_policy
from worlds.players import Prompt

_ROUTINE = re.compile(r"\A\s*(LOG|PLAN) step (\d{1,9})\b")
_TAG = re.compile(r"<\|([A-Z][A-Z0-9_]*)\|>")
_HEADING = re.compile(r"^### (.*)$", re.MULTILINE)
_ENDS = {"LOG": "done", "PLAN": "act"}

Message = Mapping[str, Any]


class ScriptedPlayer(ScriptedModel):
    """Plays `world` by rules: scripted, no language model.

    UnknownWorld when made for a world that has no rule-based player; ConfigurationError when a call's messages are not
    those of a LOG or PLAN routine.
    """

    world: str

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        make_policy(self.world)  # not in a validator, whose error would hide this one in three lines of pydantic's

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {**super()._identifying_params, "world": self.world}

    def reply(self, messages: Sequence[BaseMessage], tools: Sequence[Message] | None) -> AIMessage:
        """What the world's policy decides, in the dialect in use. ConfigurationError outside LOG and PLAN."""
        prompt = read_prompt([to_plain(message) for message in messages], tools)
        decisions = make_policy(self.world).decide(prompt)  # a new one each time: it can keep nothing
        written = dialect("tags" if tools is None else "functions").write(decisions)
        return assistant_message(
            written.get("content") or "", written.get("tool_calls") or [], response_metadata=dict(METADATA)
        )


def read_prompt(messages: Sequence[Message], tools: Sequence[Message] | None = None) -> Prompt:
    """The prompt in one call's messages; ConfigurationError when the call is no routine's.

    The routine is the last one opened by a user message (`LOG step 12`, `PLAN step 12`); its operations are those of
    the functions bound, or of the tags that the system message shows for it; its results come from the messages after.
    """
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        opening = _ROUTINE.match(message["content"]) if message["role"] == "user" else None
        if opening:
            routine = opening[1]
            return Prompt(
                routine=routine,
                step=int(opening[2]),
                text=message["content"],
                results=tuple(_results(messages[index + 1 :])),
                operations=_bound(tools) if tools is not None else _shown(messages[:index], routine),
            )
    raise ConfigurationError(
        "The model 'scripted' (rules, no language model) can only answer the LOG and PLAN routines of the inner agent: "
        "no user message of this call opens with 'LOG step N' or 'PLAN step N'."
    )


def _bound(tools: Sequence[Message]) -> frozenset[str]:
    return frozenset(tool["function"]["name"] for tool in tools)


def _shown(messages: Sequence[Message], routine: str) -> frozenset[str]:
    """The operations in the list of tag forms that holds the routine's closing one: DONE for LOG, ACTION for PLAN."""
    system = "\n".join(message["content"] for message in messages if message["role"] == "system")
    shown: set[str] = set()
    for names in _lists_of_tags(system):
        if _ENDS[routine] in names:
            shown |= names
    if not shown:
        raise ConfigurationError(
            f"The model 'scripted' cannot find the operations of {routine}: no functions are bound and the system "
            f"message shows no tag that ends {routine}."
        )
    return frozenset(shown)


@lru_cache(maxsize=64)  # a few system messages per scaffold, the same in every call
def _lists_of_tags(system: str) -> tuple[frozenset[str], ...]:
    """Names of the operations in each run of lines with tags; lines without one part the runs."""
    lists: list[set[str]] = [set()]
    for line in system.split("\n"):
        names = {"act" if tag == "ACTION" else tag.lower() for tag in _TAG.findall(line)} - {"end"}
        if names:
            lists[-1] |= names
        elif lists[-1]:
            lists.append(set())
    return tuple(frozenset(names) for names in lists if names)


def _results(messages: Iterable[Message]) -> Iterable[tuple[str, str]]:
    """(title, text) of the operations answered: tool messages by the call they answer, or parts of a RESULTS page."""
    titles: dict[str, str] = {}
    for message in messages:
        if message["role"] == "assistant":
            for call in message.get("tool_calls", ()):
                titles[call["id"]] = f"{call['function']['name'].upper()} {call['function']['arguments']}"
        elif message["role"] == "tool":
            yield titles.get(message["tool_call_id"], ""), message["content"]
        elif message["role"] == "user":
            parts = _HEADING.split(message["content"])
            yield from zip(parts[1::2], (part.strip("\n") for part in parts[2::2]), strict=True)
