#!/usr/bin/env bash
# trl 1.16.0: with the default `max_length` cut, an answer is learned without its end, and a row can vanish.
# Guess: a row longer than max_length is cut in its prompt, or skipped with a count of how many.
# Seen: truncation keeps the start. A long prompt leaves the first token of its answer as all that bears loss, with no
#   end-of-sequence token: the model is taught to begin an answer and never to stop. A prompt that fills the length is
#   dropped with its answer. `len(trainer.train_dataset)` is the only trace; no warning is printed or logged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  trl==1.16.0 transformers==5.23.0 torch==2.13.0 datasets==5.2.0 accelerate==1.15.0
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - 2>log <<'PYTHON'
from importlib.metadata import version

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

words = {**{f"w{i}": i for i in range(50)}, "<eos>": 50, "<unk>": 51}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>", unk_token="<unk>")
shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
model = LlamaForCausalLM(LlamaConfig(vocab_size=52, num_key_value_heads=2, **shape))
rows = [{"prompt": " ".join(["w1"] * length), "completion": " w2 w3 w4"} for length in (4, 9, 20)]
options = SFTConfig(output_dir="out", use_cpu=True, bf16=False, report_to="none", max_length=10)
trainer = SFTTrainer(model=model, args=options, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
learned = [[token for token in row["labels"] if token != -100] for row in trainer.train_dataset]
print("trl", version("trl"), "rows given:", len(rows), "kept:", len(learned))
print("tokens that bear loss, by row:", learned, "(50 ends an answer)")
assert learned == [[2, 3, 4, 50], [2]], learned
PYTHON
