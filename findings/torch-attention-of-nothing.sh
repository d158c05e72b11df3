#!/usr/bin/env bash
# torch 2.13.0: a token that may attend to nothing gets zeros, or the mean of all values, by how its mask is written; never NaN.
# Guess: softmax of nothing is NaN, as in the written-out formula, and a mask of `-inf` means the same as one of `finfo.min`.
# Seen: scaled_dot_product_attention gives exactly 0 for a row that is all False, or all -inf, and its gradients are
#   numbers. A row of finfo.min, as many model libraries write masks, gives the mean of all values, forbidden ones included.
#   The formula written out gives NaN. So a mistake in a mask shows in none of the two forms.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn.functional import scaled_dot_product_attention as attention

torch.manual_seed(0)
print("torch", torch.__version__)
for dtype in (torch.float32, torch.bfloat16):
    query, key, value = (torch.randn(1, 2, 64, 16, dtype=dtype) for _ in range(3))
    allowed = torch.ones(64, 64, dtype=torch.bool)
    allowed[1] = False
    infinite = torch.zeros(64, 64, dtype=dtype).masked_fill(~allowed, float("-inf"))
    smallest = torch.zeros(64, 64, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)
    query.requires_grad_()
    rows = {name: attention(query, key, value, attn_mask=mask)[:, :, 1] for name, mask in
            (("bool", allowed), ("-inf", infinite), ("finfo.min", smallest))}
    rows["bool"].sum().backward()
    written_out = torch.softmax(query @ key.mT / 4 + infinite, -1) @ value
    for name, row in rows.items():
        print(f"  {dtype}, {name}: largest {row.abs().max().item():.3f}")
    print(f"  {dtype}, written out: {written_out[0, 0, 1, 0].item()}")
    assert rows["bool"].abs().max() == rows["-inf"].abs().max() == 0
    assert torch.allclose(rows["finfo.min"], value.mean(2), atol=1e-2)
    assert not query.grad.isnan().any()
    assert written_out[:, :, 1].isnan().all()
PYTHON
