"""One server for base and specialists: the command, the program, and adapters handed over while it runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from lora_stub import LoraStub
from typer.testing import CliRunner

from chat_models import call, chat_model
from cli.serve import serve
from graphs.curator.players import make_servable, served_name
from training import TrainingError, TrainingFailure
from training.serving import (
    Server,
    allowed_rank,
    check_loads_adapters,
    find_program,
    load_adapter,
    serve_command,
    served_models,
    start,
    unload_adapter,
)

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "tests" / "kit" / "lora_stub.py"
app = typer.Typer()
app.command()(serve)


def adapter(folder: Path, rank: int = 8, **more: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank, **more}))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def server() -> Iterator[LoraStub]:
    with LoraStub("base") as stub:
        yield stub


@pytest.fixture
def vllm(tmp_path: Path) -> Path:
    """A program that takes vLLM's arguments."""
    program = tmp_path / "vllm"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STUB}" "$@"\n')
    program.chmod(0o755)
    return program


def test_the_command_serves_base_and_specialists_at_the_least_rank_that_fits(tmp_path: Path) -> None:
    one, two = adapter(tmp_path / "one", 20), adapter(tmp_path / "two", 8, rank_pattern={"q_proj": 40})
    made = Server("Qwen/Qwen2.5-32B-Instruct", {"spec": one, "other": two}, more=["--tensor-parallel-size", "2"])
    assert serve_command(made) == [
        *("vllm", "serve", "Qwen/Qwen2.5-32B-Instruct", "--host", "127.0.0.1", "--port", "8000", "--dtype", "auto"),
        *("--enable-prefix-caching", "--enable-lora", "--max-lora-rank", "64", "--max-loras", "2"),
        *("--lora-modules", f"spec={one}", f"other={two}", "--tensor-parallel-size", "2"),
    ]
    assert made.url == "http://127.0.0.1:8000/v1"
    assert made.names == ["Qwen/Qwen2.5-32B-Instruct", "spec", "other"]


def test_without_adapters_there_is_no_lora_unless_there_shall_be_room_for_some() -> None:
    assert "--enable-lora" not in serve_command(Server("base", {}))
    command = serve_command(Server("base", {}, rank=256))
    assert command[-5:] == ["--enable-lora", "--max-lora-rank", "256", "--max-loras", "1"]


@pytest.mark.parametrize(("rank", "allowed"), [(1, 1), (2, 8), (8, 8), (9, 16), (257, 320), (512, 512)])
def test_a_rank_is_rounded_up_to_one_that_vllm_takes(rank: int, allowed: int) -> None:
    assert allowed_rank(rank) == allowed


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="rank 513 cannot be served"):
        allowed_rank(513)
    with pytest.raises(TrainingError, match="There is no LoRA adapter in"):
        serve_command(Server("base", {"spec": tmp_path}))
    (adapter(tmp_path / "a") / "adapter_model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"adapter_model\.safetensors is missing"):
        serve_command(Server("base", {"spec": tmp_path / "a"}))
    with pytest.raises(TrainingError, match="have the same name"):
        serve_command(Server("base", {"base": adapter(tmp_path / "b")}))


def test_without_vllm_a_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(TrainingError, match=r"There is no program vllm here: install it .*pip install vllm"):
        find_program(None)


def test_a_server_with_a_key_is_asked_with_it_and_found_out_without_it_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "s3cret")
    with LoraStub("base") as server:
        check_loads_adapters(server.url)
        load_adapter(server.url, "spec", adapter(tmp_path / "spec"))
        assert served_models(server.url) == ["base", "spec"]
        monkeypatch.delenv("VLLM_API_KEY")
        for ask in (check_loads_adapters, served_models):
            with pytest.raises(TrainingError, match="wants another key than VLLM_API_KEY holds"):
                ask(server.url)


def test_an_adapter_is_loaded_replaced_and_unloaded_while_the_server_runs(server: LoraStub, tmp_path: Path) -> None:
    first, second = adapter(tmp_path / "first"), adapter(tmp_path / "second")
    load_adapter(server.url, "spec", first)
    assert served_models(server.url) == ["base", "spec"]
    load_adapter(server.url, "spec", second)
    assert (server.adapters, server.in_place) == ({"spec": str(second)}, set())
    third = adapter(tmp_path / "third")
    server.refuses = str(third)
    with pytest.raises(TrainingError, match="refused the adapter 'spec'"):
        load_adapter(server.url, "spec", third)
    assert server.adapters == {"spec": str(second)}
    for name in ("base", "spec"):  # one server, two models
        model = chat_model(f"vllm:{name}", world="none", base_url=server.url)
        assert call(model, [{"role": "user", "content": "who?"}]).message["content"] == name
    unload_adapter(server.url, "spec")
    assert served_models(server.url) == ["base"]


def test_a_specialist_that_a_server_holds_is_not_loaded_again(server: LoraStub, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "spec")
    make_servable("vllm:base", folder, server.url)
    server.refuses = str(folder)
    make_servable("vllm:base", folder, server.url)
    unload_adapter(server.url, served_name(folder))
    with pytest.raises(TrainingError, match="refused the adapter"):
        make_servable("vllm:base", folder, server.url)


def test_what_a_server_refuses_is_said_in_its_words(server: LoraStub, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"refused the adapter 'spec' \(404\): The lora adapter 'spec' cannot"):
        unload_adapter(server.url, "spec")
    with pytest.raises(TrainingError, match="There is no LoRA adapter"):
        load_adapter(server.url, "spec", tmp_path)
    server.runtime = False
    with pytest.raises(TrainingError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
        load_adapter(server.url, "spec", adapter(tmp_path / "a"))


def test_a_server_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(TrainingFailure, match="No vLLM server answers at"):
        served_models(url)
    with pytest.raises(TrainingFailure, match="No vLLM server answers at"):
        load_adapter(url, "spec", adapter(tmp_path / "a"))


def test_the_command_line_prints_the_command_and_starts_nothing_if_so_asked(tmp_path: Path) -> None:
    given = ["--base", "base", "--adapter", f"spec={adapter(tmp_path / 'a')}", "--print-only", "--", "--seed", "1"]
    shown = CliRunner().invoke(app, given)
    assert shown.exit_code == 0
    assert shown.output == (
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve base --host 127.0.0.1 --port 8000 --dtype auto "
        "--enable-prefix-caching --enable-lora --max-lora-rank 8 --max-loras 1 "
        f"--lora-modules spec={tmp_path / 'a'} --seed 1\n"
    )


def test_the_command_line_hands_a_running_server_an_adapter(server: LoraStub, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["--url", server.url, "--load", f"spec={adapter(tmp_path / 'a')}"])
    assert shown.output == f"{server.url} answers as: base, spec\n"
    shown = CliRunner().invoke(app, ["--url", server.url, "--unload", "spec"])
    assert shown.output == f"{server.url} answers as: base\n"


@pytest.mark.parametrize("given", [[], ["--base", "b", "--adapter", "spec"], ["--base", "b", "--adapter", "=x"]])
def test_a_command_line_that_makes_no_sense_is_refused(given: list[str]) -> None:
    assert CliRunner().invoke(app, given).exit_code == 2


def test_a_port_that_is_taken_is_refused(server: LoraStub, vllm: Path) -> None:
    with pytest.raises(TrainingError, match=f"already answers at {server.url}, as base: choose another --port"):
        start([str(vllm)], Server("base", {}, port=server.port), lambda line: None)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_server_is_started_awaited_and_ended_with_the_command(
    vllm: Path, tmp_path: Path, told: signal.Signals
) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "cli.app",
        "serve",
        "--base",
        "base",
        "--adapter",
        f"spec={adapter(tmp_path / 'a')}",
    ]
    command += ["--port", str(port), "--vllm", str(vllm)]
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert running.stderr is not None
        url = f"http://127.0.0.1:{port}/v1"
        assert running.stderr.readline() == f"ready at {url}: base, spec\n"
        unload_adapter(url, "spec")  # may be changed while it runs
        assert served_models(url) == ["base"]
        if told is signal.SIGINT:
            os.killpg(running.pid, told)  # as the terminal does
        else:
            running.terminate()
        assert running.wait(timeout=20) == 128 + told
        assert running.stderr.read() == "automem: stopped; the same command begins again\n"
        with pytest.raises(TrainingFailure):
            served_models(url)
    finally:
        running.kill()
        running.communicate()


def test_a_server_that_does_not_start_ends_the_command_with_its_status(vllm: Path) -> None:
    shown = CliRunner().invoke(app, ["--base", "b", "--vllm", str(vllm), "--", "--max-model-len", "0"])
    assert shown.exit_code == 3


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
