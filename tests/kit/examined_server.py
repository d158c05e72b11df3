"""A server that behaves as good ones do when the doctor asks, with one habit changed per test."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

from openai_stub import Agent
from stub_replies import Behaviour, Exchange, Json, completion, status, tool_call


def common_beginning(one: str, other: str) -> str:
    """What two texts begin with alike."""
    return one[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))]


@dataclass
class Habits:
    """A behaviour for `OpenAIStub.default`. Tokens are words."""

    system_role: bool = True
    alternation: bool = False
    usage: bool = True
    counts_cached: bool = True
    caches: bool = True
    limits: bool = True
    seeds: bool = True
    sampled: bool = True
    """Whether another seed gives another reply."""
    draws_by: frozenset[str] = frozenset({"top_k", "top_p", "min_p"})
    """Parts of a sampler that it keeps; it passes over the others."""
    thoughts: str = ""
    """Where thoughts are: "apart", or the tag that opens them in the reply."""
    tools: str = "called"
    """called, written (as text) or refused"""
    holds: bool = True
    context: int = 100_000
    cuts: bool = False
    """Whether a prompt beyond the context is cut; else refused."""
    agent: Behaviour = field(default_factory=lambda: Agent(("Wait",), "journal.md", "journal.md"))
    """Answers LOG and PLAN, with token counts of its own."""
    seen: list[str] = field(default_factory=list)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        body = exchange.body
        messages = body["messages"]
        roles = [message["role"] for message in messages]
        words = " ".join(str(message.get("content")) for message in messages).split()
        if any(str(message.get("content")).startswith(("LOG step", "PLAN step")) for message in messages):
            await self.agent(exchange)
        elif "system" in roles and not self.system_role:
            await status(400, "System role not supported")(exchange)
        elif self.alternation and any(one == two == "user" for one, two in pairwise(roles)):
            await status(400, "Conversation roles must alternate user/assistant/user/assistant")(exchange)
        elif body.get("tools") and self.tools == "refused":
            await status(400, '"auto" tool choice requires --enable-auto-tool-choice')(exchange)
        elif len(words) > self.context and not self.cuts:
            await status(400, f"This model's maximum context length is {self.context} tokens.")(exchange)
        else:
            said, facts = self._said(body, str(messages[-1]["content"]))
            answer = completion(body["model"], said, usage=self._usage(words, said), **facts)
            await exchange.send(json.dumps(answer).encode())

    def _said(self, body: Json, question: str) -> tuple[str | None, dict[str, Any]]:
        limit = body["max_tokens"] if self.limits else body["max_tokens"] + 40
        if (regex := body.get("structured_outputs", body).get("regex")) and self.holds:
            return regex, {}
        if body.get("tools"):
            if self.tools == "called":
                return None, {"tool_calls": [tool_call("note", '{"text": "hello"}')]}
            return '<tool_call>{"name": "note", "arguments": {"text": "hello"}}</tool_call>', {}
        if "thirty words" in question:
            one_token = {"top_k": 1, "top_p": 1e-6, "min_p": 1.0}
            held = any(body.get(name) == one_token[name] for name in self.draws_by)
            drawn = (
                random.Random(body.get("seed") if self.sampled and not held else 0) if self.seeds else random.Random()
            )
            return " ".join(f"w{drawn.randrange(10**9)}" for _ in range(limit)), {"finish_reason": "length"}
        if "Think" in question and self.thoughts == "apart":
            return "391", {"reasoning_content": "17 times 20 is 340, and 51"}
        return (f"{self.thoughts}17 times 20</think>391" if "Think" in question and self.thoughts else "hello"), {}

    def _usage(self, words: list[str], said: str | None) -> Json | None:
        if not self.usage:
            return None
        prompt = words[-self.context :]
        text = " ".join(prompt)
        known = max((len(common_beginning(text, one).split()) for one in self.seen), default=0)
        self.seen.append(text)
        counts: Json = {"prompt_tokens": len(prompt), "completion_tokens": len((said or "called").split())}
        if self.counts_cached:
            counts["prompt_tokens_details"] = {"cached_tokens": min(known, len(prompt)) if self.caches else 0}
        return {**counts, "total_tokens": sum(value for value in counts.values() if isinstance(value, int))}
