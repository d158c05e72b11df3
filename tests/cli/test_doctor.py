"""automem doctor as a user meets it, and the line its cheap half writes before a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from examined_server import Habits
from in_process import Run
from openai_stub import Agent, OpenAIStub


@pytest.fixture
def server() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        stub.default = Habits()
        yield stub


def test_doctor_fills_all_three_parts_and_says_what_to_run(automem: Run, server: OpenAIStub, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('["vllm:m"]\nprompt = 1.0\ncompletion = 2.0\n')
    asked = ("--world", "vault", "--model", "vllm:m", "--base-url", server.url, "--seeds", "1-2", "--task", "one-door")
    drawn = ("--temperature", "0.7", "--sampler", "top_k=40", "--sampler", "min_p=0.05")
    code, printed, _ = automem("doctor", *asked, *drawn, "--max-steps", "10", "--prices", str(prices), "--json")
    found = json.loads(printed)
    rows = {row["name"]: row for row in found["rows"]}
    assert code == 0
    assert {row["part"] for row in found["rows"]} == {"machine", "model", "scaffold"}
    assert rows["PLAN"]["found"].startswith("10 of 10 replies without a mistake")
    assert rows["LOG"]["found"].startswith("10 of 10 replies without a mistake")
    # Two replies of each routine in each of 2 × 10 steps, as the samples say: half of the replies end it.
    figures = found["estimate"]
    assert figures["steps"] == 20
    assert figures["calls"] == pytest.approx(20 * 2 * sum(0.5**turn for turn in range(10)))
    assert figures["cost"] > 0
    assert found["next"].startswith("automem eval --world vault")
    assert "--seeds 1-2 --task one-door --max-steps 10 --sampler top_k=40 --sampler min_p=0.05" in found["next"]
    assert "--temperature 0.7 --max-tokens 128 --out runs/" in found["next"]
    assert rows["sampler"]["found"] == "top_k 40, min_p 0.05: top_k, min_p as asked for"
    assert {(body["top_k"], body["min_p"]) for body in server.bodies if len(body["messages"]) > 1} == {(40, 0.05)}


def test_a_model_that_makes_mistakes_is_advised_to_be_constrained(automem: Run, server: OpenAIStub) -> None:
    server.default = Habits(agent=Agent(("Fly",), "journal.md", "journal.md"))
    code, printed, _ = automem("doctor", "--world", "vault", "--model", "vllm:m", "--base-url", server.url)
    assert code == 0
    assert "5 of 10 replies without a mistake" in printed  # PLAN searches first, and then names no action of the world
    assert "10 of 10 replies without a mistake" in printed
    assert "--constrained" in printed.split("next:")[1]


def test_a_dead_server_leaves_every_other_row_filled(automem: Run) -> None:
    dead = ("--model", "vllm:m", "--base-url", "http://127.0.0.1:9/v1")
    code, printed, _ = automem("doctor", "--world", "vault", *dead, "--json")
    rows = {row["name"]: row for row in json.loads(printed)["rows"]}
    assert code == 1
    assert rows["reachable"]["state"] == "fault"
    assert {row["state"] for row in rows.values() if row["part"] == "machine"} <= {"ok", "warning"}
    assert rows["PLAN"]["found"] == rows["long prompts"]["found"] == "not tried"


def test_every_server_given_is_looked_at_and_must_list_the_model(automem: Run, server: OpenAIStub) -> None:
    server.gets = {"/v1/models": {"data": [{"id": "m", "max_model_len": 32_768}]}}
    asked = ("doctor", "--model", "vllm:m", "--json", "--base-url", server.url)
    with OpenAIStub(Habits()) as other:
        other.gets = {"/v1/models": {"data": [{"id": "m", "max_model_len": 8_192}]}}
        code, printed, _ = automem(*asked, "--base-url", other.url)
        rows = [(row["state"], row["name"], row["found"]) for row in json.loads(printed)["rows"]]
        assert code == 0
        assert [row for row in rows if row[1] == "reachable"] == [
            ("ok", "reachable", server.url),
            ("ok", "reachable", other.url),
        ]
        assert ("ok", "model listed", f"{other.url}: m") in rows
        assert ("warning", "same context", f"{server.url} 32768, {other.url} 8192 tokens") in rows
        assert other.bodies == []
        other.gets = {"/v1/models": {"data": [{"id": "n"}]}}
        code, printed, _ = automem(*asked, "--base-url", other.url)
        faults = [row["found"] for row in json.loads(printed)["rows"] if row["state"] == "fault"]
        assert (code, faults) == (1, [f"{other.url}: m is not among them: n"])


def test_bad_use_of_doctor_ends_with_status_2(automem: Run) -> None:
    assert automem("doctor", "--scaffold", "x")[0] == 2
    assert automem("doctor", "--world", "no-such-world")[0] == 2
    assert automem("doctor", "--world", "vault", "--scaffold", "nowhere")[0] == 2


def test_an_evaluation_warns_in_a_line_each_before_its_first_step(
    automem: Run, server: OpenAIStub, tmp_path: Path
) -> None:
    server.gets = {"/v1/models": {"data": [{"id": "m", "max_model_len": 5_000}]}}
    asked = ("eval", "--world", "vault", "--task", "one-door", "--seeds", "1", "--max-steps", "1", "--quiet")
    asked += ("--model", "vllm:m", "--base-url", server.url)
    said = automem(*asked, "--out", str(tmp_path / "checked"))[2]
    assert said.startswith("automem: warning: context length: 5000 tokens leave 904 for the prompt; lower --max-tokens")
    assert said.count("\n") == 1
    assert automem(*asked, "--no-check", "--out", str(tmp_path / "unchecked"))[2] == ""
