"""What a model read of each operation: the result, cut from the message that answered its reply."""

import re

from traces.records import Conversation, Message, OperationRecord

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
    told = [index for index, one in here if one.outcome not in _UNANSWERED and one.code != "after_end"]
    held = [index for index, one in here if one.outcome in _UNANSWERED or one.code == "after_end"]
    whole = "\n".join(str(message.get("content") or "") for message in between)
    sections = [section.strip("\n") for section in _SECTION.split(whole)[1:]]
    if len(sections) in (len(told), len(told) + len(held)):
        return dict(zip(told, sections, strict=False))
    return dict.fromkeys(told, whole)
