"""The model behind an outer loop's agent, from its specification; built early, so that what cannot work is said."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chat_models import ConfigurationError, chat_model
from chat_models.keys import called_for_client
from graphs.tool_agent import check_takes_tools

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

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
