"""A specialist merged into the weights, on a server that a run starts for it and ends; a stub takes vLLM's place."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_stub import DEAF, ENDS_AFTER, LoraStub
from specializing import ROOT, Specializing

from chat_models import ConfigurationError
from cli.specialize_lines import serving
from graphs.curator import Context, specialist_server
from graphs.curator.evaluating import final_evaluation
from graphs.curator.players import served_name
from graphs.curator.run import Specialization
from graphs.curator.specialist_server import MergedSpecialist, served
from graphs.settings import SettingsError
from traces import RunFolder, read_results
from training import TrainingError, TrainingFailure

QUICK = ROOT / "tests" / "kit" / "quick_training.py"
STUB = ROOT / "tests" / "kit" / "lora_stub.py"
SLEEPS = """
import asyncio, sys, time
from pathlib import Path
from graphs.curator import specialist_server
from graphs.curator.run import Specialization
from graphs.curator.specialist_server import served
specialist_server.SCRIPT, specialist_server.END_S = Path(sys.argv[3]), 1.0
async def main():
    async with served(Specialization.read(sys.argv[1]), Path(sys.argv[2]), lambda facts: None):
        print("ready", flush=True)
        time.sleep(600)
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{STUB.parent}")


def silent(_: object) -> None:
    """Nothing is told."""


def serve(run: Specialization, adapter: Path, tell: Callable[[dict[str, str]], None] = silent) -> bool:
    """Have the specialist served for a moment; whether its server answers then."""

    async def meanwhile() -> bool:
        async with served(run, adapter, tell):
            return answers(run.specialist_url)

    return asyncio.run(meanwhile())


def copying(folder: Path) -> Path:
    """A script in place of the one that merges: it copies the base as it is, without importing what takes seconds."""
    script = folder / "copying.py"
    script.write_text("import shutil, sys\nshutil.copytree(sys.argv[4], sys.argv[2])\n")
    return script


@pytest.fixture
def instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is merged in tests of the server alone."""
    monkeypatch.setattr(specialist_server, "SCRIPT", copying(tmp_path))


def port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    return free


def described(tmp_path: Path, tiny: Path, adapter: Path, url: str, **given: Any) -> Specializing:
    """A run whose base is at `url`, trainings that take a moment, and a server for each specialist."""
    at = port()
    words = [sys.executable, str(STUB), "serve", "{folder}", "--served-model-name", "{name}", "--dtype", "auto"]
    few = {"train_seeds": [1, 2], "validation_seeds": [11], "final_seeds": [21], "minimum_examples": 4}
    served = {
        "specialist_server": [*words, "--host", "127.0.0.1", "--port", str(at)],
        "specialist_url": f"http://127.0.0.1:{at}/v1",
    }
    launcher = [sys.executable, str(QUICK), str(adapter), "works"]
    more = {"base": "vllm:base", "weights": str(tiny), "launcher": launcher, **few, **served, **given}
    run = Specializing(tmp_path, tiny, **more)
    run.context |= {"max_steps": 9, "gameplay_model": None, "base_url": url}
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipe.read_text().replace("minimum_examples = 8", "minimum_examples = 4"))
    return run


def begun(run: Specializing) -> Specialization:
    return Specialization.begin(run.given, Context(**run.context))


def answers(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2].removesuffix("/v1")))) == 0


def ends(url: str) -> bool:
    """Whether nothing listens there within a minute."""
    until = time.monotonic() + 60
    while answers(url) and time.monotonic() < until:
        time.sleep(0.05)
    return not answers(url)


def test_each_specialist_plays_on_a_server_of_its_own_beside_the_base(
    tmp_path: Path, tiny: Path, adapter: Path
) -> None:
    with LoraStub("base", runtime=False) as base:
        run = described(tmp_path, tiny, adapter, base.url)
        told = run.go()
        assert {body["model"] for body in base.bodies} == {"base"}
    served = told.of("serving")
    assert {one["name"] for one in served} == {served_name(adapter)}
    assert sum(one["state"] == "it is started" for one in served) == 2
    log = run.run / "specialist-server" / "output.log"
    assert {(one["url"], one["log"]) for one in served} == {(run.given["specialist_url"], str(log))}
    (played,) = read_results(RunFolder(run.run / "final" / "specialist"))
    assert (played.model, played.gameplay_model) == (f"vllm:{served_name(adapter)}", "vllm:base")
    assert played.tokens["prompt"] > 0
    assert played.failure is None
    assert not answers(run.given["specialist_url"])
    assert [one.name for one in log.parent.iterdir()] == ["output.log"]

    left = log.parent / "weights" / "of a killed run"
    left.mkdir(parents=True)
    again = run.go(resume=True)
    assert again.of("serving") == []
    assert again.output == told.output
    assert not left.exists()

    began = Specialization.read(run.run)
    job, last = final_evaluation(began) or (None, adapter)
    assert job is not None
    assert job.context.base_url == began.specialist_url
    said: list[dict[str, str]] = []
    assert serve(began, last, said.append), "it answers meanwhile"
    assert not answers(began.specialist_url)
    assert said[0]["state"] == "it is started"
    assert serving(said[0]).startswith(f"serving {served_name(adapter)} at {began.specialist_url}: it is started")


def test_episodes_that_a_rule_of_their_own_ended_need_no_server_again(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specialist_server, "SCRIPT", copying(tmp_path))
    with LoraStub("base", runtime=False) as base:
        run = described(tmp_path, tiny, adapter, base.url)
        run.context["stop_when"] = ["missing_action_rate>0.5@3"]
        assert run.go().of("serving") != []
        assert run.go(resume=True).of("serving") == []
        run.context["stop_when"] = ["missing_action_rate>0.5@5"]
        assert run.go(resume=True).of("serving") != []
        assert run.go(resume=True).of("serving") == []
        run.context["stop_when"] = ["missing_action_rate>0.5@3"]  # as it was begun, but not as it was played last
        assert run.go(resume=True).of("serving") != []


def test_one_that_breaks_while_it_is_played_on_is_told_with_its_last_words(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specialist_server, "SCRIPT", copying(tmp_path))
    monkeypatch.setenv(ENDS_AFTER, "3")
    with LoraStub("base", runtime=False) as base:
        base.calls_left = -1
        run = described(tmp_path, tiny, adapter, base.url)
        run.context |= {"attempts": 1, "patience_s": 0.0}
        with pytest.raises(TrainingFailure, match=r"ended with status 7 \(out of memory\): .*output.log"):
            run.go()


@pytest.mark.usefixtures("instant")
def test_one_that_has_been_ended_is_not_started_by_a_late_look(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    server = MergedSpecialist(begun(described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1")), adapter, silent)
    server.end()
    assert not server.ready()
    assert server.failure() is None
    assert not server.log.exists()


def test_the_address_of_each_role_is_where_it_is_served(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1")
    began, (own, base) = begun(run), (run.given["specialist_url"], run.context["base_url"])

    def addresses(gameplay: str) -> tuple[object, object]:
        context = began.with_specialist(gameplay)
        return context.base_url, context.gameplay_base_url

    assert addresses(began.gameplay) == (own, base)
    assert addresses("vllm:specialist-0123") == (own, None)
    began = replace(began, context=replace(began.context, gameplay_model="vllm:g", gameplay_base_url="http://g/v1"))
    assert addresses(began.gameplay) == (own, "http://g/v1")
    several = ["http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1"]
    began = replace(began, context=replace(began.context, base_url=several, gameplay_base_url=None))
    assert addresses(began.gameplay) == (own, several)
    began = replace(began, context=replace(began.context, gameplay_model="scripted"))
    assert addresses(began.gameplay) == (own, None)


@pytest.mark.parametrize("deaf", ["", "1"], ids=["asked", "killed"])
def test_it_ends_when_the_process_that_started_it_is_killed(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch, deaf: str
) -> None:
    monkeypatch.setenv(DEAF, deaf)
    run = described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1")
    begun(run)
    words = [sys.executable, "-c", SLEEPS, str(run.run), str(adapter), str(copying(tmp_path))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert answers(run.given["specialist_url"])
        process.send_signal(signal.SIGKILL)
    assert ends(run.given["specialist_url"])


@pytest.mark.usefixtures("instant")
def test_one_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1")
    run.given["specialist_server"] += ["--max-model-len", "0"]
    began = begun(run)
    with pytest.raises(TrainingFailure, match=r"ended with status 3 \(no such length\): .*output.log"):
        serve(began, adapter)


def test_what_cannot_be_merged_is_told_as_the_merging_says_it(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    began = begun(described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1"))
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (broken / name).write_bytes((adapter / name).read_bytes()[:100])
    with pytest.raises(TrainingError, match=f"^There is no adapter in {broken}"):
        serve(began, broken)


@pytest.mark.usefixtures("instant")
def test_one_that_answers_as_another_model_is_no_specialist(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1")
    words = shlex.join(run.given["specialist_server"]).replace("--served-model-name '{name}'", "")
    run.given["specialist_server"] = ["sh", "-c", f": '{{name}}'; exec {words}"]
    with pytest.raises(TrainingError, match=r"not as specialist-.*--served-model-name"):
        serve(begun(run), adapter)
    assert ends(run.given["specialist_url"])


def test_another_server_at_its_address_is_left_alone(
    tmp_path: Path, tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphs.curator.specialist_server.END_S", 0.0)
    with LoraStub("others") as other:
        began = begun(described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1", specialist_url=other.url))
        server = MergedSpecialist(began, adapter, silent)
        with pytest.raises(TrainingError, match=r"answers at .* already, as others: end it"):
            server.ready()
        server.end()
        assert not server.log.exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"specialist_url": ""}, "both, or neither"),
        ({"specialist_server": []}, "both, or neither"),
        ({"base": "embedded+weights=TINY"}, "for a base of a server, vllm:NAME; embedded.* needs none"),
        ({"specialist_server": ["sh", "{folder}"]}, "says nowhere {name}"),
        ({"specialist_server": ["sh", "{name}"]}, "says nowhere {folder}"),
        ({"specialist_server": ["none-such", "{folder}", "{name}"]}, "There is no program 'none-such' here"),
        ({"specialist_url": "http://127.0.0.1:9/v1/"}, "the address of another server of the run"),
        ({"specialist_url": "http://localhost:9/v1"}, "the address of another server of the run"),
        ({"specialist_url": "127.0.0.1:8001/v1"}, "is no web address: write it like http"),
        ({"specialist_url": "http://u:secret@127.0.0.1:8/v1"}, "holds a password"),
    ],
)
def test_a_command_that_cannot_do_is_refused_before_anything_is_written(
    tmp_path: Path, tiny: Path, adapter: Path, given: dict[str, Any], sentence: str
) -> None:
    if "base" in given:
        given = {"base": given["base"].replace("TINY", str(tiny))}
    run = described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1", **given)
    with pytest.raises((SettingsError, ConfigurationError), match=sentence):
        begun(run)
    assert not run.run.exists()


def test_the_command_may_change_when_a_run_goes_on(tmp_path: Path, tiny: Path, adapter: Path) -> None:
    run = described(tmp_path, tiny, adapter, "http://127.0.0.1:9/v1")
    begun(run)
    run.given |= {"resume": True, "specialist_server": ["sh", "serve.sh", "{folder}", "{name}"]}
    assert begun(run).specialist_server == ["sh", "serve.sh", "{folder}", "{name}"]
    assert Specialization.read(run.run).specialist_server == ["sh", "serve.sh", "{folder}", "{name}"]
