"""Stands where training/sft_specialist.py is started (`launcher`): takes its options, leaves an adapter in a moment.

    python tests/kit/quick_training.py ADAPTER MODE [SCRIPT] --dataset … --output …

ADAPTER is what it leaves. MODE: works; refuses (as the script refuses what cannot be trained); dies (by a signal, the
first time); breaks (always).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from training.base_model import find_base, weights_digest
from training.dataset import dataset_digest, read_dataset
from training.metrics import BaseFacts, DataFacts, Metrics, Point
from training.sft_config import SftSettings, read_arguments
from training.tokens import RowCounts


def main() -> int:
    """Train, as it were; the script's exit statuses."""
    adapter, mode = Path(sys.argv[1]), sys.argv[2]
    settings = read_arguments(sys.argv[4:])
    if mode == "refuses":
        sys.stderr.write("sft_specialist: No example is left to train on.\n")
        return 2
    if mode == "breaks":
        sys.stderr.write("sft_specialist: The memory is too small.\n")
        return 1
    died = settings.output.with_name("died")
    if mode == "dies" and not died.exists():
        died.parent.mkdir(parents=True, exist_ok=True)
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    shutil.copytree(adapter, settings.output, dirs_exist_ok=True)
    (settings.output / "metrics.json").write_text(_metrics(settings).model_dump_json())
    return 0


def _metrics(settings: SftSettings) -> Metrics:
    count = sum(1 for _ in read_dataset(settings.dataset))
    rows = RowCounts(read=count, kept=count, cut=0, tokens=10 * count, tokens_with_loss=count, longest=10)
    point = Point(step=1, epoch=1.0, loss=2.0, learning_rate=0.1, grad_norm=1.0, token_accuracy=0.5, seconds=0.5)
    return Metrics(
        base=BaseFacts(name=settings.base, digest=weights_digest(find_base(settings.base))),
        dataset=DataFacts(path=str(settings.dataset), digest=dataset_digest(settings.dataset), rows=rows),
        configuration=settings.lora,
        loss_on="all",
        cutoff_policy="drop",
        batching="shuffled",
        init_adapter=None,
        trainable_parameters=1,
        processes=1,
        device="cpu",
        dtype="float32",
        threads=1,
        steps=1,
        epochs=1.0,
        seconds=0.5,
        peak_memory_bytes=1,
        first_loss=2.0,
        last_loss=1.0,
        curve=[point],
        versions={},
    )


if __name__ == "__main__":
    sys.exit(main())
