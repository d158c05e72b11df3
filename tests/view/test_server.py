"""What the server answers: rows, runs, episodes piece by piece; and whom it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_stub import Agent, OpenAIStub, late
from playing import play, steps_of
from report_runs import lay_out_run
from starlette.requests import Request
from starlette.testclient import TestClient

from graphs.run_lock import run_lock
from graphs.settings import SettingsError
from traces import RunFolder, TraceReader
from traces.feedback import read_feedback, write_judgements
from view.playback import Playback
from view.server import Site, _answered, application, is_loopback, listening, serve
from view.traffic import Traffic

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1:8321"
ORIGIN = {"origin": f"http://{HOST}", "content-type": "application/json"}


@pytest.fixture
def client(runs: Path) -> Iterator[TestClient]:
    site = Site(runs)
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as found:
        yield found
    site.close()


def rows_of(client: TestClient, query: str = "") -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in client.get(f"/api/runs{query}").json()["runs"]}


def unpacked(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return json.loads(zlib.decompress(answer.content, -15))


def test_a_row_says_how_a_run_went_what_failed_and_what_is_not_over(client: TestClient) -> None:
    rows = rows_of(client)
    assert set(rows) == {"before", "before-lab", "after", "played", "torn"}
    after = rows["after"]
    assert (after["finished"], after["failed"], after["planned"]) == (4, 1, 6)
    assert after["state"] == "stopped"
    assert after["mean"] == pytest.approx(52.5)
    assert after["mean_zeros"] == pytest.approx(42)
    played = rows["played"]
    assert (played["state"], played["steps"], played["under_way"]) in [("stopped", 12, 1), ("ended", 7, 0)]
    assert played["calls"] > 0
    assert rows["torn"]["state"] == "unreadable"
    assert "run.json" in rows["torn"]["problem"]


def test_a_baseline_gives_paired_differences_to_runs_that_share_pairs(client: TestClient) -> None:
    rows = rows_of(client, "?baseline=before")
    found = rows["after"]["difference"]
    assert (found["n"], found["better"], found["worse"]) == (5, 4, 1)
    assert found["mean"] == pytest.approx((4 * 25 + 1 + 2 + 3 + 4 - 25) / 5)
    assert rows["before"].get("difference") is None
    assert "pairs" not in rows["after"]


def test_what_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/api/runs")
    again = client.get("/api/runs", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_an_episode_comes_in_pieces_and_grows_while_it_is_played(tmp_path: Path) -> None:
    play(tmp_path, 4, thread="live", world="vault", task="six-doors", seed=3)
    site = Site(tmp_path / "runs")
    place = "/piece/live/episodes/vault/six-doors/seed-3"
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        head = unpacked(client.get(f"{place}/head"))
        episode = head["episodes"][0]
        assert (episode["steps"], episode["label"], episode["result"]) == (4, "live", None)
        piece = unpacked(client.get(f"{place}/0-steps-0"))
        before, after = zip(*(step["revisions"] for step in piece["steps"]), strict=True)
        assert before[1:] == after[:-1]
        play(tmp_path, 40, thread="live", world="vault", task="six-doors", seed=3)
        more = client.get(f"{place}/more?steps=4&pieces=1&frames=0&reach={after[-1]}").json()
        assert more["steps"] > 32
        assert len(unpacked(client.get(f"{place}/0-steps-0"))["steps"]) == 32
        assert len(unpacked(client.get(f"{place}/0-steps-1"))["steps"]) == more["steps"] - 32
        assert unpacked(client.get(f"{place}/0-notebook-0"))["records"]
        assert client.get(f"{place}/0-steps-9").status_code == 404
    site.close()


def test_a_notebook_that_a_request_waits_for_is_read_before_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path, 20, thread="long", world="vault", task="six-doors", seed=3)
    (folder,) = RunFolder(tmp_path / "runs" / "long").episodes()
    monkeypatch.setattr("view.playback.SOME", 1)
    playback, reader = Playback(folder), TraceReader(folder)
    playback._waiting = 1
    playback._at_once.set()
    while not playback.timeline.marks:
        before = playback._book.revision
        assert playback._read_some(reader)
    assert before == playback._book.revision == reader.step(len(reader)).revision > 1
    playback.close()
    reader.close()


def test_reading_on_and_the_index_give_way_to_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(tmp_path, 20, thread="long", world="vault", task="six-doors", seed=3)
    (folder,) = RunFolder(tmp_path / "runs" / "long").episodes()
    monkeypatch.setattr("view.traffic.GIVE_WAY_S", 60.0)
    playback, traffic = Playback(folder), Traffic()
    with TraceReader(folder) as reader, playback._traffic.request(), traffic.request():
        waiting = [
            threading.Thread(target=playback._read_some, args=[reader.twin()]),
            threading.Thread(target=traffic.give_way, args=[threading.Event()]),
        ]
        for one in waiting:
            one.start()
            one.join(0.05)
        assert [one.is_alive() for one in waiting] == [True, True]
        assert playback.timeline.marks == []
    for one in waiting:
        one.join()
    assert playback.timeline.marks
    playback.close()


def test_only_names_of_this_server_are_answered_and_only_its_own_pages_may_send(client: TestClient) -> None:
    labels = {"tags": ["good"], "note": "as hoped"}
    assert client.get("/api/runs", headers={"host": f"evil.example:{HOST[-4:]}"}).status_code == 421
    refused = [
        {"origin": "http://evil.example", "content-type": "application/json"},
        {"content-type": "application/json"},
        {**ORIGIN, "content-type": "text/plain"},
        {**ORIGIN, "sec-fetch-site": "cross-site"},
    ]
    for headers in refused:
        assert client.post("/api/labels/before", json=labels, headers=headers).status_code == 403
    assert rows_of(client)["before"]["tags"] == []
    assert client.post("/api/labels/before", json=labels, headers=ORIGIN).json() == labels
    assert rows_of(client)["before"]["tags"] == ["good"]
    for wrong in ([1], {"tags": ["x" * 41]}, {"tags": "good"}, {"note": "n" * 5_000}):
        assert client.post("/api/labels/before", json=wrong, headers=ORIGIN).status_code == 400


def test_pages_bring_a_policy_that_lets_no_foreign_script_run(client: TestClient) -> None:
    assert "script-src 'self'" in client.get("/").headers["content-security-policy"]
    replay = client.get("/run/played/episodes/vault/one-door/seed-3")
    assert "script-src &#39;sha256-" in replay.text
    assert "unsafe" not in replay.text
    assert client.get("/").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "place", ["..", "../secret", "before/../../secret", "nothing", "linked", "/etc", "before/episodes", "%2e%2e"]
)
def test_nothing_outside_of_the_folder_is_a_run(client: TestClient, runs: Path, place: str) -> None:
    secret = runs.parent / "secret"
    if not secret.exists():
        shutil.copytree(runs / "before", secret)
        (runs / "linked").symlink_to(secret)
        (runs / "before/episodes/vault/one-door/seed-99").symlink_to(secret / "episodes/vault/one-door/seed-1")
    assert "linked" not in rows_of(client)
    assert client.get(f"/api/run/{place}").status_code == 404
    assert client.get(f"/piece/{place}/episodes/vault/one-door/seed-1/head").status_code == 404
    assert "not followed" in client.get("/piece/before/episodes/vault/one-door/seed-99/head").text
    assert 99 not in [one["seed"] for one in client.get("/api/run/before").json()["episodes"]]


def test_another_host_is_served_to_those_who_have_the_token(runs: Path) -> None:
    with pytest.raises(SettingsError, match="`token`"):
        serve(runs, "0.0.0.0", 0, None, print)
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "example.org")] == [
        *[True] * 3,
        *[False] * 3,
    ]
    site = Site(runs)
    with TestClient(application(site, None, "s3cret"), base_url="http://10.0.0.7:8321") as client:
        assert client.get("/api/runs").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        opened = client.get("/?q=vault&token=s3cret", follow_redirects=False)
        assert (opened.status_code, opened.headers["location"]) == (303, "/?q=vault")
        assert "HttpOnly" in opened.headers["set-cookie"]
        assert "samesite=strict" in opened.headers["set-cookie"].lower()
        assert client.get("/api/runs").status_code == 200
    site.close()


def test_a_port_in_use_and_a_folder_that_is_none_are_said_in_words(runs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"The port {port} of 127.0.0.1 is in use: give another `port`"):
            listening("127.0.0.1", port)
    with pytest.raises(SettingsError, match="is no folder"):
        Site(runs / "nowhere")


def test_a_run_that_is_deleted_while_it_is_shown_is_said_to_be_gone(tmp_path: Path, runs: Path) -> None:
    shutil.copytree(runs / "played", tmp_path / "runs" / "gone")
    site = Site(tmp_path / "runs")
    place = "/piece/gone/episodes/vault/one-door/seed-3"
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        unpacked(client.get(f"{place}/head"))
        shutil.rmtree(tmp_path / "runs" / "gone")
        for asked in (f"{place}/more", f"{place}/0-steps-0", "/api/run/gone"):
            answer = client.get(asked)
            assert answer.status_code == 404
            assert "moved or deleted" in answer.text
        site.table.changed()
        assert client.get("/api/runs").json()["runs"] == []
    site.close()


def test_a_judgement_is_kept_as_the_curator_reads_it_and_can_be_taken_back(tmp_path: Path) -> None:
    play(tmp_path, 6, thread="judged", world="vault", task="one-door", seed=3)
    run = RunFolder(tmp_path / "runs" / "judged")
    step, conversation, operation = next(
        (step.step, number, place)
        for step in steps_of(tmp_path, "judged")
        for number, talk in enumerate(step.conversations)
        for place, one in enumerate(talk.operations)
        if one.outcome == "written"
    )
    write_judgements(run, [{"candidate": "other", "feedback": 0.5, "id": "1", "project": "of LangSmith"}])
    site = Site(tmp_path / "runs")
    place = "judged/episodes/vault/one-door/seed-3"
    given = {"step": step, "conversation": conversation, "operation": operation, "feedback": 1, "comment": "at last"}
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        assert client.post(f"/api/judge/{place}", json=given, headers=ORIGIN).json()["feedback"] == 1
        candidate = f"vault/one-door/seed-3/step-{step}/LOG"
        assert read_feedback(run) == {"other": 0.5, candidate: 1.0}
        shown = unpacked(client.get(f"/piece/{place}/head"))["judgements"]
        assert shown == {f"{step}/{conversation}/{operation}": {"feedback": 1.0, "comment": "at last"}}
        client.post(f"/api/judge/{place}", json={**given, "feedback": 0}, headers=ORIGIN)
        assert read_feedback(run)[candidate] == 0
        client.post(f"/api/judge/{place}", json={**given, "feedback": None}, headers=ORIGIN)
        assert read_feedback(run) == {"other": 0.5}
        for wrong in ({**given, "step": 99}, {**given, "feedback": 2}, {**given, "operation": "x"}, [], {}):
            assert client.post(f"/api/judge/{place}", json=wrong, headers=ORIGIN).status_code == 400
    site.close()


def test_two_runs_are_compared_in_pairs_with_what_differs_between_them(tmp_path: Path) -> None:
    for thread, notebook in (("with", "on"), ("without", "off")):
        play(tmp_path, 60, thread=thread, world="vault", task="one-door", seed=3, notebook=notebook)
    site = Site(tmp_path / "runs")
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        found = client.get("/api/compare?a=without&b=with").json()
        assert client.get("/api/compare?a=without&b=nothing").status_code == 404
    site.close()
    (pair,) = found["paired"]["pairs"]
    assert (pair["name"], pair["after"]) == ("one-door/3", 100)
    assert found["paired"]["interval"] is None  # one pair says nothing about chance
    assert {"name": "notebook", "one": "off", "other": "on"} in found["settings"]
    assert found["scaffold"] == {"problem": None, "files": []}
    signs = {sign for one in found["prompts"] for sign, _ in one["lines"]}
    assert {"+", "-"} <= signs


def test_one_run_that_cannot_be_shown_is_a_row_that_says_so_among_the_others(tmp_path: Path) -> None:
    for name in ("whole", "linked", "huge"):
        play(tmp_path, 2, thread=name, world="vault", task="one-door", seed=3)
    runs = tmp_path / "runs"
    secret = tmp_path / "secret.json"
    shutil.move(runs / "linked" / "run.json", secret)
    (runs / "linked" / "run.json").symlink_to(secret)
    found = json.loads((runs / "huge" / "run.json").read_text())
    (runs / "huge" / "run.json").write_text(json.dumps({**found, "started": 2**80}))
    (runs / "huge" / "labels.json").write_text(json.dumps({"tags": [], "note": "\ud800"}))
    shutil.copytree(runs / "whole", runs / os.fsdecode(b"\xff"))
    site = Site(runs)
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        rows = rows_of(client)
        assert set(rows) == {"whole", "linked", "huge", "?"}
        assert rows["whole"]["state"] != "unreadable"
        assert (rows["huge"]["started"], rows["huge"]["note"]) == (2**80, "\ud800")
        assert rows["linked"]["problem"] == "The run 'linked' holds a link, 'run.json', which is not followed."
        assert rows["?"]["state"] == "unreadable"
        for place in ("api/run/linked", "run/linked/episodes/vault/one-door/seed-3"):
            assert client.get(f"/{place}").status_code == 404
    site.close()


def test_a_note_is_not_written_through_a_link(tmp_path: Path) -> None:
    play(tmp_path, 2, thread="one", world="vault", task="one-door", seed=3)
    mine = tmp_path / "mine"
    mine.write_text("kept")
    (tmp_path / "runs" / "one" / "labels.json.tmp").symlink_to(mine)
    site = Site(tmp_path / "runs")
    with TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        answer = client.post("/api/labels/one", json={"tags": ["a"], "note": ""}, headers=ORIGIN)
    assert (answer.status_code, mine.read_text()) == (404, "kept")
    site.close()


def test_a_host_header_of_any_signs_is_answered_and_two_servers_keep_their_tokens_apart(runs: Path) -> None:
    site = Site(runs)
    for port in (8001, 8002):
        with TestClient(application(site, None, "secret"), base_url=f"http://box:{port}") as client:
            assert client.get("/", headers={"host": "[:::"}).status_code == 401
            answer = client.get("/?token=secret&sort=run", headers={"host": "[:::"}, follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/?sort=run")
            assert answer.headers["set-cookie"].startswith(f"automem_view_{port}=secret")
    site.close()


def test_a_request_that_waits_is_answered_when_the_server_ends(tmp_path: Path) -> None:
    program = (
        "import sys, threading, urllib.request\nfrom pathlib import Path\nfrom view.server import serve\n"
        "def ask(address):\n"
        "    place = 'piece/live/episodes/vault/one-door/seed-3/more?reach=9999'\n"
        "    threading.Thread(target=lambda: print(urllib.request.urlopen(address + place).status)).start()\n"
        "    threading.Timer(1.0, lambda: __import__('os').kill(__import__('os').getpid(), 2)).start()\n"
        "try:\n    serve(Path(sys.argv[1]), '127.0.0.1', 0, None, ask)\nexcept KeyboardInterrupt:\n    pass\n"
    )
    play(tmp_path, 2, thread="live", world="vault", task="one-door", seed=3)
    words = [sys.executable, "-c", program, str(tmp_path / "runs")]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.stdout, ended.stderr) == ("200\n", "")


def test_what_takes_longer_than_the_server_waits_is_answered_without_a_traceback() -> None:
    async def cut_off() -> int:
        answer = asyncio.create_task(_answered(lambda _: time.sleep(0.3))(Request({"type": "http"})))
        await asyncio.sleep(0.05)
        answer.cancel()
        return (await answer).status_code

    assert asyncio.run(cut_off()) == 503


def test_a_run_that_has_ended_and_goes_on_is_shown_as_played_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("view.table.FRESH_S", -1.0)
    run = lay_out_run(tmp_path / "done", {("one-door", 1): 0.5})
    site = Site(tmp_path)
    assert [row["state"] for row in site.table.rows()] == ["ended"]
    with run_lock(run, "run.json"):
        assert [row["state"] for row in site.table.rows()] == ["playing"]
    assert [row["state"] for row in site.table.rows()] == ["ended"]
    site.close()


def test_a_run_that_is_killed_in_the_middle_of_a_step_is_shown_as_stopped_with_the_steps_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("view.table.FRESH_S", -1.0)
    site, place = Site(tmp_path), "killed/episodes/vault/one-door/seed-3"
    words = ["eval", "--world", "vault", "--task", "one-door", "--seeds", "3", "--model", "vllm:stub", "--no-check"]
    with OpenAIStub(late(600)) as stub, TestClient(application(site, {HOST}), base_url=f"http://{HOST}") as client:
        stub.script(*[Agent()] * 9)  # the first step, and LOG of the second
        words += ["--base-url", stub.url, "--out", str(tmp_path / "killed"), "--quiet"]
        with subprocess.Popen([sys.executable, "-m", "cli.app", *words], cwd=ROOT) as process:
            while len(stub.bodies) < 10:
                assert process.poll() is None
                time.sleep(0.02)
            playing = rows_of(client)["killed"]
            assert (playing["state"], playing["under_way"]) == ("playing", 1)
            unpacked(client.get(f"/piece/{place}/head"))
            process.kill()
        stopped = rows_of(client)["killed"]
        assert (stopped["state"], stopped["under_way"], stopped["steps"]) == ("stopped", 1, playing["steps"])
        assert stopped["steps"] > 0
        (episode,) = client.get("/api/run/killed").json()["episodes"]
        assert (episode["status"], episode["steps"], episode["cause"]) == ("stopped", stopped["steps"], None)
        more = client.get(f"/piece/{place}/more").json()
        assert (more["steps"], more["result"], more["fault"]) == (stopped["steps"], None, "")
        assert len(unpacked(client.get(f"/piece/{place}/0-steps-0"))["steps"]) == stopped["steps"]
    site.close()
