"""A reviewer that follows a script: a served model whose replies are tool calls written down beforehand.

It drives the very same agent, tools and graph as any model does. Its memory is that of its test's process, so that it
outlives a search that is killed: asked anew for the same reply, it gives the same reply.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openai_stub import Behaviour
from playing import speaker

from scaffolds import SHIPPED

Json = dict[str, Any]
Calls = list[tuple[str, Json]]
Revision = Sequence[Calls]
"""The tool calls of each reply; after the last one the puppet says that it is done."""

PLAN = 'plan = ["read", "tail", "count", "act"]'
SEARCHING = 'plan = ["search", "read", "tail", "count", "act"]'


class PuppetReviewer:
    """Gives its revisions in turn, one for each message it is asked to answer."""

    def __init__(self, *revisions: Revision) -> None:
        self._revisions = list(revisions)
        self._given: dict[str, Revision] = {}
        self.asked: list[str] = []
        """The messages it was to answer, in order."""

    def behaviour(self) -> Behaviour:
        """For `openai_stub.OpenAIStub`."""
        return speaker(self.reply)

    def reply(self, messages: list[Json]) -> str | Calls:
        """The next reply of a conversation."""
        last = max(place for place, message in enumerate(messages) if message["role"] == "user")
        key = "\n".join(str(message["content"]) for message in messages[: last + 1] if message["role"] == "user")
        if key not in self._given:
            assert self._revisions, f"the puppet has no revision left for: {messages[last]['content']}"
            self._given[key] = self._revisions.pop(0)
            self.asked.append(str(messages[last]["content"]))
        said = sum(message["role"] == "assistant" for message in messages[last:])
        revision = self._given[key]
        return list(revision[said]) if said < len(revision) else "All is written."


def writings(number: int, task: str = "one-door", seed: int = 1) -> Calls:
    """What every revision has to leave beside its changes."""
    place = f"[{task}/seed-{seed} step 1]"
    claim = f"- The notebook is asked for nothing that could be found again, whatever stands in it. {place}\n"
    analysis = f"# Analysis {number}\n\n{claim * 6}"
    method = f"# Method {number}\n\n" + f"PLAN gets what it lacked, as can be seen in {place}. " * 6
    return [
        ("write_file", {"path": "notes/analysis.md", "content": analysis}),
        ("write_file", {"path": "candidate/METHOD.md", "content": method}),
    ]


def edits(old: str, new: str, number: int = 1) -> Revision:
    """A revision that replaces a piece of scaffold.toml."""
    change = ("edit_file", {"path": "candidate/scaffold.toml", "old": old, "new": new})
    return [[("list_episodes", {"run": "incumbent"})], [change, *writings(number)]]


def helps(number: int = 1) -> Revision:
    """A revision that lets the scripted player find what it has written."""
    return edits(PLAN, SEARCHING, number)


def in_vain(number: int = 1) -> Revision:
    """A revision that changes the structure and nothing else."""
    return edits("[roles]", f'[files."more-{number}.md"]\npurpose = "more"\n\n[roles]', number)


def rewords(number: int = 1) -> Revision:
    """A revision that the check turns down: nothing structural has changed."""
    return [writings(number)]


def breaks(colours: Sequence[str], number: int = 1, how: str = "raise ValueError('broken on purpose')") -> Revision:
    """A revision whose hooks break where a door has one of these colours: the probe's door is yellow."""
    hooks = (
        "class Hooks:\n    def observe(self, view):\n"
        f"        if any(colour in view.observation['long'] for colour in {list(colours)!r}):\n"
        f"            {how}\n        return []\n"
    )
    return [[("write_file", {"path": "candidate/hooks.py", "content": hooks}), *writings(number)]]


def weak_scaffold(folder: Path) -> Path:
    """The vault's first scaffold without `search` in PLAN: its player writes codes down and never finds them."""
    shutil.copytree(SHIPPED / "vault" / "v0", folder)
    toml = folder / "scaffold.toml"
    toml.write_text(toml.read_text().replace(SEARCHING, PLAN))
    return folder
