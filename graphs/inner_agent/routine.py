"""The ask–run–answer round that LOG and PLAN share, as pure functions over one conversation.

A node asks the model (`ask`, `heard`), the next one reads the reply and runs its operations in the order written
(`run`), and the results become the model's next message (`answered`). Nothing here touches the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from chat_models import Completion
from graphs.events import emit
from graphs.inner_agent.state import Message, State, Talk
from tools import Call, Kind, Mistake, MistakeCode, Reading, Reply

if TYPE_CHECKING:
    from graphs.inner_agent.session import Session

HELD = "Held back, not sent: it was written before these results could be seen. Write the action again, or another."

MISTAKES_TOLD = 5
"""Mistakes of an unanswered reply that are told one by one: enough to learn from, no way to flood a prompt."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A model call that a node wants made: `node.Node` makes it, synchronously or asynchronously."""

    role: Literal["memory", "gameplay"]
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    seed: int
    constraint: str | None = None
    """A regular expression that the reply must match."""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one reply."""

    talk: Talk
    replies: list[Reply]
    """What the memory operations and mistakes are answered with."""
    held: list[Reply]
    """What the actions, and whatever stands after them, are answered with, should they not be sent yet."""
    mistakes: list[Mistake]
    choice: str | None
    """The first world action of the reply, as written."""
    recalled: bool
    """Whether an operation ran whose result the model has not seen yet."""
    done: bool


def call_seed(episode_seed: int, step: int, index: int, sampling: int = 0) -> int:
    """A sampling seed in [0, 2^31) for the `index`-th model call of a step: the same in every process.

    `sampling` other than 0 gives other seeds: the same episode played once more, by the same model, with other luck.
    """
    salt = f"/{sampling}" if sampling else ""
    digest = hashlib.blake2b(f"{episode_seed}/{step}/{index}{salt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def ask(session: Session, talk: Talk, step: int, calls_before: int) -> Ask:
    """The next call of this conversation. `calls_before`: model calls of earlier conversations of the step."""
    seed = call_seed(session.settings.seed, step, calls_before + len(talk["calls"]), session.settings.sampling)
    messages = [session.system, *talk["messages"]]
    routine = talk["routine"]
    return Ask(talk["role"], messages, session.tool_schemas(routine), seed, session.constraint(routine, talk["role"]))


def heard(talk: Talk, request: Ask, completion: Completion) -> Talk:
    """The conversation with the model's reply and the facts of the call added."""
    call = {
        "prompt_length": len(request.messages),
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "cached_tokens": completion.cached_tokens,
        "latency_s": round(completion.latency_s, 4),
        "attempts": completion.attempts,
        "finish_reason": completion.finish_reason,
        "seed": request.seed,
    }
    emit(
        "reply",
        routine=talk["routine"],
        role=talk["role"],
        text=completion.message["content"],
        tool_calls=completion.message.get("tool_calls", []),
        tokens={"prompt": completion.prompt_tokens, "completion": completion.completion_tokens},
    )
    return {**talk, "messages": [*talk["messages"], completion.message], "calls": [*talk["calls"], call]}


def read(session: Session, talk: Talk) -> Reading:
    """The operations and mistakes of the conversation's last reply, in the order written."""
    truncated = talk["calls"][-1]["finish_reason"] == "length"
    return session.dialect.read(talk["messages"][-1], session.vocabulary(talk["routine"]), truncated=truncated)


def only_actions(reading: Reading) -> bool:
    """Whether a reply holds nothing that must be run or answered before its action is sent."""
    return all(isinstance(item, Call) and item.operation.kind is Kind.WORLD for item in reading.items)


def means_operation(reading: Reading) -> bool:
    """Whether a reply holds an operation or a failed try at one, rather than plain words or nothing."""
    words = (MistakeCode.EMPTY_REPLY, MistakeCode.UNREADABLE)
    return any(isinstance(item, Call) or item.code not in words for item in reading.items)


def run(session: Session, talk: Talk, reading: Reading) -> Round:
    """Run the reply's memory operations in the order written; note its action and its mistakes."""
    replies: list[Reply] = []
    held: list[Reply] = []
    mistakes: list[Mistake] = []
    operations = list(talk["operations"])
    turn = len(talk["calls"]) - 1
    choice, recalled, done = None, False, False
    for item in reading.items:
        if isinstance(item, Mistake):
            reply = Reply(title=item.title, text=item.message, ok=False, call_id=item.call_id)
            (held if item.code is MistakeCode.AFTER_END else replies).append(reply)
            mistakes.append(item)
            written = {"written": item.fragment} if item.fragment else {}
            operations.append({"call": turn, "arguments": written, "outcome": "mistake", "code": str(item.code)})
            emit("operation", routine=talk["routine"], title=item.title, outcome=str(item.code), text=item.message)
            continue
        facts: dict[str, Any] = {
            "call": turn,
            "operation": item.operation.name,
            "arguments": _storable(item.arguments.model_dump()),
        }
        if item.operation.kind is Kind.WORLD:
            choice = choice if choice is not None else str(facts["arguments"]["action"])
            facts["outcome"] = "act"
            held.append(Reply(title=item.title, text=HELD, ok=False, call_id=item.call_id))
        elif item.operation.kind is Kind.CONTROL:
            done = True
            facts["outcome"] = "done"
        else:
            recalled = True
            replies.append(_execute(session, item, facts))
            text = replies[-1].text
            emit("operation", routine=talk["routine"], title=item.title, outcome=facts["outcome"], text=text)
        operations.append(facts)
    grown: Talk = {**talk, "operations": operations}
    return Round(grown, replies, held, mistakes, choice, recalled, done)


def answered(session: Session, talk: Talk, replies: Sequence[Reply], *, later: int = 0) -> Talk:
    """The conversation with the results of the last reply as the model's next message.

    `later`: replies that whoever it is handed over to may add: the last one is theirs, not this model's.
    """

    def render(shown: Sequence[Reply]) -> str:
        return session.scaffold.render(
            "results", replies=shown, routine=talk["routine"], turns_left=turns_left(talk) + later, note=""
        )

    reply = talk["messages"][-1]
    new = session.dialect.answer(reply, list(replies), render)
    # A server may refuse to be sent broken tool calls again: what was broken is kept in the operation's record.
    return {**talk, "messages": [*talk["messages"][:-1], session.dialect.settle(reply), *new]}


def unsaid(came: Round) -> list[str]:
    """What could not be read or done in a reply that gets no answer of its own, for the next message's notices."""
    shown = [f"Not done: {mistake.title}. {mistake.message}" for mistake in came.mistakes[:MISTAKES_TOLD]]
    more = len(came.mistakes) - MISTAKES_TOLD
    return [*shown, f"{more} more could not be done."] if more > 0 else shown


def handed_over(state: State) -> bool:
    """Whether this step's PLAN has been handed over already."""
    return any(talk["routine"] == "PLAN" for talk in state["talks"])


def turns_left(talk: Talk) -> int:
    """Model turns this conversation may still take."""
    return talk["turns"] - len(talk["calls"])


def _execute(session: Session, call: Call, facts: dict[str, Any]) -> Reply:
    assert call.operation.run is not None, "recall and record operations carry an executor"
    result = call.operation.run(session.notebook, call.arguments)
    facts.update(
        outcome=str(result.outcome),
        code=str(result.code) if result.code else None,
        file=result.file,
        lines=list(result.lines),
        provenance=[list(source) for source in result.provenance],
        total=result.total,
        revision=result.revision,
    )
    return Reply(title=call.title, text=result.text, ok=str(result.outcome) != "rejected", call_id=call.call_id)


def _storable(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that any checkpointer can store: whole numbers beyond 64 bits as text."""
    return {
        name: str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value
        for name, value in arguments.items()
    }
