"""Servers as they are, in an episode: usage that is missing, prompts that do not fit or are cut, requests refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from openai_stub import Behaviour, Exchange, OpenAIStub, context_too_long, say, status
from playing import Json, by_turn, folder_of, play, steps_of

from cli.report_page.world import _cost_words
from graphs.evaluation import graph
from graphs.settings import Context, SettingsError
from graphs.spending import spent_playing, sum_of
from traces import RunFolder, read_result, read_run
from traces.report_data import read_played

SEARCHES = {("PLAN", turn): f"<|SEARCH|>strategy.md|key{turn}<|END|>" for turn in range(3)}


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(by_turn(SEARCHES)) as server:
        yield server


def evaluate(tmp_path: Path, stub: OpenAIStub, *, ceilings: dict[str, float] | None = None, **context: Any) -> Json:
    settings = {"base_url": stub.url, "max_steps": 2, "attempts": 1, "patience_s": 0.0, **context}
    resume = settings.pop("resume", False)
    asked: dict[str, Any] = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "model": "vllm:m"}
    asked |= {"out": str(tmp_path / "run"), "ceilings": ceilings or {}, "resume": resume}
    output: Json = graph.invoke(asked, context=Context(**settings))
    return output


def notes(tmp_path: Path) -> list[str]:
    found = read_run(RunFolder(tmp_path / "run"))
    assert found is not None
    return [str(note) for note in found.get("notes", [])]


def counted(usage: Json | None) -> Behaviour:
    """Says what ends each routine, with this usage."""

    async def behave(exchange: Exchange) -> None:
        logs = exchange.body["messages"][1]["content"].startswith("LOG")
        await say("<|DONE|>" if logs else "<|ACTION|>Wait<|END|>", usage=usage)(exchange)

    return behave


# Usage


@pytest.mark.parametrize("whose", ["episode", "run"])
@pytest.mark.parametrize("ceiling", ["tokens", "cost"])
def test_a_ceiling_of_tokens_ends_at_the_first_call_without_usage(
    tmp_path: Path, stub: OpenAIStub, whose: str, ceiling: str
) -> None:
    stub.default = counted(None)
    prices = tmp_path / "prices.toml"
    prices.write_text('["vllm:m"]\nprompt = 1.0\ncompletion = 1.0\n')
    limit = {"ceilings": {ceiling: 1e6}} if whose == "run" else {}
    episode = {"ceilings": {ceiling: 1e6}} if whose == "episode" else {}
    settings = {"base_url": stub.url, "max_steps": 2, "prices": str(prices), **episode}
    asked = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "model": "vllm:m", "out": str(tmp_path / "run")}
    with pytest.raises(SettingsError, match=f"vllm:m does not report .* {ceiling} cannot be held: limit calls or min"):
        graph.invoke({**asked, **limit}, context=Context(**settings))
    assert len(stub.bodies) == 1


def test_usage_that_is_not_reported_is_unknown_everywhere_and_never_0(tmp_path: Path, stub: OpenAIStub) -> None:
    stub.default = counted(None)
    summary = evaluate(tmp_path, stub)["summary"]
    unknown = {"prompt": None, "completion": None, "cached": None}
    episode = RunFolder(tmp_path / "run").episode("vault", "one-door", 1)
    result = read_result(episode)
    assert result is not None
    assert result.tokens == result.metrics["tokens"] == summary["episodes"][0]["tokens"] == unknown
    assert (result.metrics["prompt_tokens_per_step"], result.cost) == (None, None)
    assert summary["metrics"]["tokens"]["prompt"]["mean"] is None
    cost = read_played(RunFolder(tmp_path / "run"))[0].cost
    assert (cost.prompt, cost.completion, cost.cached) == (None, None, None)
    assert _cost_words(cost)[2:5] == ["unknown"] * 3
    amounts = spent_playing([RunFolder(tmp_path / "run")])
    assert "tokens" not in amounts
    assert "tokens" not in sum_of([amounts, {"calls": 1.0, "tokens": 5.0, "cost": 0.0, "minutes": 0.0}])


def test_one_call_without_usage_makes_the_sum_unknown_and_cached_tokens_may_be_unknown_alone(
    tmp_path: Path, stub: OpenAIStub
) -> None:
    stub.script(say("<|ACTION|>Wait<|END|>", usage={"prompt_tokens": 9, "completion_tokens": 2}))
    stub.default = counted({"prompt_tokens": 10, "completion_tokens": 3})
    assert evaluate(tmp_path, stub)["summary"]["episodes"][0]["tokens"] == {
        "prompt": 29,
        "completion": 8,
        "cached": None,
    }


def test_rules_use_no_tokens(tmp_path: Path) -> None:
    play(tmp_path, 2)
    assert steps_of(tmp_path)[1].tokens == {"prompt": 0, "completion": 0, "cached": 0}


# Prompts


class Window:
    """A server whose context holds so many characters of a prompt."""

    def __init__(self, characters: int, then: Behaviour) -> None:
        self.characters, self.then = characters, then

    async def __call__(self, exchange: Exchange) -> None:
        """Refuse a prompt that is too long, as vLLM does."""
        size = sum(len(message["content"]) for message in exchange.body["messages"])
        await (self.then if size <= self.characters else context_too_long())(exchange)


@pytest.mark.parametrize("dialect", ["tags", "functions"])
def test_the_oldest_results_are_left_out_until_the_prompt_fits(tmp_path: Path, stub: OpenAIStub, dialect: str) -> None:
    files = ["map_symbols.md", "no.md"]
    reads: dict[tuple[str, int], Any] = {("PLAN", n): f"<|READ|>{file}<|END|>" for n, file in enumerate(files)}
    if dialect == "functions":
        reads = {("PLAN", n): [("read", {"file": file})] for n, file in enumerate(files)}
    action: Any = "<|ACTION|>wait<|END|>" if dialect == "tags" else [("act", {"action": "wait"})]
    stub.default = by_turn(reads, action)
    game = {"world": "minihack", "model": "vllm:m", "base_url": stub.url, "dialect": dialect}
    play(tmp_path, 1, thread="whole", **game)
    whole = stub.bodies[2]["messages"]
    size = sum(len(message["content"] or "") for message in whole)
    stub.bodies.clear()
    stub.default = Window(size - 10, by_turn(reads, action))
    play(tmp_path, 1, **game)
    sent = stub.bodies[-1]["messages"]
    left_out = "Result left out: call it again if you need it, and ask for less."
    assert [m["content"] for m in sent if m["content"] == left_out] == [left_out]
    assert sent[3]["content"] == left_out
    assert [m for m in sent if m["content"] != left_out] == [m for n, m in enumerate(whole) if n != 3]
    talk = steps_of(tmp_path)[0].conversations[0]
    assert [m["content"] for m in talk.prompt(2)] == [m["content"] for m in sent]
    assert talk.messages[3]["content"] == whole[3]["content"]  # the trace keeps the result itself
    assert talk.prompt(1)[3]["content"] == whole[3]["content"]
    run = read_run(RunFolder(folder_of(tmp_path).path.parents[3]))
    assert run is not None
    assert run["notes"][-1].startswith("vllm:m: A prompt was beyond the model's context")


def test_what_was_left_out_stays_out_and_the_call_fails_when_nothing_more_can_be(
    tmp_path: Path, stub: OpenAIStub
) -> None:
    stub.script(say(SEARCHES["PLAN", 0]), context_too_long(), say(SEARCHES["PLAN", 1]), *[context_too_long()] * 2)
    result = evaluate(tmp_path, stub)
    assert (result["status"], len(stub.bodies)) == ("failed", 5)
    left_out = [["left out" in m["content"][:20] for m in body["messages"]] for body in stub.bodies]
    assert left_out[2] == [False, False, False, True]
    assert left_out[3:] == [[*left_out[2], False, False], [*left_out[2], False, True]]
    assert "maximum context length" in result["reason"]


def test_fail_fails_and_a_resume_may_shorten_and_lower_the_limit_of_new_tokens(
    tmp_path: Path, stub: OpenAIStub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.script(say(SEARCHES["PLAN", 0]), context_too_long())
    assert evaluate(tmp_path, stub, overflow="fail")["status"] == "failed"
    with pytest.raises(SettingsError, match="max_tokens=4096, not 8192"):
        evaluate(tmp_path, stub, resume=True, max_tokens=8192)
    assert evaluate(tmp_path, stub, resume=True, max_tokens=512)["status"] == "finished"
    assert stub.bodies[-1]["max_tokens"] == 512
    assert notes(tmp_path)[:2] == [
        "max_tokens was 4096 and is 512 since a resume.",
        "overflow was fail and is shorten since a resume.",
    ]
    assert [caplog.messages.count(note) for note in notes(tmp_path)[:2]] == [1, 1]


def test_a_prompt_that_grows_without_its_tokens_is_reported_once(
    tmp_path: Path, stub: OpenAIStub, caplog: pytest.LogCaptureFixture
) -> None:
    counts = iter([4096, 4096, 4095, 4094] * 5)  # as Ollama cuts: not always to the same length

    async def behave(exchange: Exchange) -> None:
        usage = {"prompt_tokens": next(counts), "completion_tokens": 5}
        turn = len(exchange.body["messages"])
        await say("<|DONE|><|ACTION|>Wait<|END|>" if turn > 6 else SEARCHES["PLAN", turn // 2 - 1], usage=usage)(
            exchange
        )

    stub.default = behave
    evaluate(tmp_path, stub)
    assert [note for note in notes(tmp_path) if "grew but its tokens did not" in note] == notes(tmp_path)
    assert len(notes(tmp_path)) == 1
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == notes(tmp_path)


def test_tokens_that_grow_are_not_reported(tmp_path: Path, stub: OpenAIStub) -> None:
    async def behave(exchange: Exchange) -> None:
        turn = len(exchange.body["messages"])
        usage = {"prompt_tokens": 100 * turn, "completion_tokens": 5}
        await say(SEARCHES["PLAN", 0] if turn < 4 else "<|DONE|><|ACTION|>Wait<|END|>", usage=usage)(exchange)

    stub.default = behave
    evaluate(tmp_path, stub)
    assert notes(tmp_path) == []


# Requests that are refused


def test_what_a_request_goes_without_is_in_run_json_and_reported_once(
    tmp_path: Path, stub: OpenAIStub, caplog: pytest.LogCaptureFixture
) -> None:
    async def behave(exchange: Exchange) -> None:
        if "seed" in exchange.body:
            await status(422, "seed: extra fields not permitted")(exchange)
        elif exchange.body["messages"][0]["role"] == "system":
            await status(500, "Jinja Exception: System role not supported")(exchange)
        else:
            await say("<|DONE|><|ACTION|>Wait<|END|>")(exchange)

    stub.default = behave
    assert evaluate(tmp_path, stub, timeout_s=59.0)["status"] == "finished"
    said = [
        "vllm:m: The server refuses seed: requests are sent without it.",
        "vllm:m: The server refuses the system role: the system text opens the first user message.",
    ]
    assert notes(tmp_path)[:2] == said
    warned = [record.message for record in caplog.records]
    assert [warned.count(sentence) for sentence in said] == [1, 1]


def test_a_daily_limit_ends_the_episode_at_once_and_it_can_be_resumed(tmp_path: Path, stub: OpenAIStub) -> None:
    stub.script(say("<|ACTION|>Wait<|END|>"), status(429, "daily", retry_after="40000"))
    ended = evaluate(tmp_path, stub, attempts=5, patience_s=300.0)
    assert (ended["status"], len(stub.bodies)) == ("failed", 2)
    assert ended["summary"]["failed_episodes"][0]["cause"]["kind"] == "limit_reached"
    assert "the limit resets at 20" in ended["reason"]
    assert evaluate(tmp_path, stub, resume=True)["status"] == "finished"


@pytest.mark.parametrize("recalls", [True, False])
def test_roles_alternate_where_a_consultation_in_functions_is_handed_over(
    tmp_path: Path, stub: OpenAIStub, recalls: bool
) -> None:
    async def behave(exchange: Exchange) -> None:
        roles = [message["role"] for message in exchange.body["messages"][1:]]
        if any(now == "user" and before in ("user", "tool") for before, now in pairwise(roles)):
            await status(400, "After the optional system message, conversation roles must alternate")(exchange)
        else:
            handed = "HANDOFF" in str(exchange.body["messages"])
            first: Any = [("read", {"file": "strategy.md"})] if recalls else "Nothing to look up."
            await by_turn(
                {("PLAN", 0): [("act", {"action": "Wait"})] if handed else first}, [("act", {"action": "Wait"})]
            )(exchange)

    stub.default = behave
    now = play(tmp_path, 1, model="vllm:m", base_url=stub.url, dialect="functions", handoff="always", task="one-door")
    assert now["step"] == 2
    handed = stub.bodies[-1]["messages"]
    assert handed[-1]["role"] == ("tool" if recalls else "user")
    assert "HANDOFF step 1" in handed[-1]["content"]
