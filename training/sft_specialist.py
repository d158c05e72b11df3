"""Trains a memory specialist: a LoRA adapter on a dataset of conversations. Read it top to bottom, run it alone:

    python training/sft_specialist.py --dataset D.jsonl --base embedded --output adapters/small
    python training/sft_specialist.py --dataset D.jsonl --base Qwen/Qwen2.5-32B-Instruct --output adapters/a \
        --recipe my-recipe.toml
    accelerate launch --config_file training/accelerate/fsdp.yaml training/sft_specialist.py …

Killed? The same command with --resume goes on from the last checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # run as a script: the repository, and not this folder, is where modules are found
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from training.base_model import (
    Base,
    Outline,
    check_adapter,
    fetch_weights,
    find_base,
    load_chat,
    outline,
    weights_digest,
)
from training.dataset import dataset_digest
from training.errors import TrainingError, TrainingFailure
from training.metrics import BaseFacts, DataFacts, Metrics, draw_loss_curve, points, read_metrics, versions
from training.model_card import model_card
from training.output_folder import OutputFolder, write_whole
from training.sft_config import SftSettings, is_main, processes, read_arguments
from training.tokens import tokenise

if TYPE_CHECKING:
    from trl.trainer.sft_trainer import SFTTrainer

Say = Callable[[str], None]


def train(settings: SftSettings, say: Say | None = None) -> Metrics:
    """Train one adapter into `settings.output`; what came of it. `say` is told, line by line, how it goes.

    TrainingError for what cannot be trained, before the model is loaded; TrainingFailure when the machine fails.
    """
    say = (say or _to_stderr) if is_main() else _to_nobody
    # Read when torch is first imported: threads of OpenMP that wait shall soon sleep. Spinning, they slow a training
    # tenfold as soon as anything else runs on the machine (chat_models/embedded_engine.py found the same).
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

    # 1. Everything that can be refused is refused before the weights are touched.
    base = find_base(settings.base)
    chat = load_chat(base)
    rows, counts = tokenise(settings.dataset, chat, settings.lora.cutoff, settings.cutoff_policy, settings.loss)
    form = outline(base, settings.lora)
    if counts.longest > form.context:
        raise TrainingError(
            f"{settings.dataset}: {counts.longest} tokens, but {base.name} reads {form.context}: lower --cutoff."
        )
    say(counts.sentence())

    from training.trainer import choose_device, make_trainer

    choose_device(settings)
    settings.lora.accumulation_on(processes())
    fetch_weights(base)
    facts = BaseFacts(name=base.name, digest=weights_digest(base))
    if settings.init_adapter:
        check_adapter(settings.init_adapter, base, facts.digest, settings.lora, form)

    # 2. One folder, one training.
    output = OutputFolder(settings.output)
    data = DataFacts(path=str(settings.dataset), digest=dataset_digest(settings.dataset), rows=counts)
    if is_main():
        finished = output.claim(settings, data.digest, facts.digest, form.trainable)
    else:
        finished = read_metrics(output.path) if settings.resume else None
    if finished:
        say(f"{output.path} has finished already: nothing is left to train")
        return finished

    # 3. Training, with the checkpoint that a killed run left.
    try:
        trainer = make_trainer(settings, base, chat, rows, output, say)
        checkpoint = output.last_checkpoint() if settings.resume else None
        if checkpoint:
            say(f"going on from {checkpoint}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.save_model(str(output.path))  # the adapter and the tokenizer with its chat template
        metrics = _measured(settings, trainer, facts, data, form)
        if is_main():
            _write(output, settings, base, metrics)
    except OSError as error:
        raise TrainingFailure(f"The machine failed the training ({error}): mend that, then --resume.") from error
    except RuntimeError as error:
        if _out_of_memory(error):
            raise TrainingFailure("The memory is too small: lower --batch and raise --accumulation.") from error
        raise
    return metrics


def _measured(settings: SftSettings, trainer: SFTTrainer, base: BaseFacts, data: DataFacts, form: Outline) -> Metrics:
    """What the training came to."""
    import resource

    import torch

    from training.trainer import choose_device

    device, dtype = choose_device(settings)
    curve = points(trainer.state.log_history)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if device == "cuda":
        peak = max(peak, torch.cuda.max_memory_allocated())
    return Metrics(
        base=base,
        dataset=data,
        configuration=settings.lora,
        loss_on=settings.loss,
        cutoff_policy=settings.cutoff_policy,
        batching=settings.batching,
        init_adapter=str(settings.init_adapter) if settings.init_adapter else None,
        trainable_parameters=form.trainable,
        processes=processes(),
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        dtype=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        steps=trainer.state.global_step,
        epochs=trainer.state.epoch or 0.0,
        seconds=curve[-1].seconds,
        peak_memory_bytes=peak,
        first_loss=curve[0].loss,
        last_loss=curve[-1].loss,
        curve=curve,
        versions=versions(),
    )


def _write(output: OutputFolder, settings: SftSettings, base: Base, metrics: Metrics) -> None:
    """The loss curve, the model card, the base's name in the adapter; metrics.json last."""
    import json

    (output.path / "training_args.bin").unlink(missing_ok=True)  # a pickle of TRL's that nothing reads
    draw_loss_curve(metrics.curve, f"{base.name}, {metrics.dataset.rows.kept} examples", output.path / "loss.png")
    card = model_card(metrics, embedded=settings.base == "embedded")
    (output.path / "README.md").write_text(card, encoding="utf-8")
    config = output.path / "adapter_config.json"
    named = {**json.loads(config.read_text()), "base_model_name_or_path": base.name}
    config.write_text(json.dumps(named, indent=2, sort_keys=True) + "\n")
    write_whole(output.path / "metrics.json", metrics.model_dump_json(indent=2) + "\n")


def _out_of_memory(error: RuntimeError) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 2 for our own mistakes, 1 for the machine's failures, one line each."""
    try:
        settings = read_arguments(arguments)
        metrics = train(settings)
    except TrainingError as error:
        return _end(str(error), 2)
    except TrainingFailure as error:
        return _end(str(error), 1)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process without a word
        return _end("stopped; the same command with --resume goes on.", 130)
    if is_main():
        sys.stdout.write(_summary(settings, metrics))
    return 0


def _summary(settings: SftSettings, metrics: Metrics) -> str:
    return (
        f"{settings.output}: {metrics.steps} steps, loss {metrics.first_loss:.4f} → {metrics.last_loss:.4f}, "
        f"{metrics.seconds:.0f} s on {metrics.device}\n"
    )


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _to_nobody(_: str) -> None:
    return


def _end(sentence: str, status: int) -> int:
    shown = "".join(one if one.isprintable() else "�" for one in " ".join(sentence.split()))  # it may quote a dataset
    _to_stderr(f"sft_specialist: {shown}")
    return status


if __name__ == "__main__":
    sys.exit(main())
