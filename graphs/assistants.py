"""The ready assistants that a started server offers: settings of each graph, for Studio.

They are made when the server starts, under ids that stay the same: one that is there is left as it is, so that what a
person changed stays. Each has a context, and in its metadata an input that plays with it.
"""

from __future__ import annotations

import asyncio
import tomllib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph_sdk import get_client
from starlette.applications import Starlette


@dataclass(frozen=True, kw_only=True)
class Assistant:
    """One ready assistant, as assistants.toml describes it."""

    graph: str
    name: str
    description: str
    context: dict[str, Any]
    input: dict[str, Any]

    @property
    def id(self) -> str:
        """The same in every server."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"automem/{self.graph}/{self.name}"))


def assistants() -> list[Assistant]:
    """All that are shipped."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [Assistant(graph=graph, **one) for graph, several in tables.items() for one in several]


@asynccontextmanager
async def offered(_: Starlette) -> AsyncIterator[None]:
    """Make the assistants that the server does not have yet."""
    client = get_client()  # of this very server, in its own process
    for one in await asyncio.to_thread(assistants):
        await client.assistants.create(
            one.graph,
            assistant_id=one.id,
            name=one.name,
            description=one.description,
            context=one.context,
            metadata={"input": one.input},
            if_exists="do_nothing",
        )
    yield
