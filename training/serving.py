"""One vLLM server for the base and its specialists, chosen by model name, from one copy of the weights.

vLLM is not a dependency of this project: it is started as a program, and adapters are loaded over HTTP.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_fixed

from chat_models.keys import access
from training import TrainingError, TrainingFailure

if TYPE_CHECKING:
    import httpx2

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of --max-lora-rank (vllm.config.lora.MaxLoRARanks). Memory, and on a CPU time, grow with this value and not
with the adapter's own rank, so the smallest that fits is used."""
RUNTIME_LORA = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
INSTALL = (
    "install it on a machine with a GPU (pip install vllm, or: pip install 'automem-langgraph[serving]'), "
    "or name the program with --vllm PATH"
)
ANSWER_S = 300.0
"""Seconds that loading an adapter may take: gigabytes from a slow disk."""


class RequestRefused(TrainingError):
    """The server refused a request; `answer` is the start of its answer."""

    def __init__(self, sentence: str, answer: str) -> None:
        super().__init__(sentence)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Server:
    """What to serve, and where."""

    base: str
    """OWNER/NAME or a folder."""
    adapters: Mapping[str, Path]
    base_name: str | None = None
    """The model name of the base; None: `base` itself."""
    host: str = "127.0.0.1"
    port: int = 8000
    dtype: str = "auto"
    rank: int | None = None
    """The largest rank of adapters to be loaded later; None: that of `adapters`."""
    more: Sequence[str] = ()
    """Further arguments, passed to vLLM unchanged."""

    @property
    def url(self) -> str:
        """The --base-url for clients."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}/v1"

    @property
    def names(self) -> list[str]:
        """Its model names."""
        return [self.base_name or self.base, *self.adapters]


def serve_command(server: Server, program: str = "vllm") -> list[str]:
    """The command that starts the server. TrainingError for adapters that cannot be served."""
    command = [program, "serve", server.base]
    if server.base_name:
        command += ["--served-model-name", server.base_name]
    command += ["--host", server.host, "--port", str(server.port), "--dtype", server.dtype, "--enable-prefix-caching"]
    ranks = [adapter_rank(path) for path in server.adapters.values()] + ([server.rank] if server.rank else [])
    if server.base_name in server.adapters or server.base in server.adapters:
        raise TrainingError("Base and adapter have the same name: give the adapter another.")
    if ranks:
        command += ["--enable-lora", "--max-lora-rank", str(allowed_rank(max(ranks)))]
        command += ["--max-loras", str(max(1, len(server.adapters)))]
    if server.adapters:
        command += ["--lora-modules", *(f"{name}={path.resolve()}" for name, path in server.adapters.items())]
    return [*command, *server.more]


def adapter_rank(folder: Path) -> int:
    """The rank of the adapter in a folder. TrainingError when it holds no LoRA adapter."""
    try:
        settings: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
        ranks: list[int] = [settings["r"], *(settings.get("rank_pattern") or {}).values()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"There is no LoRA adapter in {folder}: adapter_config.json cannot be read ({error})."
        ) from error
    if not (folder / "adapter_model.safetensors").is_file():
        raise TrainingError(f"There is no adapter in {folder}: adapter_model.safetensors is missing.")
    return max(ranks)


def allowed_rank(rank: int) -> int:
    """The smallest value of --max-lora-rank for adapters of this rank. TrainingError above 512."""
    for allowed in RANKS:
        if rank <= allowed:
            return allowed
    raise TrainingError(f"An adapter of rank {rank} cannot be served: vLLM serves up to {RANKS[-1]}; merge it.")


def find_program(given: str | None) -> str:
    """The vllm program: as given, next to this Python, or on the PATH. TrainingError says how to install it."""
    for candidate in [given] if given else [str(Path(sys.executable).with_name("vllm")), "vllm"]:
        if found := shutil.which(candidate):
            return found
    raise TrainingError(f"There is no program {given or 'vllm'} here: {INSTALL}.")


def start(command: Sequence[str], server: Server, report: Callable[[str], None]) -> int:
    """Run the server until it ends, and report when it answers; return its exit status.

    An exception during the wait, such as KeyboardInterrupt, ends the server and is raised again. TrainingError when
    another server has the address already.
    """
    with contextlib.suppress(TrainingFailure):
        others = served_models(server.url)
        raise TrainingError(
            f"A server already answers at {server.url}, as {', '.join(others)}: choose another --port, or load the "
            "adapter into it with --load."
        )
    process = subprocess.Popen(command, env={**os.environ, RUNTIME_LORA: "True"})
    try:
        if models := wait_until_ready(server.url, process, report):
            report(f"ready at {server.url}: {', '.join(models)}")
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], report: Callable[[str], None]) -> list[str]:
    """Wait for the server to answer, however long it loads; return its model names, none if its process ended."""

    def progress(state: RetryCallState) -> None:
        if state.attempt_number % 60 == 0:
            report(f"waiting for {url} ({state.seconds_since_start:.0f} s)")

    waiting = Retrying(
        retry=retry_if_exception_type(TrainingFailure),
        wait=wait_fixed(0.5),
        stop=lambda _: process.poll() is not None,
        before_sleep=progress,
        retry_error_callback=lambda _: [],
    )
    return waiting(served_models, url)


def served_models(url: str) -> list[str]:
    """The model names of the server, base and adapters. TrainingError for a wrong key, TrainingFailure: no answer."""
    answer, repeat = _request("GET", f"{url.rstrip('/')}/models", timeout=10)
    if answer.status_code in (401, 403):
        raise _another_key(url, answer)
    try:
        if not answer.is_success:
            raise ValueError(f"HTTP {answer.status_code}")
        return [model["id"] for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError) as error:
        words = f": {str(error).rstrip('.')}" if repeat else ""
        raise TrainingFailure(f"No vLLM server answers at {url}{words}.") from error


def load_adapter(url: str, name: str, folder: Path) -> None:
    """Load the adapter in `folder` into a running server under `name`; an earlier one of that name is unloaded.

    The server reads the folder itself, so it must see the same path. Between the two it knows no such model for a
    moment. TrainingError when it refuses the adapter (the earlier one then stays), TrainingFailure when it cannot be
    reached.
    """
    adapter_rank(folder)
    body = {"lora_name": name, "lora_path": str(folder.resolve())}
    # With this flag the adapter takes the place of an earlier one, if the server accepts it. It is then loaded once
    # more without: vLLM 0.32 reads an adapter that was loaded with it from disk again at every step.
    _post(url, "load_lora_adapter", {**body, "load_inplace": True})
    unload_adapter(url, name)
    _post(url, "load_lora_adapter", body)


def unload_adapter(url: str, name: str) -> None:
    """Unload an adapter from a running server. TrainingError if it has none of that name."""
    _post(url, "unload_lora_adapter", {"lora_name": name})


def check_loads_adapters(url: str) -> None:
    """TrainingError unless the server loads adapters while it runs: it is sent a request to unload an unknown one."""
    unknown = "no-such-adapter"
    try:
        unload_adapter(url, unknown)
    except RequestRefused as refused:
        if unknown not in refused.answer:
            raise


def _request(method: str, url: str, **options: Any) -> tuple[httpx2.Response, bool]:
    """The server's response, and whether our messages may quote it (`chat_models.keys`).

    The key is that of VLLM_API_KEY, which vLLM itself reads. TrainingFailure when the server cannot be reached.
    """
    import httpx2

    from chat_models.http_clients import client_for_threads

    allowed = access(url, "VLLM_API_KEY")
    headers = {"Authorization": f"Bearer {allowed.key}"} if allowed.key else {}
    try:
        client = client_for_threads(checked=allowed.guarded)
        return client.request(method, url, headers=headers, **options), not allowed.guarded
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        words = type(error).__name__ if allowed.guarded else str(error).rstrip(".")
        raise TrainingFailure(f"No vLLM server answers at {url}: {words}.") from error


def _post(url: str, path: str, body: Mapping[str, Any]) -> None:
    answer, repeat = _request("POST", f"{url.rstrip('/')}/{path}", json=dict(body), timeout=ANSWER_S)
    if answer.is_success:
        return
    text = " ".join(answer.text.split())[:300]
    if answer.status_code == 404 and body["lora_name"] not in text:
        sentence = (
            f"The server at {url} loads no adapters while it runs: start it with automem serve --max-rank RANK, or "
            f"with --enable-lora and {RUNTIME_LORA}=True."
        )
        raise RequestRefused(sentence, text)
    if answer.status_code in (401, 403):
        raise _another_key(url, answer)
    words = f": {text}" if repeat else "."
    sentence = f"The server at {url} refused the adapter {body['lora_name']!r} ({answer.status_code}){words}"
    raise RequestRefused(sentence, text)


def _another_key(url: str, answer: httpx2.Response) -> RequestRefused:
    return RequestRefused(f"The server at {url} wants another key than VLLM_API_KEY holds, or any.", answer.text[:300])
