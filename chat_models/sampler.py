"""Which tokens a reply is drawn from, beside the temperature: top_k, top_p and min_p, as vLLM and llama.cpp name them.

Unless a call says otherwise a server decides: llama.cpp draws with top_k 40, top_p 0.95 and min_p 0.05, vLLM with what
the model's generation_config.json says, which may be nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chat_models.failures import ConfigurationError

if TYPE_CHECKING:
    import torch

BOUNDS: Mapping[str, tuple[float, float]] = {"top_k": (0, 1_000_000), "top_p": (0, 1), "min_p": (0, 1)}
"""Least and most of each: the `top_k` likeliest tokens (0: all); of these the likeliest with a share of `top_p` in all;
none less likely than `min_p` times the likeliest."""
NAMES = tuple(BOUNDS)


def checked_sampler(given: Mapping[str, float]) -> dict[str, float]:
    """As it is sent: `top_k` whole. ConfigurationError for another name or a number out of bounds."""
    for name, value in given.items():
        if name not in BOUNDS:
            raise ConfigurationError(f"The sampler has no {name!r}: give some of {', '.join(NAMES)}.")
        least, most = BOUNDS[name]
        whole = name != "top_k" or float(value).is_integer()
        if not least <= value <= most or not whole or (name == "top_p" and value == 0):
            kind = "a whole number from 0" if name == "top_k" else "above 0, at most 1" if name == "top_p" else "0 to 1"
            raise ConfigurationError(f"The sampler's {name} is {value:g}: it must be {kind}.")
    return {name: int(value) if name == "top_k" else float(value) for name, value in sorted(given.items())}


def likely(logits: torch.Tensor, temperature: float, sampler: Mapping[str, float]) -> torch.Tensor:
    """The probabilities that a token is drawn by, of the logits (vocabulary,): after the temperature, min_p, top_k and
    top_p are applied in this order, as vLLM does."""
    import torch

    scaled = logits / temperature
    if least := sampler.get("min_p"):
        odds = torch.softmax(scaled, dim=-1)
        scaled = scaled.masked_fill(odds < least * odds.max(), -torch.inf)
    if (count := int(sampler.get("top_k", 0))) and count < scaled.shape[-1]:
        scaled = scaled.masked_fill(scaled < scaled.topk(count).values[-1], -torch.inf)
    share = sampler.get("top_p", 1.0)
    odds = torch.softmax(scaled, dim=-1)
    if share < 1:
        ordered, places = odds.sort(descending=True, stable=True)
        beyond = ordered.cumsum(dim=-1) - ordered >= share  # what comes before it has the share already
        odds = odds.scatter(-1, places, ordered.masked_fill(beyond, 0.0))
    return odds
