"""Dozens of episodes against a server that fails one call in five, in ten different ways."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from effort import effort
from openai_stub import Exchange, OpenAIStub, answer, cut, hang_up, late, raw, say, status
from playing import turn_of

from graphs.evaluation import graph
from graphs.settings import Context
from traces import RunFolder, TraceReader

EPISODES, STEPS = effort(30, 100), 3
WAYS = (
    status(500),
    status(503, "overloaded"),
    status(429, retry_after="0.05"),
    status(400, "this prompt cannot be read"),  # the only one that a further attempt cannot mend
    raw("<html>bad gateway</html>", kind="text/html"),
    raw('{"id": "cmpl-1", "choices": [{"ind'),
    answer({"id": "cmpl-1", "object": "chat.completion", "choices": []}),
    cut(),
    hang_up(),
    late(1.5),
)


async def play(exchange: Exchange) -> None:
    """A deterministic player of the vault: looks something up, writes something down, walks east."""
    routine, step, turn = turn_of(exchange.body["messages"])
    said = {
        ("LOG", 0): "<|SEARCH|>corridor.md|room<|END|>",
        ("LOG", 1): f"<|APPEND|>corridor.md|step {step}: another room<|END|>\n<|DONE|>",
        ("PLAN", 0): "<|TAIL|>corridor.md|3<|END|>",
        ("PLAN", 1): "<|ACTION|>Read Note<|END|>" if step % 2 else "<|ACTION|>Go East<|END|>",
    }
    await say(said[routine, turn])(exchange)


def evaluate(out: Path, url: str) -> dict[str, Any]:
    context = Context(base_url=url, max_steps=STEPS, timeout_s=1.0, attempts=4)
    request = {"world": "vault", "tasks": ["six-doors"], "seeds": list(range(EPISODES)), "model": "vllm:m"}
    summary: dict[str, Any] = graph.invoke({**request, "out": str(out), "concurrency": 50}, context=context)["summary"]
    return summary


def everything(out: Path, seed: int) -> Any:
    folder = RunFolder(out).episode("vault", "six-doors", seed)
    with TraceReader(folder) as reader:
        steps = [(r.step, r.action, r.observation, r.reward, r.notices, r.revision) for r in reader]
        talks = [conversation.messages for r in reader for conversation in r.conversations]
    return steps, talks, folder.journal.read_bytes()


def test_all_episodes_end_and_every_finished_one_equals_its_undisturbed_twin(tmp_path: Path) -> None:
    chance = random.Random(5)

    async def storm(exchange: Exchange) -> None:
        await (chance.choice(WAYS) if chance.random() < 0.2 else play)(exchange)

    with OpenAIStub(play, remember=False) as calm:
        undisturbed = evaluate(tmp_path / "calm", calm.url)
    assert (len(undisturbed["episodes"]), undisturbed["n_failed"]) == (EPISODES, 0)
    with OpenAIStub(storm, remember=False) as stormy:
        summary = evaluate(tmp_path / "storm", stormy.url)
    assert len(summary["episodes"]) + summary["n_failed"] == EPISODES
    assert len(summary["episodes"]) > 0
    assert summary["n_failed"] > 0
    for failed in summary["failed_episodes"]:
        assert failed["cause"]["where"] == "provider"
        assert failed["cause"]["sentence"]
    for finished in summary["episodes"]:
        seed = finished["seed"]
        assert everything(tmp_path / "storm", seed) == everything(tmp_path / "calm", seed)
