#!/usr/bin/env bash
# peft 0.21.2: choosing which adapter answers makes that adapter trainable.
# Guess: adapters loaded for inference have no gradients, and switching between them changes nothing about that.
# Seen: after from_pretrained and load_adapter no weight asks for a gradient. set_adapter("second") switches the gradients of
#   that adapter on, and so does leaving `with disable_adapter()`, which only lets the base answer once. A server that
#   switches adapters outside of no_grad keeps a graph for every reply.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  peft==0.21.2 torch==2.13.0 transformers==5.23.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import peft
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

CONFIG = LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
get_peft_model(LlamaForCausalLM(CONFIG), LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained("adapter")


def loaded():
    model = PeftModel.from_pretrained(LlamaForCausalLM(CONFIG), "adapter")
    model.load_adapter("adapter", "second")
    return model.eval()


def trainable(model):
    return sorted({name.split(".")[-2] for name, one in model.named_parameters() if one.requires_grad})


model = loaded()
seen = {"loaded": trainable(model)}
model.set_adapter("second")
seen["set_adapter"] = trainable(model)
other = loaded()
with other.disable_adapter():
    seen["disabled"] = trainable(other)
seen["enabled again"] = trainable(other)
print("peft", peft.__version__)
for name, found in seen.items():
    print(f"  {name}: {found}")
assert seen == {"loaded": [], "set_adapter": ["second"], "disabled": [], "enabled again": ["default"]}
PYTHON
