"""One vLLM server that answers as the base and as its specialists, by model name, from one copy of the weights.

vLLM is no dependency of this project: it is started as a program, and adapters are handed to it over HTTP.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat_models.keys import access
from training import TrainingError, TrainingFailure

if TYPE_CHECKING:
    import httpx2

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as --max-lora-rank (vllm.config.lora.MaxLoRARanks). Memory, and on a CPU time, go with it and not
with the adapter's own rank, so the least that fits is given."""
RUNTIME_LORA = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
INSTALL = (
    "install it on a machine with a GPU (pip install vllm, or: pip install 'automem-langgraph[serving]'), "
    "or name the program with --vllm PATH"
)
ANSWER_S = 300.0
"""Seconds that loading an adapter may take: gigabytes from a slow disk."""


class Refused(TrainingError):
    """A server that answers would not do what it was asked; `said` is its own words."""

    def __init__(self, sentence: str, said: str) -> None:
        super().__init__(sentence)
        self.said = said


@dataclass(frozen=True, slots=True)
class Server:
    """What to serve, and where."""

    base: str
    """OWNER/NAME or a folder."""
    adapters: Mapping[str, Path]
    base_name: str | None = None
    """The name that the base answers to; None: `base` itself."""
    host: str = "127.0.0.1"
    port: int = 8000
    dtype: str = "auto"
    rank: int | None = None
    """Make room for adapters of this rank, loaded later; None: for those given."""
    more: Sequence[str] = ()
    """Arguments for vLLM that are none of ours."""

    @property
    def url(self) -> str:
        """What clients are given as --base-url."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}/v1"

    @property
    def names(self) -> list[str]:
        """The models it answers as."""
        return [self.base_name or self.base, *self.adapters]


def serve_command(server: Server, program: str = "vllm") -> list[str]:
    """The command that starts the server. TrainingError for adapters that cannot be served."""
    command = [program, "serve", server.base]
    if server.base_name:
        command += ["--served-model-name", server.base_name]
    command += ["--host", server.host, "--port", str(server.port), "--dtype", server.dtype, "--enable-prefix-caching"]
    ranks = [adapter_rank(path) for path in server.adapters.values()] + ([server.rank] if server.rank else [])
    if server.base_name in server.adapters or server.base in server.adapters:
        raise TrainingError("Base and adapter would answer to one name: give the adapter another.")
    if ranks:
        command += ["--enable-lora", "--max-lora-rank", str(allowed_rank(max(ranks)))]
        command += ["--max-loras", str(max(1, len(server.adapters)))]
    if server.adapters:
        command += ["--lora-modules", *(f"{name}={path.resolve()}" for name, path in server.adapters.items())]
    return [*command, *server.more]


def adapter_rank(folder: Path) -> int:
    """The rank of the adapter in a folder. TrainingError when there is none, or it is no LoRA adapter."""
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
    """The least that vLLM allows for adapters of this rank. TrainingError above 512."""
    for allowed in RANKS:
        if rank <= allowed:
            return allowed
    raise TrainingError(f"An adapter of rank {rank} cannot be served: vLLM serves up to {RANKS[-1]}; merge it.")


def find_program(given: str | None) -> str:
    """The vllm program: as given, beside this Python, or on the PATH. TrainingError says how to install it."""
    beside = Path(sys.executable).with_name("vllm")
    for candidate in [given] if given else [str(beside), "vllm"]:
        if found := shutil.which(candidate):
            return found
    raise TrainingError(f"There is no program {given or 'vllm'} here: {INSTALL}.")


def start(command: Sequence[str], server: Server, say: Callable[[str], None]) -> int:
    """Run the server until it ends, and say when it answers; its exit status.

    What interrupts the wait, such as KeyboardInterrupt, ends the server and is raised. TrainingError when another
    server has the address already.
    """
    with contextlib.suppress(TrainingFailure):
        others = served_models(server.url)
        raise TrainingError(
            f"A server answers at {server.url} already, as {', '.join(others)}: choose another --port, or hand it the "
            "adapter with --load."
        )
    process = subprocess.Popen(command, env={**os.environ, RUNTIME_LORA: "True"})
    try:
        if wait_until_ready(server.url, process, say):
            say(f"ready at {server.url}: {', '.join(served_models(server.url))}")
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], say: Callable[[str], None]) -> bool:
    """Wait for the server to answer, however long it loads; False if its process ended before."""
    begun = said = time.monotonic()
    while process.poll() is None:
        try:
            served_models(url)
        except TrainingFailure:
            if time.monotonic() - said > 30:
                said = time.monotonic()
                say(f"waiting for {url} ({said - begun:.0f} s)")
            time.sleep(0.5)
        else:
            return True
    return False


def served_models(url: str) -> list[str]:
    """The names that the server answers to, base and adapters. TrainingFailure when it does not answer."""
    answer, repeat = _asked("GET", f"{url.rstrip('/')}/models", timeout=10)
    try:
        if not answer.is_success:
            raise ValueError(f"HTTP {answer.status_code}")
        return [model["id"] for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError) as error:
        words = f": {str(error).rstrip('.')}" if repeat else ""
        raise TrainingFailure(f"No vLLM server answers at {url}{words}.") from error


def load_adapter(url: str, name: str, folder: Path) -> None:
    """Have a running server answer as `name` with the adapter in `folder`, in place of one it had by that name.

    The server reads the folder itself: it must see the same path. TrainingError for what it refuses, TrainingFailure
    when it cannot be reached.
    """
    adapter_rank(folder)
    _post(url, "load_lora_adapter", {"lora_name": name, "lora_path": str(folder.resolve()), "load_inplace": True})


def unload_adapter(url: str, name: str) -> None:
    """Have a running server forget an adapter. TrainingError if it has none of that name."""
    _post(url, "unload_lora_adapter", {"lora_name": name})


def check_loads_adapters(url: str) -> None:
    """TrainingError unless the server takes adapters while it runs: asked by having it forget one that nobody has."""
    nobody = "no-such-adapter"
    try:
        unload_adapter(url, nobody)
    except Refused as refused:
        if nobody not in refused.said:
            raise


def _asked(method: str, url: str, **options: Any) -> tuple[httpx2.Response, bool]:
    """The answer of the server, which is asked with the key that vLLM itself reads from VLLM_API_KEY; and whether our
    sentences may repeat it (`chat_models.keys`). TrainingFailure when it cannot be reached."""
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
    answer, repeat = _asked("POST", f"{url.rstrip('/')}/{path}", json=dict(body), timeout=ANSWER_S)
    if answer.is_success:
        return
    said = " ".join(answer.text.split())[:300]
    if answer.status_code == 404 and body["lora_name"] not in said:
        sentence = (
            f"The server at {url} loads no adapters while it runs: start it with automem serve --max-rank RANK, or "
            f"with --enable-lora and {RUNTIME_LORA}=True."
        )
        raise Refused(sentence, said)
    if answer.status_code in (401, 403):
        raise Refused(f"The server at {url} wants another key than VLLM_API_KEY holds, or any.", said)
    words = f": {said}" if repeat else "."
    sentence = f"The server at {url} refused the adapter {body['lora_name']!r} ({answer.status_code}){words}"
    raise Refused(sentence, said)
