"""The stub's playing agent, which the benchmarks stand on: four calls per step, in either dialect."""

from __future__ import annotations

import json
import os

import pytest
from openai_stub import Agent, spawn_agent

from chat_models import Retry, call, chat_model

TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}]
RESULTS = {"role": "user", "content": "RESULTS\n\n### SEARCH map_notes.md|tree\nno match"}


def test_in_tags_it_searches_then_records_and_ends_or_acts(stub, model):
    stub.default = Agent(actions=("Noop", "Do"))
    spoken = []
    for opener in ("LOG step 7\n\n## Before", "PLAN step 7\n\n## Now"):
        talk = [{"role": "system", "content": "rules"}, {"role": "user", "content": opener}]
        first = call(model, talk).message
        second = call(model, [*talk, first, RESULTS]).message
        spoken += [first["content"], second["content"]]
    assert spoken == [
        "<|SEARCH|>map_notes.md|tree<|END|>",
        "<|APPEND|>survival_log.md|step 7: nothing new in sight<|END|>\n<|DONE|>",
        "<|SEARCH|>map_notes.md|tree<|END|>",
        "<|ACTION|>Do<|END|>",
    ]


def test_with_tools_it_calls_them_and_takes_tool_messages_for_results(stub, model):
    stub.default = Agent()
    talk = [{"role": "user", "content": "PLAN step 3"}]
    first = call(model, talk, tools=TOOLS).message
    answered = {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "no match"}
    second = call(model, [*talk, first, answered], tools=TOOLS).message
    named = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in second["tool_calls"]]
    assert first["tool_calls"][0]["function"]["name"] == "search"
    assert named == [("act", {"action": "Noop"})]


@pytest.mark.skipif(os.name != "posix", reason="the process is ended with a signal")
def test_it_runs_in_a_process_of_its_own():
    with spawn_agent(actions=("Do",)) as url:
        model = chat_model("vllm:m", world="none", base_url=url)
        said = call(model, [{"role": "user", "content": "LOG step 2"}], retry=Retry(attempts=1))
    assert said.message["content"].startswith("<|SEARCH|>")
