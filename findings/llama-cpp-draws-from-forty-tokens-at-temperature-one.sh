#!/usr/bin/env bash
# xllamacpp 2026.10.11549 (llama.cpp's own server): with temperature 1.0 and nothing else, replies are drawn from forty tokens at most.
# Guess: as in OpenAI's API, whose form the server speaks and where top_p is 1 unless it is given, temperature 1.0 draws from the
#   model's own distribution.
# Seen: of a model that finds 400 words equally likely, 600 replies of one token hold 39 different words, with top_p 1 as well 40;
#   with top_k 0, top_p 1 and min_p 0 they hold 322. The server's own top_k 40, top_p 0.95 and min_p 0.05 apply (`/props`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
  xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6
cd "$folder"
cat >run.py <<'PYTHON'
import json
import os
import socket
import time
import urllib.request

import gguf
import numpy as np
import xllamacpp

WORDS, SIZE, DRAWS = 400, 32, 600


def make(path: str) -> None:
    """A llama of one layer that adds nothing, to which WORDS words are equally likely and everything else is not."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *(f"▁w{one}" for one in range(WORDS))]
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * WORDS]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(1)
    writer.add_feed_forward_length(SIZE)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(SIZE)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    head = np.full((len(tokens), SIZE), -1.0, np.float32)
    head[-WORDS:] = 1.0
    writer.add_tensor("token_embd.weight", np.ones((len(tokens), SIZE), np.float32))
    writer.add_tensor("output.weight", head)
    writer.add_tensor("output_norm.weight", np.ones(SIZE, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(SIZE, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((SIZE, SIZE), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def asked(url: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def different(base: str, **sampler: float) -> int:
    said = set()
    for seed in range(DRAWS):
        body = {"messages": [{"role": "user", "content": "w1"}], "max_tokens": 1, "temperature": 1.0, "seed": seed}
        said.add(asked(f"{base}/v1/chat/completions", {**body, **sampler})["choices"][0]["message"]["content"])
    return len(said)


def main() -> None:
    make("words.gguf")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = xllamacpp.CommonParams()
    settings.model.path = "words.gguf"
    settings.n_ctx = 256
    settings.n_parallel = 1
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    server = xllamacpp.Server(settings)
    base = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            defaults = asked(f"{base}/props")["default_generation_settings"]["params"]
            break
        except OSError:
            time.sleep(0.1)
    found = {
        "temperature 1.0 alone": different(base),
        "and top_p 1": different(base, top_p=1.0),
        "and top_k 0, top_p 1, min_p 0": different(base, top_k=0, top_p=1.0, min_p=0.0),
    }
    print("its own:", {name: round(defaults[name], 2) for name in ("top_k", "top_p", "min_p")})
    for how, count in found.items():
        print(f"{how}: {count} different words in {DRAWS} replies, of {WORDS} equally likely ones")
    alone, share, free = found.values()
    assert server is not None
    assert alone <= 40 and share <= 40 and free > 250, "llama.cpp's server draws otherwise now"
    print("as recorded", flush=True)
    os._exit(0)  # the server's threads do not end by themselves


main()
PYTHON
"$folder/venv/bin/python" run.py 2>"$folder/log" || { tail -20 "$folder/log" >&2; exit 1; }
