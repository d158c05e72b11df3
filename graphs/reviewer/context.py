"""What can be set for a search besides its input: how episodes are played, and where the reviewer's model is served."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from graphs.fields import SERVER, shown
from graphs.inner_agent import context as inner_agent


@dataclass(kw_only=True, frozen=True)
class Context(inner_agent.Context):
    """How episodes are played, the same for every candidate; and the reviewer's server. Holds no secrets."""

    reviewer_base_url: Annotated[
        str | None,
        shown("Reviewer base URL", "OpenAI-compatible server of `reviewer_model`, with /v1.", example=SERVER),
    ] = None

    def play(self, *, scaffold: str, sampling: int = 0) -> inner_agent.Context:
        """The part of it that concerns episodes, for another scaffold; `sampling` other than 0 samples anew."""
        own = {one.name: getattr(self, one.name) for one in fields(inner_agent.Context)}
        return inner_agent.Context(**{**own, "scaffold": scaffold, "sampling": sampling})
