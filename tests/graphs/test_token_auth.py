"""The example of custom auth over a started server: tokens, and what each owner sees and reaches."""

from __future__ import annotations

import hashlib
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dev_server import DevServer, dev_server

from graphs.served.token_auth import owners

GIVEN = {"world": "vault", "seed": 1, "steps": 1, "model": "scripted"}
EVALUATION = {"world": "vault", "tasks": ["one-door"], "seeds": [1], "model": "scripted"}


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    folder = tmp_path_factory.mktemp("owners")
    (folder / "tokens").write_text(f"# owners\nann {hashed('anns-token')}\nbob {hashed('bobs-token')}\n")
    config = {"auth": {"path": "graphs.served.token_auth:auth", "disable_studio_auth": True}}
    with dev_server(folder, config, AUTOMEM_TOKENS=str(folder / "tokens")) as started:
        yield started


@pytest.fixture
def as_owner(server: DevServer) -> Iterator[Any]:
    """Makes the next requests those of an owner, by name."""

    def become(name: str) -> DevServer:
        server.headers = {"authorization": f"Bearer {name}s-token"}
        return server

    yield become
    server.headers = {}


def refused(ask: Any, *codes: int) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask()
    with caught.value as error:
        assert error.code in codes
        return error.read().decode()


def test_a_request_without_a_known_token_is_refused(server: DevServer) -> None:
    for headers in ({}, {"authorization": "Bearer carls-token"}, {"authorization": f"Bearer {hashed('anns-token')}"}):
        server.headers = headers
        for path in ("/threads", "/threads/search", "/runs/wait", "/assistants/search"):
            assert "token" in refused(lambda path=path: server.post(path, {}), 401)
    server.headers = {"x-auth-scheme": "langsmith"}  # how Studio would come in without a token
    refused(lambda: server.post("/threads", {}), 401)
    server.headers = {}


def test_an_owner_sees_and_runs_their_own_threads_alone(as_owner: Any) -> None:
    ann = as_owner("ann")
    thread = ann.thread()
    ended = ann.run(thread, "inner_agent", GIVEN)
    assert ended["step"] == 2
    assert [found["thread_id"] for found in ann.post("/threads/search", {})] == [thread]
    bob = as_owner("bob")
    assert bob.post("/threads/search", {}) == []
    for path in (f"/threads/{thread}", f"/threads/{thread}/state", f"/threads/{thread}/runs"):
        refused(lambda path=path: bob.get(path), 403, 404)
    refused(lambda: bob.run(thread, "inner_agent", GIVEN), 403, 404)
    refused(lambda: bob.post(f"/threads/{thread}/copy", {}), 403, 404, 409)
    assert bob.post("/threads/search", {}) == []


def test_run_folders_are_parted_by_owner_and_anothers_is_refused(as_owner: Any) -> None:
    episodes = {}
    for name in ("ann", "bob"):
        server = as_owner(name)
        episodes[name] = Path(server.run(server.thread(), "inner_agent", GIVEN)["episode"])
        server.run(server.thread(), "evaluation", {**EVALUATION, "out": f"runs/{name}/first"})
    for name, episode in episodes.items():
        assert (server.folder / episode).resolve().is_relative_to((server.folder / "runs" / name).resolve())
        assert (server.folder / "runs" / name / "first" / "summary.json").exists()
    assert sorted(path.name for path in (server.folder / "runs").iterdir()) == ["ann", "bob"]


def test_owners_change_the_metadata_of_their_threads_and_cancel_their_runs_alone(as_owner: Any) -> None:
    ann = as_owner("ann")
    thread = ann.thread()
    path = f"/threads/{thread}"
    assert ann.post(path, {"metadata": {"note": "first", "owner": "bob"}}, "PATCH")["metadata"]["note"] == "first"
    begun = ann.post(
        f"{path}/runs", {"assistant_id": "inner_agent", "input": {**GIVEN, "world": "crafter", "steps": 5_000}}
    )
    cancel = f"{path}/runs/{begun['run_id']}/cancel"
    bob = as_owner("bob")
    refused(lambda: bob.post(path, {"metadata": {"note": "second"}}, "PATCH"), 403, 404)
    refused(lambda: bob.post(cancel, {}), 403, 404)
    ann = as_owner("ann")
    assert ann.get(path)["metadata"]["note"] == "first"
    ann.post(f"{cancel}?wait=true", {})
    assert ann.get(f"{path}/runs/{begun['run_id']}")["status"] == "interrupted"
    refused(lambda: ann.post(f"{path}/state", {"values": {"notices": ["x"]}}), 403)


TAKEN = ["runs/ann/new", "runs", "runs/bob/../ann/new", "./runs//ann", "runs/bobs"]


@pytest.mark.parametrize("folder", TAKEN)
def test_no_way_of_naming_anothers_folder_is_carried_out(as_owner: Any, folder: str) -> None:
    bob = as_owner("bob")
    thread = bob.thread()
    asked: list[dict[str, Any]] = [
        {"assistant_id": "evaluation", "input": {**EVALUATION, "out": folder}},
        {"assistant_id": "inner_agent", "input": GIVEN, "context": {"runs": folder}},
        {"assistant_id": "inner_agent", "input": GIVEN, "config": {"configurable": {"runs": folder}}},
        {"assistant_id": "inner_agent", "input": {**GIVEN, "model": f"embedded+adapter={folder}"}},
        {"assistant_id": "evaluation", "command": {"update": {"out": folder}}},
    ]
    for body in asked:
        said = refused(lambda body=body: bob.post(f"/threads/{thread}/runs/wait", body), 403)
        assert "Your run folders lie below runs/bob/" in said
    refused(lambda: bob.post(f"/threads/{thread}/state", {"values": {"out": folder}}), 403)
    body = {"graph_id": "inner_agent", "context": {"runs": folder}}
    assert "runs/bob/" in refused(lambda: bob.post("/assistants", body), 403)


def test_assistants_are_their_owners_and_the_servers_own_are_everyones(as_owner: Any) -> None:
    ann = as_owner("ann")
    made = ann.post("/assistants", {"graph_id": "inner_agent", "context": {"notebook": "off"}})["assistant_id"]
    assert ann.run(ann.thread(), made, GIVEN)["step"] == 2
    refused(lambda: ann.post("/assistants", {"graph_id": "inner_agent", "metadata": {"created_by": "system"}}), 403)
    bob = as_owner("bob")
    assert made not in {found["assistant_id"] for found in bob.post("/assistants/search", {"limit": 100})}
    assert bob.post("/assistants/search", {"graph_id": "inner_agent"})
    refused(lambda: bob.get(f"/assistants/{made}"), 403, 404)
    refused(lambda: bob.run(bob.thread(), made, GIVEN), 403, 404)


def test_the_store_and_crons_are_closed(as_owner: Any) -> None:
    ann = as_owner("ann")
    refused(lambda: ann.post("/store/items/search", {"namespace_prefix": []}), 403)
    refused(
        lambda: ann.post("/runs/crons", {"assistant_id": "inner_agent", "schedule": "* * * * *", "input": GIVEN}), 403
    )


def test_a_file_of_tokens_that_cannot_be_read_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"ann {hashed('x')}\n../bob {hashed('y')}\n")
    with pytest.raises(ValueError, match="line 2: write OWNER SHA256-OF-TOKEN"):
        owners(str(tmp_path / "tokens"))
    with pytest.raises(ValueError, match="AUTOMEM_TOKENS names no file"):
        owners(None)
