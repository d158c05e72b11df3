"""What the doctor finds: one row per habit of a server, per state of the machine, and for a scaffold with a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from examined_server import Habits
from openai_stub import OpenAIStub, status

from graphs.doctor import machine
from graphs.doctor.calls import Examination
from graphs.doctor.rows import Row
from graphs.doctor.server import cheap_rows


@pytest.fixture(scope="module")
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub() as server:
        yield server


def examined(stub: OpenAIStub, habits: Habits | None = None, spec: str = "vllm:m", **asked: object) -> dict[str, Row]:
    stub.default = habits or Habits()
    stub.gets = {"/v1/models": {"data": [{"id": "m", "max_model_len": 32_768}]}}
    server = Examination(spec, stub.url, **asked)  # type: ignore[arg-type]
    server.examine()
    return {row.name: row for row in server.rows}


def test_a_good_server_has_no_warning(stub: OpenAIStub) -> None:
    stub.bodies.clear()
    rows = examined(stub)
    assert [row for row in rows.values() if row.state != "ok"] == []
    assert {"reachable", "model listed", "first call", "system role", "alternation", "usage"} < rows.keys()
    assert {"cached tokens", "prefix cache", "max_tokens", "seed", "thoughts", "tool calling"} < rows.keys()
    assert {"constrained decoding", "long prompts", "context length"} < rows.keys()
    assert rows["context length"].found == "32768 tokens"
    assert len(stub.bodies) <= 15


def test_the_sampler_is_shown_as_far_as_it_is_known(stub: OpenAIStub) -> None:
    assert "sampler" not in examined(stub)
    told = {"default_generation_settings": {"n_ctx": 8192, "params": {"top_k": 40, "top_p": 0.95}}}
    stub.default, stub.gets = Habits(), {"/v1/models": {"data": [{"id": "m"}]}, "/props": told}

    def row(**sampler: float) -> Row:
        server = Examination("llamacpp:m", stub.url, sampler=sampler)
        server.examine()
        return next(row for row in server.rows if row.name == "sampler")

    assert row().found == "top_k 40, top_p 0.95: the server's own"
    assert row(top_k=20).found == "top_k 20, top_p 0.95: top_k as asked for, the rest is the server's own"
    stub.default = Habits(draws_by=frozenset({"top_p"}))
    passed_over = row(top_k=20, top_p=0.9, min_p=0.1)
    assert passed_over.state == "warning"
    assert passed_over.found == "top_k, min_p: the server passes over it"


@pytest.mark.parametrize(
    ("habit", "name", "state", "found"),
    [
        ({"system_role": False}, "system role", "ok", "refused: the system text opens the first user message"),
        ({"alternation": True}, "alternation", "ok", "demanded"),
        ({"usage": False}, "usage", "warning", "no token counts"),
        ({"usage": False}, "long prompts", "warning", "cannot be seen"),
        ({"counts_cached": False}, "cached tokens", "warning", "not counted"),
        ({"caches": False}, "prefix cache", "warning", "0 of "),
        ({"limits": False}, "max_tokens", "fault", "56 tokens where 16 are allowed"),
        ({"seeds": False}, "seed", "warning", "one seed, two replies"),
        ({"sampled": False}, "seed", "ok", "cannot be seen"),
        ({"thoughts": "apart"}, "thoughts", "ok", "apart from the reply"),
        ({"thoughts": "<think> "}, "thoughts", "ok", "in the reply, after <think>"),
        ({"tools": "written"}, "tool calling", "warning", "a call written as text"),
        ({"tools": "refused"}, "tool calling", "warning", "requires --enable-auto-tool-choice"),
        ({"holds": False}, "constrained decoding", "warning", "passes over the request"),
        ({"context": 2_000, "cuts": True}, "long prompts", "fault", "2000 tokens read of 4500 words"),
        ({"context": 2_000}, "long prompts", "ok", "refused, not cut"),
    ],
)
def test_a_habit_shows_in_its_row(
    stub: OpenAIStub, habit: dict[str, object], name: str, state: str, found: str
) -> None:
    row = examined(stub, Habits(**habit))[name]  # type: ignore[arg-type]
    assert row.state == state
    assert found in row.found
    assert bool(row.advice) == (state != "ok")


PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
AS_DOCUMENTED: dict[str, tuple[str, dict[str, dict[str, object]], Habits]] = {
    "SGLang": (
        "sglang:m",
        {"/v1/models": {"data": [{"id": "m", "max_model_len": 32_768}]}},
        Habits(counts_cached=False, tools="written", thoughts="<think> "),
    ),
    "Ollama": (
        "vllm:m",
        {"/v1/models": {"data": [{"id": "m"}]}, "/api/ps": {"models": [{"name": "m", "context_length": 4_096}]}},
        Habits(counts_cached=False, holds=False, thoughts="apart", context=4_096, cuts=True),
    ),
    "OpenAI": ("openai:m", {"/v1/models": {"data": [{"id": "m"}]}}, Habits()),
}
"""How a model is named, what the server lists, and its habits, as its documentation describes it with its defaults."""


@pytest.mark.parametrize("server", AS_DOCUMENTED)
def test_the_page_shows_what_is_found_of_a_server_that_behaves_as_its_documentation_says(
    stub: OpenAIStub, server: str
) -> None:
    lines = PAGE.read_text().split("\n| row | ")[1].split("\n\n")[0].splitlines()
    column = [one.split(" (")[0] for one in lines[0].strip("| ").split(" | ")].index(server) + 1
    spec, stub.gets, stub.default = AS_DOCUMENTED[server]
    asked = Examination(spec, stub.url)
    asked.examine()
    found = {row.name: f"{row.state}: {row.found}" for row in asked.rows}
    for cells in ([cell.strip() for cell in line.replace("`", "").strip("|").split(" | ")] for line in lines[2:]):
        assert found[cells[0]] == cells[column]


def test_what_the_run_needs_is_a_fault_where_it_is_missing(stub: OpenAIStub) -> None:
    assert examined(stub, Habits(tools="refused"), dialect="functions")["tool calling"].state == "fault"
    assert examined(stub, Habits(tools="written"), dialect="functions")["tool calling"].state == "warning"
    assert examined(stub, Habits(holds=False), constrained=True)["constrained decoding"].state == "fault"
    assert examined(stub, spec="openai:m", constrained=True)["constrained decoding"].state == "fault"
    assert examined(stub, spec="openai:m")["constrained decoding"].state == "ok"
    assert "no prompt fits" in examined(stub, max_tokens=32_768)["context length"].found


def test_a_failure_that_no_call_survives_leaves_the_rest_untried(stub: OpenAIStub) -> None:
    stub.default = status(401, "no such key")
    stub.gets = {}
    server = Examination("vllm:m", stub.url)
    server.examine()
    faults = [row for row in server.rows if row.state == "fault"]
    assert [row.name for row in faults] == ["first call"]
    assert "HTTP 401" in faults[0].found
    assert server.dead
    assert server.rows[-1] == Row("long prompts", "warning", "not tried", "see the fault above")


def test_the_cheap_half_calls_no_model(stub: OpenAIStub) -> None:
    stub.gets = {"/v1/models": {"data": [{"id": "other", "max_model_len": 4_096}]}}
    stub.bodies.clear()
    rows = {row.name: row for row in cheap_rows("vllm:m", stub.url, "", 4_096)}
    assert rows["model listed"].found == "m is not among them: other"
    assert cheap_rows("vllm:m", "http://127.0.0.1:9/v1", "", 16)[0].state == "fault"
    assert cheap_rows("vllm:m", None, "", 16) == []  # the run itself says what is missing
    assert cheap_rows("scripted", None, "", 16) == []
    assert stub.bodies == []


def test_packages_are_compared_with_the_pinned_versions(tmp_path: Path) -> None:
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("# exact\nrich==0.0.1  # old\nno-such-package==1\n")
    row = machine.packages(pinned)
    assert row.state == "warning"
    assert row.found.startswith("rich ")
    assert "(pinned 0.0.1) differ from constraints.txt, 1 not installed" in row.found
    assert machine.packages(tmp_path / "none").state == "warning"


def test_keys_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OTHER", "sk-other")
    row = machine.keys()
    assert "OPENAI_API_KEY" in row.found
    assert "secret" not in str(row)
    assert "OTHER" not in row.found
    monkeypatch.setenv("VLLM_API_KEY", "two words")
    assert machine.keys().state == "warning"
    assert "two words" not in str(machine.keys())


def test_a_gpu_is_named_with_its_memory_and_an_absent_one_is_no_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpu().state == "ok"
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559, 80995'\n")
    program.chmod(0o755)
    assert machine.gpu().found.startswith("NVIDIA H100 80GB HBM3, 79 of 80 GiB free")
    program.write_text("#!/bin/sh\nexit 9\n")
    assert machine.gpu().state == "warning"


def test_langsmith_that_does_not_answer_matters_only_where_traces_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9")
    assert machine.langsmith().state == "ok"
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    row = machine.langsmith()
    assert row.state == "warning"
    assert "http://127.0.0.1:9" in row.found


def test_without_bubblewrap_there_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    row = machine.bubblewrap()
    assert row.state == "warning"
    assert "not installed" in row.found
