"""An agent that works with tools until it answers without calling one: loop 1's reviewer and loop 2's curator.

The loop is LangChain's `create_agent`. Over `deepagents` it has the edge that nothing comes with it that would have to
be confined again: no shell, no file system, no sub-agents; a third of its weight and a third of its cost per turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chat_models import ConfigurationError, Retry, chat_model
from chat_models.failures import where_of
from chat_models.keys import called_for_client
from graphs.agent.transcript import Spent, Transcript, spent_on
from graphs.settings import CEILINGS
from graphs.spending import CeilingReached, Price, Spending, check_usage_reported

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

__all__ = ["AgentLimits", "AgentRun", "Spent", "check_takes_tools", "run_agent", "spent_on", "templates"]


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """How long an agent may work, and how its model is called. None: no limit."""

    turns: int = 150
    """The model's replies to the message."""
    calls: float | None = None
    """Model calls on the whole conversation, by the names and in the units of all ceilings; looked at before each."""
    tokens: float | None = None
    cost: float | None = None
    minutes: float | None = None
    price: Price | None = None
    """For the cost; without one it is not known, and no limit of it can be reached."""
    context_characters: int | None = None
    """A longer conversation has its oldest results cut; by the model's profile where None."""
    retry: Retry | None = None

    @classmethod
    def leaving(
        cls, left: Mapping[str, float], transcript: Path, price: Price | None, patience_s: float
    ) -> AgentLimits:
        """That on a conversation, beyond what it has cost already, no more is spent than is `left`, by ceiling.

        `patience_s`: as `Retry` has it.
        """
        so_far = spent_on(transcript, price).amounts()
        ceilings: dict[str, Any] = {name: limit + so_far.get(name, 0.0) for name, limit in left.items()}
        return cls(**ceilings, price=price, retry=Retry(patience_s=patience_s))

    def check(self, spent: Spent, model: str) -> None:
        """CeilingReached if nothing more may be spent; SettingsError if `model` does not report what it spends."""
        ceilings = {name: limit for name in CEILINGS if (limit := getattr(self, name)) is not None}
        if spent.tokens is None:
            check_usage_reported(ceilings, model)
        Spending(ceilings, "agent", spent=spent.amounts()).check()


@dataclass(frozen=True, slots=True)
class AgentRun:
    """How an agent's work on a message ended."""

    finished: bool
    """Whether it answered; else a limit ended it, and the same message goes on where it stopped."""
    reason: str
    """Why it ended, in one clause."""
    answer: str
    """Its last words; empty if it did not finish."""
    spent: Spent
    """On this message, before a kill too."""


async def run_agent(
    model: BaseChatModel,
    tools: Sequence[BaseTool],
    *,
    system: str,
    message: str,
    transcript: Path,
    limits: AgentLimits | None = None,
    name: str = "agent",
) -> AgentRun:
    """Let the model work on `message`, the next of the conversation in `transcript`, until it answers.

    If `message` is there already, the work on it goes on where it stopped, and what was answered is not asked again.
    ConfigurationError for a model that calls no tools; ProviderFailure or TraceFailure where the machine fails, and
    then the transcript can be gone on with.
    """
    from langchain.agents import create_agent

    from graphs.agent.middleware import Ended, Middleware, conversation, room

    limits = limits or AgentLimits()
    check_takes_tools(model, name)
    with await asyncio.to_thread(Transcript, transcript) as talk:
        talk.begin(system, message)

        def before_call() -> None:
            if talk.turns >= limits.turns:
                raise Ended(f"its {limits.turns} turns are used up")
            limits.check(talk.spent(limits.price, whole=True), where_of(model))

        retry, most = limits.retry or Retry(), room(model, limits.context_characters)
        middleware = Middleware(talk, model, retry, most, before_call)
        agent = create_agent(model, tools, system_prompt=talk.system, middleware=[middleware], checkpointer=False)
        by_name = {tool.name: tool for tool in tools}
        try:
            if talk.answer() is None and not talk.past:
                for call in talk.pending():  # the process ended between a reply and the answers to its calls
                    await middleware.carry_out(by_name.get(call["name"]), call)
                middleware.nudge(talk.messages[-1])
                await agent.ainvoke({"messages": conversation(talk.messages)}, {"run_name": name})
        except (Ended, CeilingReached) as end:
            return AgentRun(False, str(end), "", talk.spent(limits.price))
        answer = talk.answer()
        reason = "it answered" if answer is not None else "another message followed"
        return AgentRun(answer is not None, reason, answer or "", talk.spent(limits.price))


def check_takes_tools(model: BaseChatModel, name: str) -> None:
    """ConfigurationError if a model cannot call tools; `name` is what needs them."""
    from langchain_core.language_models import BaseChatModel as Base

    if type(model).bind_tools is Base.bind_tools:
        raise ConfigurationError(
            f"The {name} needs a model that calls tools, and {type(model).__name__} does not: name another one."
        )


MAX_TOKENS = 16_384
"""New tokens per reply: an agent writes whole files."""
TIMEOUT_S = 600.0
"""Seconds per reply: strong models think for minutes before they write."""

TRIED = {"name": "done", "description": "Done.", "parameters": {"type": "object", "properties": {}}}
"""A tool that a model is offered to see whether it takes any."""


def agent_model(spec: str, agent: str, world: str, base_url: str | None) -> BaseChatModel:
    """The chat model of an `agent` ("reviewer", "curator"); "scripted" is that agent's stand-in, no language model.

    ConfigurationError for what cannot work, a model that calls no tools among it.
    """
    build = _built.__wrapped__ if called_for_client() else _built  # a client's may lack the key that the owner's has
    return build(spec, agent, world, base_url)


@lru_cache(maxsize=16)
def _built(spec: str, agent: str, world: str, base_url: str | None) -> BaseChatModel:
    if spec == "scripted":
        stand_in: Any = getattr(import_module(f"chat_models.scripted_{agent}"), f"Scripted{agent.capitalize()}")
        model: BaseChatModel = stand_in()
        return model
    address = f"`{agent}_base_url`"
    model = chat_model(
        spec, world=world, base_url=base_url, max_tokens=MAX_TOKENS, timeout_s=TIMEOUT_S, address=address
    )
    check_takes_tools(model, agent)
    try:
        model.bind_tools([TRIED])
    except ConfigurationError as error:
        raise ConfigurationError(f"The {agent} needs a model that calls tools: name another one. ({error})") from None
    return model


@cache
def templates(folder: Path) -> Environment:
    """The Jinja templates of an agent's prompts; a variable without a value is an error."""
    loader = FileSystemLoader(folder)
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
