#!/usr/bin/env bash
# transformers 5.24.0: a model's forward takes a cache under any name, and then computes without it.
# Guess: an argument that forward does not know is a TypeError. So a name that a release has changed is noticed.
# Seen: 5.24 calls the cache `cache`; `past_key_values` warns and works; under every other name, `cache_params` of models
#   with states among them, and under `cache` with 5.23, the token is computed as if it were the first, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 transformers==5.24.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

warnings.simplefilter("ignore")
torch.manual_seed(0)
sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
model = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).eval()
ids = torch.tensor([[1, 2, 3, 4]])


def same(name: str) -> bool:
    """Whether the last token, computed with the cache of the others under this name, is what it is in one call."""
    with torch.inference_mode():
        whole = model(input_ids=ids).logits[0, -1]
        cache = model(input_ids=ids[:, :3], use_cache=True).cache
        last = model(input_ids=ids[:, 3:], use_cache=True, **{name: cache}).logits[0, -1]
    return torch.allclose(last, whole, atol=1e-5)


found = {name: same(name) for name in ("cache", "past_key_values", "cache_params", "any_name_at_all")}
print("transformers", transformers.__version__)
for name, right in found.items():
    print(f"  {name:16} {'the same as in one call' if right else 'computed without its past, no error'}")
assert found == {"cache": True, "past_key_values": True, "cache_params": False, "any_name_at_all": False}
PYTHON
