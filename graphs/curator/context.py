"""What can be set for a run besides its input: how episodes are played, and where the curator's model is served."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from graphs.fields import SERVER, shown
from graphs.inner_agent import context as inner_agent


@dataclass(kw_only=True, frozen=True)
class Context(inner_agent.Context):
    """How episodes are played, the same for all of a run. `gameplay_model` commits the actions in evaluations; the
    base if empty. Holds no secrets."""

    curator_base_url: Annotated[
        str | None, shown("Curator base URL", "OpenAI-compatible server of `curator_model`, with /v1.", example=SERVER)
    ] = None

    def collecting(self) -> inner_agent.Context:
        """For the training episodes: one model plays all of them alone."""
        return self._play(gameplay_model=None, gameplay_base_url=None, handoff="auto")

    def evaluating(self, gameplay_model: str) -> inner_agent.Context:
        """For every evaluation, controls too: the same handoff, whoever keeps the memory."""
        url = self.gameplay_base_url if gameplay_model == self.gameplay_model else None  # None: the base's own server
        return self._play(gameplay_model=gameplay_model, gameplay_base_url=url, handoff="always")

    def _play(self, **changes: Any) -> inner_agent.Context:
        own = {one.name: getattr(self, one.name) for one in fields(inner_agent.Context)}
        return inner_agent.Context(**{**own, **changes})
