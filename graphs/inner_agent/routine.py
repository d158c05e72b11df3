"""The turns of a conversation, as LOG and PLAN share them: functions from one conversation to the next.

A node calls the model (`model_request`, `append_reply`), the next one reads the reply and runs its operations in the
order written (`run_operations`), and the results become the model's next message (`append_results`). None of them acts
on the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chat_models import Completion
from graphs.events import emit
from graphs.inner_agent.session import Role, Routine, Session
from graphs.inner_agent.state import Conversation, Message, State
from tools import Call, Kind, Mistake, MistakeCode, Reading, Reply
from traces.records import shortened

DEFERRED = "Held back, not sent: it was written before these results could be seen. Write the action again, or another."

LEFT_OUT = "Result left out: call it again if you need it, and ask for less."
RESULTS_BEGIN = 2
"""Index of the first message that can hold results: the system message and the routine's opening come before."""

REPEATED = "You wrote exactly this before; nothing has changed."
"""Answer to a reply that equals the one before it, in place of a second run of its operations."""

MISTAKES_SHOWN = 5
"""Mistakes of an unanswered reply that are shown one by one, so that they cannot flood a prompt."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A model call that a node wants made: `node.Node` makes it, synchronously or asynchronously."""

    role: Role
    messages: list[Message]
    tools: list[dict[str, Any]] | None
    seed: int
    constraint: str | None = None
    """A regular expression that the reply must match."""
    shortened: list[dict[str, Any]] = field(default_factory=list)
    """Results that are left out: {"message": index, "content": what is sent in its place}. Grows with `shorten`."""

    @property
    def prompt(self) -> list[Message]:
        """The messages as they are sent."""
        return shortened(self.messages, self.shortened)

    def shorten(self, note: str) -> bool:
        """Leave out the oldest result that is not left out yet, so that the prompt fits; False if there is none.

        `note`: the text of a handoff, which stays where a result's message ends with it.
        """
        done = {one["message"] for one in self.shortened}
        for index, message in enumerate(self.messages):
            if index < RESULTS_BEGIN or index in done or message["role"] not in ("user", "tool"):
                continue
            content = LEFT_OUT + (f"\n\n{note}" if note and message["content"].endswith(note) else "")
            if len(content) < len(message["content"]):
                self.shortened.append({"message": index, "content": content})
                return True
        return False


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """What one reply led to."""

    conversation: Conversation
    replies: list[Reply]
    """Results of the memory operations and mistakes."""
    deferred: list[Reply]
    """Results of the actions and of what follows them, for where the action is not sent yet."""
    mistakes: list[Mistake]
    choice: str | None
    """The first world action of the reply, as written."""
    recalled: bool
    """Whether an operation ran whose result the model has not seen yet."""
    done: bool


def call_seed(episode_seed: int, step: int, index: int, sampling: int = 0) -> int:
    """A sampling seed in [0, 2^31) for the `index`-th model call of a step: the same in every process.

    `sampling` other than 0 gives other seeds: another sample of the same model on the same episode.
    """
    salt = f"/{sampling}" if sampling else ""
    digest = hashlib.blake2b(f"{episode_seed}/{step}/{index}{salt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def model_request(session: Session, conversation: Conversation, step: int, calls_before: int) -> ModelRequest:
    """The next call of this conversation. `calls_before`: model calls of earlier conversations of the step."""
    seed = call_seed(session.settings.seed, step, calls_before + len(conversation["calls"]), session.settings.sampling)
    messages = [session.system, *conversation["messages"]]
    routine = conversation["routine"]
    constraint = session.constraint(routine, conversation["role"])
    left_out = [*conversation["calls"][-1].get("shortened", [])] if conversation["calls"] else []
    return ModelRequest(conversation["role"], messages, session.tool_schemas(routine), seed, constraint, left_out)


def open_conversation(session: Session, routine: Routine, notices: list[str]) -> Conversation:
    """A conversation that begins with the routine's message about the current observation."""
    position = session.position
    variables: dict[str, Any] = {
        "step": position.step,
        "action": position.action,
        "observation": position.observation,
        "notices": notices,
        "files": session.files(),
    }
    if routine == "LOG":
        variables["previous"] = position.previous
    session.notebook.mark(position.step, routine)
    part: Literal["log", "plan"] = "log" if routine == "LOG" else "plan"
    return Conversation(
        routine=routine,
        role=session.role(part),
        turns=session.turns(routine, consulting=session.hands_over),
        messages=[{"role": "user", "content": session.scaffold.render(part, **variables)}],
        calls=[],
        operations=[],
    )


def append_reply(
    session: Session, conversation: Conversation, request: ModelRequest, completion: Completion
) -> Conversation:
    """The conversation with the model's reply, without its thoughts, and the facts of the call added."""
    cut = completion.finish_reason == "length"
    inline, answer = session.thoughts[conversation["role"]].separate(completion.message["content"], cut=cut)
    reply = {**completion.message, "content": answer}
    thoughts = "\n".join(filter(None, (completion.thoughts, inline)))
    call = {
        "prompt_length": len(request.messages),
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "cached_tokens": completion.cached_tokens,
        "latency_s": round(completion.latency_s, 4),
        "attempts": completion.attempts,
        "finish_reason": completion.finish_reason,
        "seed": request.seed,
        **({"server": completion.server} if completion.server else {}),
        **({"errors": dict(completion.errors)} if completion.errors else {}),
        **({"shortened": request.shortened} if request.shortened else {}),
        "thoughts": thoughts,
        "repeated": not request.shortened and _repeats(session, conversation, reply, thoughts),
    }
    emit(
        "reply",
        routine=conversation["routine"],
        role=conversation["role"],
        text=answer,
        thoughts=thoughts,
        tool_calls=reply.get("tool_calls", []),
        tokens={"prompt": completion.prompt_tokens, "completion": completion.completion_tokens},
    )
    return {
        **conversation,
        "messages": [*conversation["messages"], reply],
        "calls": [*conversation["calls"], call],
    }


def _repeats(session: Session, conversation: Conversation, reply: Message, thoughts: str) -> bool:
    """Whether a reply equals the one before it in the conversation, which is there as it was sent back.

    Of two without an answer the thoughts are compared.
    """
    if not conversation["calls"]:
        return False
    before = next(message for message in reversed(conversation["messages"]) if message["role"] == "assistant")
    answered = bool(reply["content"].strip() or reply.get("tool_calls"))
    same = _written(session.dialect.settle(reply)) == _written(before)
    return same and (answered or thoughts == conversation["calls"][-1]["thoughts"])


def _written(message: Message) -> tuple[str, list[Any]]:
    return message["content"], [call["function"] for call in message.get("tool_calls", ())]


def read_reply(session: Session, conversation: Conversation) -> Reading:
    """The operations and mistakes of the conversation's last reply, in the order written."""
    truncated = conversation["calls"][-1]["finish_reason"] == "length"
    return session.dialect.read(
        conversation["messages"][-1], session.vocabularies[conversation["routine"]], truncated=truncated
    )


def only_actions(reading: Reading) -> bool:
    """Whether a reply holds nothing that must be run or answered before its action is sent."""
    return all(isinstance(item, Call) and item.operation.kind is Kind.WORLD for item in reading.items)


def means_operation(reading: Reading) -> bool:
    """Whether a reply holds an operation or a failed try at one, rather than plain words or nothing."""
    words = (MistakeCode.EMPTY_REPLY, MistakeCode.UNREADABLE)
    return any(isinstance(item, Call) or item.code not in words for item in reading.items)


def run_operations(session: Session, conversation: Conversation, reading: Reading) -> TurnOutcome:
    """Run the reply's memory operations in the order written; note its action and its mistakes.

    Of a reply that equals the one before it only the action counts.
    """
    replies: list[Reply] = []
    deferred: list[Reply] = []
    mistakes: list[Mistake] = []
    routine, operations = conversation["routine"], list(conversation["operations"])
    call = len(conversation["calls"]) - 1
    repeated = conversation["calls"][call].get("repeated", False)
    choice, recalled, done = None, False, False
    for item in reading.items:
        if isinstance(item, Mistake):
            reply = Reply(title=item.title, text=item.message, ok=False, call_id=item.call_id)
            (deferred if item.code is MistakeCode.AFTER_END else replies).append(reply)
            mistakes.append(item)
            written = {"written": item.fragment} if item.fragment else {}
            operations.append({"call": call, "arguments": written, "outcome": "mistake", "code": str(item.code)})
            emit(
                "operation",
                routine=conversation["routine"],
                title=item.title,
                outcome=str(item.code),
                text=item.message,
            )
            continue
        facts: dict[str, Any] = {
            "call": call,
            "operation": item.operation.name,
            "arguments": _storable(item.arguments.model_dump()),
        }
        if item.operation.kind is Kind.WORLD:
            choice = choice if choice is not None else str(facts["arguments"]["action"])
            facts["outcome"] = "act"
            deferred.append(Reply(title=item.title, text=DEFERRED, ok=False, call_id=item.call_id))
        elif item.operation.kind is Kind.CONTROL:
            done = True
            facts["outcome"] = "done"
        elif repeated:
            facts["outcome"] = "repeated"
        else:
            recalled = True
            replies.append(_execute(session, item, facts, len(operations)))
            text = replies[-1].text
            emit("operation", routine=routine, title=item.title, outcome=facts["outcome"], text=text)
        operations.append(facts)
    if repeated:
        first = reading.items[0]
        replies, deferred = [Reply(title=first.title, text=REPEATED, ok=False, call_id=first.call_id)], []
    grown: Conversation = {**conversation, "operations": operations}
    return TurnOutcome(grown, replies, deferred, mistakes, choice, recalled, done)


def append_results(
    session: Session, conversation: Conversation, replies: Sequence[Reply], *, later: int = 0
) -> Conversation:
    """The conversation with the results of the last reply as the model's next message.

    `later`: further replies that the model which takes over the conversation may write.
    """

    def render(shown: Sequence[Reply]) -> str:
        return session.scaffold.render(
            "results",
            replies=shown,
            routine=conversation["routine"],
            turns_left=turns_left(session, conversation) + later,
            note="",
        )

    reply = conversation["messages"][-1]
    new = session.dialect.answer(reply, list(replies), render)
    # A server may refuse to be sent broken tool calls again: what was broken is kept in the operation's record.
    return {**conversation, "messages": [*conversation["messages"][:-1], session.dialect.settle(reply), *new]}


def mistake_notices(turn: TurnOutcome) -> list[str]:
    """What could not be read or done in a reply that gets no answer, as notices for the next message."""
    shown = [f"Not done: {mistake.title}. {mistake.message}" for mistake in turn.mistakes[:MISTAKES_SHOWN]]
    more = len(turn.mistakes) - MISTAKES_SHOWN
    return [*shown, f"{more} more could not be done."] if more > 0 else shown


def handed_over(state: State) -> bool:
    """Whether this step's PLAN has been handed over already."""
    return any(conversation["routine"] == "PLAN" for conversation in state["conversations"])


def turns_left(session: Session, conversation: Conversation) -> int:
    """Model turns this conversation may still take; none once it holds as many repeated replies as it may."""
    repeated = sum(call.get("repeated", False) for call in conversation["calls"])
    if repeated >= session.scaffold.settings.turns.repeats:
        return 0
    return conversation["turns"] - len(conversation["calls"])


def _execute(session: Session, call: Call, facts: dict[str, Any], place: int) -> Reply:
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
    text, start = result.text, session.recorded_start
    if start is not None and not start.replies and start.place == place:
        text, session.recorded_start = start.settle(facts, text), None
    return Reply(title=call.title, text=text, ok=str(result.outcome) != "rejected", call_id=call.call_id)


def _storable(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that any checkpointer can store: whole numbers beyond 64 bits as text."""
    return {
        name: str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value
        for name, value in arguments.items()
    }
