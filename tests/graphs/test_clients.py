"""What a client of a server may ask for: sizes, programs, files and spending, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphs.evaluation.graph import graph as evaluation
from graphs.inner_agent.graph import graph as inner_agent
from graphs.served.clients import permitted
from graphs.settings import Context, SettingsError
from scaffolds.folder import SHIPPED

EVALUATION = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "out": "runs/x"}


@pytest.fixture(autouse=True)
def server_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the server was started in; its operator has set nothing."""
    for name in ("ALLOW", "LAUNCHERS", "ROOTS", "RUN_CEILING", "PRICES"):
        monkeypatch.delenv(f"AUTOMEM_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(graph: str, given: dict[str, Any], context: dict[str, Any] | None = None, run: Path | None = None) -> Any:
    return permitted(graph, given, context or {}, run=run)


@pytest.mark.parametrize(
    ("graph", "given", "context", "words"),
    [
        ("inner_agent", {"steps": 10**9}, {}, "steps lies between 0 and 100,000"),
        ("inner_agent", {"seed": -1}, {}, "seed lies between"),
        ("evaluation", {**EVALUATION, "concurrency": 65}, {}, "concurrency lies between 1 and 64"),
        ("evaluation", {**EVALUATION, "seeds": list(range(1001))}, {}, "seeds has 1,001 entries"),
        ("evaluation", {**EVALUATION, "ceilings": {"calls": 1e30}}, {}, "ceilings lies between"),
        ("curator", {"out": "runs/x", "train_seeds": 5000}, {}, "train_seeds lies between"),
        ("inner_agent", {}, {"stop_when": ["steps>5@10"] * 1001}, "stop_when has 1,001 entries"),
        ("inner_agent", {}, {"attempts": 10**6}, "context attempts lies between 1 and 20"),
        ("inner_agent", {}, {"timeout_s": 1e9}, "timeout_s lies between"),
        ("inner_agent", {}, {"trust_scaffold_code": True}, "AUTOMEM_ALLOW=trust"),
        ("curator", {"out": "runs/x", "launcher": ["/bin/sh"]}, {}, "AUTOMEM_ALLOW=launcher"),
        ("curator", {"out": "runs/x", "specialist_server": ["/bin/sh"]}, {}, "no client can set it"),
        ("curator", {"out": "runs/x", "specialist_url": "http://127.0.0.1:9/v1"}, {}, "no client can set it"),
        ("curator", {"out": "runs/x", "train_options": ["--output=/x"]}, {}, "AUTOMEM_ALLOW=launcher"),
        ("evaluation", {**EVALUATION, "out": ""}, {}, "out names no folder"),
        ("evaluation", {**EVALUATION, "out": "scaffolds/vault/v0"}, {}, "below runs/"),
        ("evaluation", {**EVALUATION, "out": "runs"}, {}, "below runs/"),
        ("evaluation", {**EVALUATION, "out": "runs/../x"}, {}, "no plain path"),
        ("evaluation", {**EVALUATION, "out": "~/x"}, {}, "no plain path"),
        ("evaluation", {**EVALUATION, "out": 5}, {}, "names no folder"),
        ("inner_agent", {"episode": "/x/episodes/vault/one-door/seed-1"}, {}, "below runs/"),
        ("inner_agent", {"episode": "runs/episodes/vault/one-door/seed-1"}, {}, "below runs/"),
        ("inner_agent", {"episode": "runs/threads/episodes/vault/one-door/seed-1"}, {}, "holds the runs of threads"),
        ("inner_agent", {"episode": "runs/x/seed-1"}, {}, "no episode's folder"),
        ("inner_agent", {"episode": "runs/" + "x" * 300}, {}, "too long for a path"),
        ("inner_agent", {}, {"scaffold": "x" * 3000}, "too long for a path"),
        ("evaluation", {**EVALUATION, "out": "runs/threads"}, {}, "holds the runs of threads"),
        ("curator", {"out": "runs/x", "weights": "x/" + "x" * 3000}, {}, "too long for a path"),
        ("inner_agent", {}, {"runs": "/etc"}, "below runs/"),
        ("inner_agent", {}, {"scaffold": "/etc"}, "below runs/"),
        ("inner_agent", {}, {"prices": "/etc/passwd"}, "below runs/"),
        ("evaluation", EVALUATION, {"arm": "shuffled", "others": "/srv/other"}, "below runs/"),
        ("inner_agent", {"model": "embedded+adapter=/etc"}, {}, "below runs/"),
        ("inner_agent", {}, {"gameplay_model": "embedded+weights=/etc+tokens=3"}, "below runs/"),
        ("inner_agent", {"model": "huggingface:gpt2"}, {}, "loaded from files"),
        ("inner_agent", {"model": "HuggingFace:gpt2"}, {}, "loaded from files"),
        ("reviewer", {"out": "runs/x", "reviewer_model": "embedded+weights=/etc"}, {}, "below runs/"),
        ("curator", {"out": "runs/x", "weights": "/etc"}, {}, "below runs/"),
        ("curator", {"out": "runs/x", "model": "vllm:/etc"}, {}, "below runs/"),
        ("curator", {"out": "runs/x", "recipe": "/etc/x.toml"}, {}, "below runs/"),
        ("curator", {"out": "runs/x", "policy": "/etc/x.toml"}, {}, "below runs/"),
        ("inner_agent", {"model": "embedded:owner/name+tokens=9"}, {}, "AUTOMEM_ALLOW=hub"),
        ("curator", {"out": "runs/x", "weights": "owner/name"}, {}, "AUTOMEM_ALLOW=hub"),
    ],
)
def test_what_a_client_may_not_ask_for_is_refused(
    graph: str, given: dict[str, Any], context: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        ask(graph, given, context)


@pytest.mark.parametrize(
    ("given", "context"),
    [
        ({"world": "vault", "steps": 3}, {"runs": "runs"}),
        ({"world": "vault"}, {"scaffold": "scaffolds/vault/v0"}),
        ({"world": "vault"}, {"scaffold": "vault/v0", "prices": "runs/prices.toml"}),
        ({"world": "vault", "model": "embedded+adapter=runs/a+weights=scaffolds/w"}, {}),
        ({"world": "vault", "model": "vllm:/models/qwen"}, {}),
        ({"world": "vault", "episode": ""}, {}),
    ],
)
def test_what_lies_below_the_servers_folders_is_a_clients(given: dict[str, Any], context: dict[str, Any]) -> None:
    assert ask("inner_agent", given, context) == (given, context)


def test_links_are_not_followed_and_the_operator_adds_folders(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server_folder / "runs").mkdir()
    (server_folder / "runs" / "link").symlink_to("/etc")
    with pytest.raises(SettingsError, match="leads through a link"):
        ask("evaluation", {**EVALUATION, "out": "runs/link/x"})
    monkeypatch.setenv("AUTOMEM_ROOTS", "/srv/a:/srv/b")
    given = {**EVALUATION, "out": "/srv/b/x"}
    assert ask("evaluation", given) == (given, {})


def test_a_run_inside_of_another_run_is_refused(server_folder: Path) -> None:
    (server_folder / "runs" / "v0").mkdir(parents=True)
    (server_folder / "runs" / "v0" / "run.json").write_text("{}")
    with pytest.raises(SettingsError, match="inside of another run"):
        ask("evaluation", {**EVALUATION, "out": "runs/v0/x"})
    with pytest.raises(SettingsError, match="inside of another run"):
        ask("inner_agent", {}, {"runs": "runs/v0"})


def test_an_episode_begins_no_run_inside_of_another_and_in_no_other_folder(server_folder: Path) -> None:
    inner = "episodes/vault/one-door/seed-1"
    (server_folder / "runs" / "v0").mkdir(parents=True)
    (server_folder / "runs" / "v0" / "evolve.json").write_text("{}")
    (server_folder / "runs" / "mine" / "letters").mkdir(parents=True)
    with pytest.raises(SettingsError, match="inside of another run"):
        ask("inner_agent", {"episode": f"runs/v0/holdout/v1/{inner}"})
    with pytest.raises(SettingsError, match="in a folder that is no run"):
        ask("inner_agent", {"episode": f"runs/mine/{inner}"})
    (server_folder / "runs" / "v0" / "holdout" / "v1").mkdir(parents=True)
    (server_folder / "runs" / "v0" / "holdout" / "v1" / "run.json").write_text('{"configuration": {}}')
    for begun in (f"runs/v0/holdout/v1/{inner}", f"runs/new/{inner}"):
        assert ask("inner_agent", {"episode": begun})[0] == {"episode": begun}


def test_launchers_are_chosen_by_name_where_they_are_allowed(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOMEM_ALLOW", "launcher, trust")
    monkeypatch.setenv("AUTOMEM_LAUNCHERS", "launchers.toml")
    (server_folder / "launchers.toml").write_text('own = ["nice", "python"]')
    for named, words in (("own", ["nice", "python"]), ("fsdp", ["accelerate", "launch", "--config_file"])):
        given, context = ask("curator", {"out": "runs/x", "launcher": [named]}, {"trust_scaffold_code": True})
        assert given["launcher"][: len(words)] == words
        assert context["trust_scaffold_code"]
    with pytest.raises(SettingsError, match="multi_gpu, own"):
        ask("curator", {"out": "runs/x", "launcher": ["/bin/sh", "-c", "true"]})
    with pytest.raises(SettingsError, match="no training option"):
        ask("curator", {"out": "runs/x", "train_options": ["--outp", "/etc"]})


@pytest.mark.parametrize(("server", "asked", "kept"), [(5, None, 5), (5, 3, 3), (5, 9, 5)])
def test_a_client_lowers_the_servers_ceiling_and_does_not_raise_it(
    monkeypatch: pytest.MonkeyPatch, server: int, asked: int | None, kept: int
) -> None:
    monkeypatch.setenv("AUTOMEM_RUN_CEILING", f"calls={server},tokens=2e6")
    ceilings = {} if asked is None else {"ceilings": {"calls": asked}}
    assert ask("evaluation", {**EVALUATION, **ceilings})[0]["ceilings"] == {"calls": kept, "tokens": 2e6}
    assert ask("inner_agent", {"world": "vault"}, ceilings)[1]["ceilings"] == {"calls": kept, "tokens": 2e6}


def test_a_ceiling_of_cost_is_counted_by_the_servers_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_RUN_CEILING", "cost=20")
    with pytest.raises(SettingsError, match="AUTOMEM_PRICES"):
        ask("inner_agent", {})
    monkeypatch.setenv("AUTOMEM_PRICES", "/srv/prices.toml")
    assert ask("inner_agent", {})[1]["prices"] == "/srv/prices.toml"
    with pytest.raises(SettingsError, match="leave prices out"):
        ask("inner_agent", {}, {"prices": "runs/free.toml"})


def test_a_run_that_was_begun_with_more_rights_is_not_gone_on_with(server_folder: Path) -> None:
    run = server_folder / "runs" / "owners"
    run.mkdir(parents=True)
    begun = {"configuration": {"specialization": {"launcher": ["/bin/sh"], "ceilings": {}}, "settings": {}}}
    (run / "specialize.json").write_text(json.dumps(begun))
    with pytest.raises(SettingsError, match="not begun by a client: launcher"):
        ask("curator", {"out": "runs/owners", "resume": True}, run=run)


@pytest.mark.parametrize(
    ("given", "context", "words"),
    [
        ({"world": "vault", "max_steps": 2}, {}, "max_steps is not part of the input: give it in the context"),
        ({"world": "vault"}, {"seed": 2}, "seed is not part of the context: give it in the input"),
        ({"wrold": "vault"}, {}, "Did you mean world\\? It can hold world, task"),
        ({"world": "vault"}, {"notebok": "off"}, "Did you mean notebook"),
        ({"world": "x" * 10**6}, {}, "The input world holds a text of 1,000,000 characters"),
        ({"x" * 10**6: 1}, {}, "The input has no 'xxx"),
    ],
)
def test_from_python_too_an_unknown_name_or_a_huge_text_is_refused_in_a_short_sentence(
    given: dict[str, Any], context: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        inner_agent.invoke(given, context=context)  # type: ignore[arg-type]
    assert len(str(refused.value)) < 600


def test_every_graph_refuses_what_it_does_not_know() -> None:
    with pytest.raises(SettingsError, match="max_steps is not part of the input"):
        evaluation.invoke({**EVALUATION, "max_steps": 2}, context=Context())


@pytest.mark.parametrize("folder", ["", " ", "/etc", "/usr/bin/x", f"{SHIPPED}/vault/v0", "mine", "mine/new"])
def test_from_python_too_no_run_is_written_where_nobody_can_mean_it(server_folder: Path, folder: str) -> None:
    (server_folder / "mine").mkdir()
    (server_folder / "mine" / "scaffold.toml").touch()
    with pytest.raises(SettingsError):
        evaluation.invoke({**EVALUATION, "out": folder})
    with pytest.raises(SettingsError):
        inner_agent.invoke({"world": "vault"}, context=Context(runs=folder))
    assert [found.name for found in (server_folder / "mine").iterdir()] == ["scaffold.toml"]


def test_an_evaluation_writes_into_no_foreign_folder(server_folder: Path) -> None:
    (server_folder / "mine").mkdir()
    (server_folder / "mine" / "letter.txt").touch()
    with pytest.raises(SettingsError, match="holds something that is no run"):
        evaluation.invoke({**EVALUATION, "out": "mine"})


def test_an_episode_is_played_in_a_folder_of_its_own_name_only(server_folder: Path) -> None:
    folder = "runs/a/episodes/vault/one-door/seed-1"
    for other in ({"seed": 2}, {"task": "six-doors"}, {"world": "other"}):
        with pytest.raises(SettingsError, match="is the folder of"):
            inner_agent.invoke({"episode": folder, **other})  # type: ignore[typeddict-item]
    assert not (server_folder / "runs").exists()
    assert inner_agent.invoke({"episode": folder})["seed"] == 1
    evaluation.invoke(EVALUATION)
    with pytest.raises(SettingsError, match="no episode vault/one-door seed 2 in its plan"):
        inner_agent.invoke({"episode": "runs/x/episodes/vault/one-door/seed-2"})
