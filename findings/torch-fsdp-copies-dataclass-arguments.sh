#!/usr/bin/env bash
# torch 2.13.0: a layer under FSDP does not get the argument that it is called with, if that is a dataclass.
# Guess: fully_shard with mixed precision casts the tensors among a layer's arguments and hands on all else as it is.
# Seen: a dataclass argument arrives as a copy, with a copy of the dict in it. What the layer writes there, such as keys
#   and values to be read later, is lost without an error. An object of a plain class arrives itself, and without a type
#   to cast to (no mp_policy) the dataclass does, too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
from dataclasses import dataclass, field
from importlib.metadata import version

import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard


@dataclass
class Record:
    seen: dict[str, int] = field(default_factory=dict)


class Plain:
    def __init__(self) -> None:
        self.seen: dict[str, int] = {}


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, kept: Record | Plain) -> torch.Tensor:
        kept.seen["written by the layer"] = 1
        return self.linear(x)


def written(policy: MixedPrecisionPolicy) -> list[int]:
    layer = fully_shard(Layer(), mesh=init_device_mesh("cpu", (1,)), mp_policy=policy)
    kept = [Record(), Plain()]
    for one in kept:
        layer(torch.ones(2, 4), kept=one)
    return [len(one.seen) for one in kept]


os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1")
init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
same, cast = written(MixedPrecisionPolicy()), written(MixedPrecisionPolicy(param_dtype=torch.bfloat16))
destroy_process_group()
print("torch", version("torch"))
print("  entries that the caller sees, in a dataclass and in a plain object:", same)
print("  with a type to cast to:                                            ", cast)
assert same == [1, 1]
assert cast == [0, 1]
PYTHON
