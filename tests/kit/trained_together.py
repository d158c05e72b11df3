"""Train in several processes of this machine as `accelerate launch` does, on CPUs; a program of its own.

    python tests/kit/trained_together.py PLAN.json

PLAN.json is a list of trainings: {"config": a file of training/accelerate, "words": the script's, "kill_after": step}.
Imports once (five seconds), then forks both processes of each training, with the environment that accelerate's own
launcher makes of the configuration. With `kill_after`, both are killed when a checkpoint of that step or a later one
is complete. Prints a line per training: the exit status of each process, and how many parameters were sharded.

accelerate 1.15 trains with DDP on CPUs whatever the configuration says: for `fsdp` it is made to see GPUs where its
choice is made, and nowhere else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2


def environment_of(config: str) -> dict[str, str]:
    """The environment that accelerate's launcher gives each process."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    words = ["--config_file", config, "--mixed_precision", "no", "sft_specialist.py"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    assert arguments.num_processes == PROCESSES, config
    made: dict[str, str] = prepare_multi_gpu_env(arguments)
    return made


def shard_on_cpus(counts: int) -> None:
    """Have accelerate choose FSDP on CPUs; the number of sharded parameters is written to the file `counts`."""
    import accelerate.accelerator as accelerator
    from accelerate import state
    from accelerate.utils import DistributedType
    from torch.distributed.tensor import DTensor

    begin, prepare = state.PartialState.__init__, accelerator.fsdp2_prepare_model

    def begun(self: Any, *given: Any, **more: Any) -> None:
        begin(self, *given, **more)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    def prepared(*given: Any, **more: Any) -> Any:
        model = prepare(*given, **more)
        os.write(counts, b"%d\n" % sum(isinstance(one, DTensor) for one in model.parameters()))
        return model

    state.PartialState.__init__ = begun
    accelerator.fsdp2_prepare_model = prepared


def run(config: str, words: list[str], rank: int, port: int, counts: int) -> None:
    """One process of a training."""
    from training.sft_specialist import main

    rendezvous = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": rank, "LOCAL_RANK": rank}
    sizes = {"WORLD_SIZE": PROCESSES, "LOCAL_WORLD_SIZE": PROCESSES}
    os.environ.update({name: str(value) for name, value in {**environment_of(config), **rendezvous, **sizes}.items()})
    if "fsdp" in Path(config).stem:
        shard_on_cpus(counts)
    os._exit(main(words))


def train(config: str, words: list[str], kill_after: int | None = None) -> dict[str, Any]:
    """Fork the processes of a training and wait for their end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    counted, counts = os.pipe()
    children = []
    for rank in range(PROCESSES):
        if not (child := os.fork()):
            run(config, words, rank, port, counts)
        children.append(child)
    os.close(counts)
    if kill_after is not None:
        checkpoints = Path(words[words.index("--output") + 1]) / "checkpoints"
        done = [Path(f"/proc/{child}/stat") for child in children]
        while not any(int(one.parent.name[11:]) >= kill_after for one in checkpoints.glob("*/trainer_state.json")):
            if any(one.read_text().rpartition(")")[2].split()[0] == "Z" for one in done):
                break  # it failed
            time.sleep(0.002)
        for child in children:
            os.kill(child, signal.SIGKILL)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    with os.fdopen(counted) as sharded:
        return {"statuses": statuses, "sharded": [int(line) for line in sharded]}


def main() -> None:
    """Train what the plan says, one training after the other."""
    import peft  # noqa: F401

    import training.trainer  # noqa: F401

    for one in json.loads(Path(sys.argv[1]).read_text()):
        sys.stdout.write(json.dumps(train(**one)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the script does, before torch is imported
    os.environ["TQDM_DISABLE"] = "1"
    sys.path.insert(0, str(ROOT))
    main()
