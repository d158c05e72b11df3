"""Workers on Ray: the same bytes as one process, whatever happens to a worker."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import grpc
import pytest
from effort import THOROUGH, effort
from openai_stub import Exchange, OpenAIStub, say, status
from puppet_reviewer import PuppetReviewer, helps, weak_scaffold
from ray_nodes import NODE, kill_a_node, started
from typer.testing import CliRunner

from chat_models import chat_model
from cli.commands import app
from cluster import ray_workers
from cluster.player import ClusterPlayer, workers
from cluster.temporary import own_folder, remove_leftovers
from graphs.evaluation import graph
from graphs.evaluation.player import THIS_PROCESS, played_by, player
from graphs.evaluation.state import Input
from graphs.inner_agent.sessions import SESSIONS
from graphs.reviewer.lineage import read as lineage
from graphs.settings import Context, SettingsError
from graphs.spending import Spending
from lab.counterfactual import Experiment
from lab.operations import Change, operations_of
from scaffolds import SHIPPED
from traces import RunFolder, TraceReader, read_result

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [1, 2, 3, 4]
KINDS: tuple[Literal["write"], Literal["recall"]] = ("write", "recall")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes on this machine, one worker on each."""
    with started(nodes=2) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def two_workers(cluster: Any) -> Iterator[ClusterPlayer]:
    with workers(2, cluster.address, shared=False) as player:
        yield player
    for _ in range(200):  # one that was killed as the last has ended may take a moment to die
        remove_leftovers()
        if not (left := list(Path(tempfile.gettempdir()).glob("automem-worker-*"))):
            return
        time.sleep(0.1)
    raise AssertionError(f"killed ones included: {left}")


@pytest.fixture(scope="module")
def scaffold(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A scaffold that is not shipped: its files are sent to workers, and its code runs contained."""
    place = tmp_path_factory.mktemp("scaffolds") / "vault" / "own"
    shutil.copytree(SHIPPED / "vault" / "v0", place)
    (place / "hooks.py").write_text("class Hooks:\n    def observe(self, view):\n        return ['noticed']\n")
    return str(place)


@pytest.fixture(autouse=True)
def _ends_with_the_player_it_began_with() -> Iterator[None]:
    before = player()
    yield
    assert player() is before


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, scaffold: str) -> Json:
    """What one process writes."""
    out = tmp_path_factory.mktemp("one") / "run"
    with played_by(THIS_PROCESS):
        play(out, Context(max_steps=60, scaffold=scaffold))
    return everything(out)


def play(
    out: Path, context: Context | None = None, shown: Callable[[Json], object] = lambda _: None, **more: Any
) -> Json:
    """Play some episodes of the vault; the last state of the graph. With workers, none of them is played here."""
    plays, here = player(), len(SESSIONS._live)
    plan: Json = {"world": "vault", "tasks": ["six-doors"], "seeds": SEEDS, "model": "scripted", "out": str(out)}
    given = Input(**{**plan, **more})  # type: ignore[typeddict-item]

    async def whole() -> Json:
        state: Json = {}
        stream = graph.astream(given, context=context or Context(max_steps=60), stream_mode=["custom", "values"])
        async for mode, data in stream:
            if mode == "custom":
                assert plays is THIS_PROCESS or len(SESSIONS._live) == here
                shown(data)
            else:
                state = data
        return state

    return asyncio.run(whole())


def everything(out: Path) -> Json:
    """All of a run that is the same however it is played: what depends on the clock is left out."""
    found: Json = {}
    for folder in RunFolder(out).episodes():
        with TraceReader(folder) as reader:
            steps = [(r.step, r.action, r.observation, r.reward, r.notices, r.revision, r.info) for r in reader]
            prompts = [reader.prompt(r.step, talk, 0) for r in reader for talk in range(len(r.conversations))]
        notebook = {path.name: path.read_bytes() for path in folder.memory.iterdir()}
        result = read_result(folder, content=True)
        assert result is not None
        score = dataclasses.replace(result, wall_s=0.0, files={})
        found[str(folder.path.relative_to(out))] = (steps, prompts, folder.journal.read_bytes(), notebook, score)
    return found


def test_workers_write_what_one_process_writes(
    tmp_path: Path, two_workers: ClusterPlayer, scaffold: str, undisturbed: Json
) -> None:
    assert play(tmp_path / "run", Context(max_steps=60, scaffold=scaffold))["status"] == "finished"
    assert everything(tmp_path / "run") == undisturbed


def test_workers_write_a_shared_folder_themselves(
    tmp_path: Path, two_workers: ClusterPlayer, scaffold: str, undisturbed: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_workers, "shared", True)
    monkeypatch.chdir(tmp_path)
    play(Path("run"), Context(max_steps=60, scaffold=scaffold))
    assert everything(tmp_path / "run") == undisturbed


def test_a_control_arm_is_opened_with_an_episode_that_another_worker_played(
    tmp_path: Path, two_workers: ClusterPlayer
) -> None:
    for plays, name in ((two_workers, "workers"), (THIS_PROCESS, "one")):
        with played_by(plays):
            on, seeds = tmp_path / name / "on", [1, 2, 3]
            play(on, tasks=["one-door"], seeds=seeds)
            others = Context(max_steps=60, arm="shuffled", others=str(on))
            play(tmp_path / name / "shuffled", others, tasks=["one-door"], seeds=seeds)
            play(tmp_path / name / "persisted", Context(max_steps=60, arm="persisted"), tasks=["one-door"], seeds=seeds)
    for arm in ("shuffled", "persisted"):
        assert everything(tmp_path / "workers" / arm) == everything(tmp_path / "one" / arm)


def test_a_ceiling_of_the_run_holds_over_all_workers_and_their_warnings_are_shown(
    tmp_path: Path, two_workers: ClusterPlayer, caplog: pytest.LogCaptureFixture
) -> None:
    scripted = chat_model("scripted", world="vault")
    away = [status(503, "starting")]

    async def behave(exchange: Exchange) -> None:
        if away:
            await away.pop()(exchange)
            return
        reply = await scripted.ainvoke(exchange.body["messages"])
        await say(reply.content)(exchange)

    with OpenAIStub(behave) as stub:
        context = Context(max_steps=60, base_url=stub.url)
        state = play(tmp_path / "run", context, model="vllm:stub", ceilings={"calls": 50.0})
    assert state["status"] == "limited"
    assert state["reason"] == "the run's ceiling of 50 model calls is reached"
    assert 50 <= len(stub.bodies) - 1 <= 50 + len(SEEDS)
    shown = [record.getMessage() for record in caplog.records]
    assert len([one for one in shown if "waiting up to 300 s for the server" in one]) == 1


def test_a_node_without_bubblewrap_or_an_engine_is_named_before_anything_is_written(
    tmp_path: Path, cluster: Any, two_workers: ClusterPlayer, scaffold: str
) -> None:
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "crafter.py").write_text("raise ModuleNotFoundError(\"No module named 'crafter'\", name='crafter')\n")
    bare = cluster.add_node(**NODE, env_vars={"PATH": str(missing), "PYTHONPATH": str(missing)})
    third = ClusterPlayer(ray_workers.RayWorkers(1), shared=False)
    try:
        third.start()
        with played_by(third):
            with pytest.raises(SettingsError, match=r"A worker on the node \S+ cannot play: .*bubblewrap"):
                play(tmp_path / "run", Context(scaffold=scaffold))
            with pytest.raises(SettingsError, match=r"A worker on the node \S+ cannot play: .*crafter"):
                play(tmp_path / "run", world="crafter", tasks=["default"])
    finally:
        third.end()
        cluster.remove_node(bare)
    assert not (tmp_path / "run").exists()


def command(*words: str, before: str = "") -> subprocess.Popen[str]:
    """The command line in a process of its own; `before`: a program that runs before it."""
    program = f"import sys\n{before}\nsys.argv = ['automem', *{words!r}]\nfrom cli.app import main\nmain()\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    return subprocess.Popen(
        [sys.executable, "-c", program], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def test_a_stopped_command_ships_what_was_played_and_leaves_the_cluster_alone(
    tmp_path: Path, cluster: Any, two_workers: ClusterPlayer, scaffold: str, undisturbed: Json
) -> None:
    node = cluster.add_node(**NODE)
    words = ("eval", "--world", "vault", "--task", "six-doors", "--seeds", "1-4", "--model", "scripted")
    words += ("--max-steps", "60", "--scaffold", scaffold, "--out", str(tmp_path / "run"), "--ray", cluster.address)
    process = command(*words, "--workers", "1", "--no-check")
    while process.poll() is None and not list((tmp_path / "run").glob("episodes/*/*/*/steps.jsonl.zst")):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.splitlines()[-1].startswith("automem: stopped; go on with: automem eval ")
    cluster.remove_node(node)
    left = [folder for folder in RunFolder(tmp_path / "run").episodes() if not folder.is_finished()]
    assert left
    assert len([folder for folder in left if folder.steps.exists()]) > 0
    play(tmp_path / "run", Context(max_steps=60, scaffold=scaffold), resume=True)
    assert everything(tmp_path / "run") == undisturbed


class Answers(grpc.GenericRpcHandler):
    """A gRPC service that answers every call with an empty message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"")


@pytest.mark.parametrize("handlers", [[], [Answers()]])
def test_another_grpc_service_is_no_ray(handlers: list[grpc.GenericRpcHandler]) -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=handlers)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        with pytest.raises(SettingsError, match=rf"{address} is not the head"), workers(1, address, shared=False):
            pass
    finally:
        server.stop(None)


def test_what_answers_as_no_ray_of_this_version_is_one_sentence(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "ANSWER_S", 0.3)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        port = silent.getsockname()[1]
        for address in (f"127.0.0.1:{port}", "127.0.0.1:1", "no-such-host.invalid:6379", "ray://x:1"):
            with pytest.raises(SettingsError, match=rf"{address}"), workers(1, address, shared=False):
                pass
    words = ("eval", "--world", "vault", "--model", "scripted", "--out", str(tmp_path / "run"), "--ray")
    for before, sentence in (
        ("import ray; ray.__version__ = '2.59.0'", "another version (Ray 2.60.0, Python"),
        ("import os; os.environ['RAY_AUTH_TOKEN'] = 64 * 'a'", "asks for another token: set RAY_AUTH_TOKEN"),
    ):
        process = command(*words, cluster.address, before=before)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said.count("\n")) == (2, 1)
        assert sentence in said
    assert not (tmp_path / "run").exists()


def test_what_killed_workers_leave_is_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    killed = "import os; from cluster.temporary import own_folder; own_folder(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed], check=False, cwd=ROOT)
    (left,) = tmp_path.iterdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    (left / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "automem-worker-link").symlink_to(tmp_path / "elsewhere")
    running = own_folder()
    remove_leftovers()
    assert not left.exists()
    assert running.exists()
    assert (tmp_path / "elsewhere" / "lock").exists()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(SettingsError, match=r"pip install 'automem-langgraph\[cluster\]'"),
        workers(1, None, shared=False),
    ):
        pass


def test_a_counterfactual_is_played_on_workers_as_in_one_process(tmp_path: Path, two_workers: ClusterPlayer) -> None:
    effects = []
    for plays, name in ((THIS_PROCESS, "one"), (two_workers, "workers")):
        with played_by(plays):
            play(tmp_path / name, Context(max_steps=30), tasks=["one-door"], seeds=[1])
            source = next(RunFolder(tmp_path / name).episodes())
            for kind in KINDS:
                operation = operations_of(source, kind)[0]
                experiment = Experiment(source, operation, Change(), tmp_path / f"{name}-{kind}", 12)
                effects.append(asyncio.run(experiment.measure(2, Spending({}, "run"))))
    assert [dataclasses.replace(one, replayed=False) for one in effects[:2]] == [
        dataclasses.replace(one, replayed=False) for one in effects[2:]
    ]
    for kind in KINDS:
        one, other = (tmp_path / f"{name}-{kind}" for name in ("one", "workers"))
        for run in sorted(one.glob("*/*/*")):
            assert everything(run) == everything(other / run.relative_to(one))


def test_a_search_is_played_on_workers_as_in_one_process(
    tmp_path: Path, two_workers: ClusterPlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def asked_for(*_: object, **__: object) -> Iterator[None]:
        with played_by(two_workers):
            yield

    monkeypatch.setattr("cluster.player.workers", asked_for)
    for name, more in (("one", []), ("workers", ["--workers", "2"])):
        start = weak_scaffold(tmp_path / name / "start")
        words = ["evolve", "--world", "vault", "--task", "one-door", "--scaffold", str(start), "--seeds", "1-2"]
        words += ["--versions", "1", "--gate", "mean", "--holdout-seeds", "11", "--model", "scripted", "--quiet"]
        with OpenAIStub(PuppetReviewer(helps()).behaviour()) as reviewer:
            words += ["--reviewer-model", "vllm:puppet", "--reviewer-base-url", reviewer.url, "--no-check"]
            done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / name / "run"), *more])
        assert done.exit_code == 0, done.output
    one, other = (tmp_path / name / "run" for name in ("one", "workers"))
    assert [dataclasses.replace(each, spent={}) for each in lineage(one)] == [
        dataclasses.replace(each, spent={}) for each in lineage(other)
    ]
    played = [path.parent for path in one.rglob("summary.json")]
    assert len(played) == 5, "v0, the probe, v1, and both on the hold-out seeds"
    for run in played:
        assert everything(run) == everything(other / run.relative_to(one))


def test_an_episode_goes_on_elsewhere_when_its_node_is_killed(
    tmp_path: Path, cluster: Any, two_workers: ClusterPlayer, scaffold: str, undisturbed: Json
) -> None:
    chance, seen, kills, number = random.Random(3), 0, 0, 0
    killed = [True]
    while kills < effort(1, 20):
        assert number < effort(5, 80), "hardly a kill meets a node with a worker"
        if killed == [True]:
            cluster.add_node(**NODE)
        at, seen = chance.randint(1, 12), 0
        killed = []

        def shown(event: Json) -> None:
            nonlocal seen
            seen += 1
            if seen == at:  # noqa: B023 - called within this round
                killed.append(kill_a_node(cluster, two_workers.processes))  # noqa: B023

        out = tmp_path / f"run-{number}"
        play(out, Context(max_steps=60, scaffold=scaffold), shown)
        kills += killed == [True]
        assert everything(out) == undisturbed
        number += 1


@pytest.mark.skipif(not THOROUGH, reason="starting a Ray takes ten seconds")
def test_a_local_ray_is_started_and_ended_with_the_command(tmp_path: Path, scaffold: str, undisturbed: Json) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = ("eval", "--world", "vault", "--task", "six-doors", "--seeds", "1-4", "--model", "scripted", "--quiet")
    words += ("--max-steps", "60", "--scaffold", scaffold, "--out", str(tmp_path / "run"), "--workers", "2")
    process = command(*words, before=f"import os; os.environ['HOME'] = {str(home)!r}; os.environ.pop('RAY_AUTH_TOKEN')")
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert list(home.iterdir()) == []
    assert everything(tmp_path / "run") == undisturbed
