"""Run searches in tests: a puppet reviews behind a real server, the scripted player plays the vault's weak scaffold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai_stub import OpenAIStub
from puppet_reviewer import PuppetReviewer, Revision, weak_scaffold

from graphs.reviewer import Context, Input, open_search
from graphs.reviewer.lineage import LineageRecord, read

Json = dict[str, Any]


@dataclass
class Told:
    """What came of running a search until it ended, or waited for an answer."""

    events: list[Json] = field(default_factory=list)
    question: Json | None = None
    output: Json = field(default_factory=dict)

    def of(self, event: str) -> list[Json]:
        """The events of a kind."""
        return [one for one in self.events if one["event"] == event]


class Searching:
    """A search in a folder of its own."""

    def __init__(self, folder: Path, puppet: PuppetReviewer, server: OpenAIStub, **given: Any) -> None:
        self.puppet = puppet
        self.server = server
        self.run = folder / "run"
        self.given = Input(
            **{
                **{"world": "vault", "tasks": ["one-door"], "seeds": [1, 2], "versions": 1, "attempts": 1},
                **{"continuations": 0, "gate": "mean", "reviewer_model": "vllm:puppet", "out": str(self.run), **given},
            }
        )
        start = folder / "start"
        self.context = Context(
            scaffold=str(start if start.exists() else weak_scaffold(start)), reviewer_base_url=server.url
        )

    def go(self, *answers: object, **changes: Any) -> Told:
        """Begin the search, or go on with it, giving these answers to what is asked."""
        return asyncio.run(self._go(list(answers), Input(**{**self.given, **changes})))

    async def _go(self, answers: list[object], given: Input) -> Told:
        told, answer = Told(), None
        async with open_search(given, self.context) as search:
            while True:
                told.events += [event async for event in search.stream(answer)]
                told.question = await search.question()
                if told.question is None:
                    told.output = await search.result()
                if told.question is None or not answers:
                    return told
                answer = answers.pop(0)

    def lineage(self) -> list[LineageRecord]:
        """What the search has written down."""
        return read(self.run)

    def statuses(self) -> list[tuple[str, str]]:
        """Name and status of each attempt."""
        return [(one.name, one.status) for one in self.lineage() if one.kind == "attempt"]


@contextmanager
def searching(folder: Path, *revisions: Revision, **given: Any) -> Iterator[Searching]:
    """A search whose reviewer gives these revisions, while its server runs."""
    puppet = PuppetReviewer(*revisions)
    with OpenAIStub(puppet.behaviour()) as stub:
        yield Searching(folder, puppet, stub, **given)
