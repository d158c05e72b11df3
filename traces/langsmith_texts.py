"""Which texts of a step LangSmith is shown: what a model read of each operation, and what is kept from it.

Kinds of text that can be kept from LangSmith, wherever they would appear in a run:

prompts       what models were sent: all messages but their own, notices and complaints, and results as they read them;
              and the sentence of a failure, which may quote any of it
observations  what the world showed, and the prompts, which quote it
replies       what models wrote: their messages, the arguments of their operations, the action in their words; and the
              prompts, which quote that
notes         the notebook's texts: what is written to it appears in replies, what is recalled in prompts

What is left in any case holds no text: names of operations and files, outcomes, codes, lines, revisions, the action as
sent, rewards, tokens, times.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from traces.records import Conversation, Message, OperationRecord

KINDS = ("observations", "prompts", "replies", "notes")
HIDDEN = "(hidden)"
_WITH = {"observations": {"prompts"}, "replies": {"prompts"}, "notes": {"prompts", "replies"}}


def hidden_kinds(names: Iterable[str]) -> frozenset[str]:
    """Return the kinds to hide, with those that quote them. ValueError for a name that is none."""
    chosen = set(names)
    if wrong := sorted(chosen - set(KINDS)):
        raise ValueError(f"{wrong[0]!r} cannot be hidden from LangSmith: choose among {', '.join(KINDS)}.")
    return frozenset(chosen.union(*(_WITH.get(name, set()) for name in chosen)))


class Hiding:
    """Masks texts of the kinds hidden."""

    def __init__(self, kinds: frozenset[str]) -> None:
        self._observations, self._prompts = "observations" in kinds, "prompts" in kinds
        self._replies = "replies" in kinds

    def observation(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return an observation's texts as they may be shown."""
        return {name: HIDDEN if self._observations else text for name, text in texts.items()}

    def prompts(self, texts: Iterable[str]) -> list[str]:
        """Return what a model was sent beside its messages, notices and complaints, as it may be shown."""
        return [HIDDEN if self._prompts else text for text in texts]

    def result(self, text: str | None) -> str | None:
        """Return an operation's result, as the model read it, as it may be shown."""
        return HIDDEN if self._prompts and text is not None else text

    def written(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of an operation as they may be shown."""
        shown = {"file"} if self._replies else arguments.keys()
        return {name: value if name in shown else HIDDEN for name, value in arguments.items()}

    def choice(self, chosen: str | None) -> str | None:
        """Return an action in a model's words as it may be shown."""
        return HIDDEN if self._replies and chosen is not None else chosen

    def messages(self, messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return messages as they may be shown."""
        return [self._message(dict(message)) for message in messages]

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        if not (self._replies if message.get("role") == "assistant" else self._prompts):
            return message
        if "tool_calls" in message:
            message["tool_calls"] = [_nameless(call) for call in message["tool_calls"]]
        return {**message, "content": HIDDEN}


def _nameless(call: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call without what the model wrote into it."""
    return {**call, "function": {**call.get("function", {}), "arguments": '{"hidden": true}'}}


_SECTION = re.compile(r"(?m)^### .*\n")
_UNANSWERED = frozenset({"done", "act", "vetoed", "removed"})


def answers(conversation: Conversation) -> dict[int, str]:
    """Return, by the operation's index, the text that answered it; operations nothing answered are left out.

    Tool messages answer call by call. A message of text answers all operations of a reply: where it has a section for
    each, as the shipped scaffolds write it, an operation gets its own, elsewhere the whole.
    """
    found: dict[int, str] = {}
    calls, messages = conversation.calls, conversation.messages
    for number, call in enumerate(calls):
        here = [(index, one) for index, one in enumerate(conversation.operations) if one.call == number]
        until = calls[number + 1].prompt_length if number + 1 < len(calls) else len(messages)
        between = messages[call.prompt_length + 1 : until]
        if here and between:
            found |= _of_tools(here, between) or _of_text(here, between)
    return found


def _of_tools(here: list[tuple[int, OperationRecord]], between: list[Message]) -> dict[int, str]:
    tools = [str(message.get("content") or "") for message in between if message.get("role") == "tool"]
    if len(tools) != len(here):
        return {}
    return {index: text for (index, one), text in zip(here, tools, strict=True) if one.outcome not in _UNANSWERED}


def _of_text(here: list[tuple[int, OperationRecord]], between: list[Message]) -> dict[int, str]:
    answered = [index for index, one in here if one.outcome not in _UNANSWERED and one.code != "after_end"]
    unanswered = [index for index, one in here if one.outcome in _UNANSWERED or one.code == "after_end"]
    whole = "\n".join(str(message.get("content") or "") for message in between)
    sections = [section.strip("\n") for section in _SECTION.split(whole)[1:]]
    if len(sections) in (len(answered), len(answered) + len(unanswered)):
        return dict(zip(answered, sections, strict=False))
    return dict.fromkeys(answered, whole)
