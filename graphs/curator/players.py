"""A base and its specialists as model specifications.

An embedded specialist is the base with an adapter switched on, from one copy of the weights. A served one is an adapter
that the base's vLLM server loads at run time and serves by name. The name holds the adapter's digest, so that it
never means another adapter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from chat_models import ConfigurationError
from training import TrainingFailure
from training.serving import check_loads_adapters, load_adapter, served_models

TRAINABLE = "write vllm:NAME with `base_url`, or embedded"


def weights_of(base: str) -> str:
    """What training is given as base: the folder, or the name on a hub, that a base's specification says."""
    if base == "embedded":
        return base
    if base.startswith("vllm:"):
        return base.removeprefix("vllm:")
    from chat_models.embedded_spec import read_spec, repository_of

    if not base.startswith(("embedded+", "embedded:")):
        raise ConfigurationError(f"The base {base!r} has no weights that an adapter can be trained on: {TRAINABLE}.")
    spec = read_spec(base)
    if spec.adapter is not None:
        raise ConfigurationError(f"The base {base!r} has an adapter already: name it without.")
    return repository_of(base) or (str(spec.weights) if "+weights=" in base else "embedded")


def specialist_of(base: str, adapter: Path) -> str:
    """The specification of a base's specialist."""
    if base.startswith("vllm:"):
        return f"vllm:{served_name(adapter)}"
    return f"{base}+adapter={adapter.resolve()}"


def served_name(adapter: Path) -> str:
    """The name under which a server answers for an adapter: always the same for the same weights."""
    with (adapter / "adapter_model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"specialist-{digest[:12]}"


def check_servable(base: str, base_url: str | list[str] | None) -> None:
    """TrainingError for a server that takes no adapters while it runs, TrainingFailure if none of them answers."""
    if base.startswith("vllm:"):
        _at_each(base_url, check_loads_adapters)


def make_servable(base: str, adapter: Path, base_url: str | list[str] | None) -> None:
    """Have the base's servers answer for the adapter, if they do not yet; nothing to do for an embedded one.

    TrainingError for what a server refuses, TrainingFailure if none of them can be reached: one that is away now has no
    adapter when it is back, and takes no calls for it.
    """
    if base.startswith("vllm:"):
        name = served_name(adapter)
        _at_each(base_url, lambda url: None if name in served_models(url) else load_adapter(url, name, adapter))


def _at_each(base_url: str | list[str] | None, act: Callable[[str], None]) -> None:
    urls = base_url if isinstance(base_url, list) else [base_url or ""]
    failures = []
    for url in urls:
        try:
            act(url)
        except TrainingFailure as failure:
            failures.append(failure)
    if len(failures) == len(urls):
        raise failures[0]
