"""Train a memory specialist: a LoRA adapter on a dataset of conversations. This file is the whole script:

    python training/sft_specialist.py --dataset D.jsonl --base embedded --output adapters/small
    python training/sft_specialist.py --dataset D.jsonl --base Qwen/Qwen2.5-32B-Instruct --output adapters/a \
        --recipe my-recipe.toml
    accelerate launch --config_file training/accelerate/fsdp.yaml training/sft_specialist.py …

After a kill, the same command with --resume continues from the last checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # run as a script: import from the repository, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from training import TrainingError, TrainingFailure, out_of_memory
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
from training.metrics import (
    BaseFacts,
    DataFacts,
    Metrics,
    draw_loss_curve,
    model_card,
    peak_memory,
    points,
    read_metrics,
    versions,
)
from training.output_folder import OutputFolder, write_whole
from training.prefix_tree import ENOUGH, SHORTEST, sharing
from training.sft_config import PlanRequest, SftSettings, is_main, processes, read_command
from training.tokens import ChatTokens, RowCounts, Tokens, tokenise

if TYPE_CHECKING:
    from trl.trainer.sft_trainer import SFTTrainer


def train(settings: SftSettings, report: Callable[[str], None] | None = None) -> Metrics:
    """Train one adapter into `settings.output`. `report` gets one line of progress at a time (default: stderr).

    TrainingError for bad input, before the weights are loaded; TrainingFailure when the machine fails.
    """
    report = (report or _to_stderr) if is_main() else lambda _: None
    # 1. Check everything before the weights are loaded.
    base, chat, rows, counts, form, settings = prepare(settings, report)

    from training.trainer import choose_device, make_trainer

    choose_device(settings)
    fetch_weights(base)
    facts = BaseFacts(name=base.name, digest=weights_digest(base))
    if settings.init_adapter:
        check_adapter(settings.init_adapter, base, facts.digest, settings.lora, form)

    # 2. Open the output folder.
    output = OutputFolder(settings.output)
    data = DataFacts(path=str(settings.dataset), digest=dataset_digest(settings.dataset), rows=counts)
    if is_main():
        finished = output.open(settings, data.digest, facts.digest, form.trainable)
    else:
        finished = read_metrics(output.path) if settings.resume else None
    if finished:
        report(f"{output.path} holds the finished training: nothing to do")
        return finished

    # 3. Train, from the last checkpoint if there is one.
    try:
        trainer = make_trainer(settings, base, chat, rows, output, report)
        checkpoint = output.last_checkpoint() if settings.resume else None
        if checkpoint:
            report(f"continuing from {checkpoint}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.save_model(str(output.path))  # the adapter and the tokenizer with its chat template
        metrics = _metrics(settings, trainer, facts, data, form)
        if is_main():
            _write(output, settings, base, metrics)
    except OSError as error:
        raise TrainingFailure(f"The training failed ({error}): solve this and continue with --resume.") from error
    except RuntimeError as error:
        if out_of_memory(error):
            raise TrainingFailure("There is too little memory: lower --batch and raise --accumulation.") from error
        raise
    return metrics


def prepare(
    settings: SftSettings, report: Callable[[str], None]
) -> tuple[Base, ChatTokens, list[Tokens], RowCounts, Outline, SftSettings]:
    """Base, tokenizer, rows and the adapter's form, checked; and the settings with `auto` batching decided.

    Reports the counts and what sharing prefixes saves. TrainingError for bad input.
    """
    # Idle OpenMP threads must sleep soon: spinning, they slow a training tenfold as soon as anything else runs on the
    # machine. OpenMP reads this when torch is first imported, which is why nothing above imports torch.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    base = find_base(settings.base)
    chat = load_chat(base)
    rows, counts = tokenise(settings.dataset, chat, settings.lora.cutoff, settings.cutoff_policy, settings.loss)
    form = outline(base, settings.lora)
    if counts.longest > form.context:
        raise TrainingError(
            f"{settings.dataset}: {counts.longest} tokens, but {base.name} reads {form.context}: lower --cutoff."
        )
    settings, savings = choose_batching(settings, rows, base, form)
    report(f"{counts.sentence()}; {savings}")
    return base, chat, rows, counts, form, settings


def show_plan(settings: SftSettings, request: PlanRequest, report: Callable[[str], None]) -> None:
    """Report what a training takes. Loads no weights and writes nothing; TrainingError as `train`."""
    base, _, rows, counts, form, settings = prepare(settings, report)
    from training.plan import plan

    for line in plan(settings, base, form, rows, counts, request.like):
        report(line)


def choose_batching(
    settings: SftSettings, rows: Sequence[Tokens], base: Base, form: Outline
) -> tuple[SftSettings, str]:
    """The settings with `auto` decided, and what sharing prefixes saves or why they are not shared.

    TrainingError where shared prefixes are asked for and impossible.
    """
    together = settings.lora.batch * settings.lora.accumulation_on(processes())
    found = sharing([row.input_ids for row in rows], together, settings.lora.seed)
    if form.unshareable:
        why = f"prefixes cannot be shared on {base.name}: {form.unshareable}"
    elif os.environ.get("ACCELERATE_USE_DEEPSPEED", "false") == "true":
        why = "prefixes cannot be shared under DeepSpeed, which wants one backward pass a step"
    elif not found.shared:
        why = f"no two examples of a step of {together} begin with the same {SHORTEST} tokens"
    else:
        why = ""
    if settings.batching == "shared" and why:
        raise TrainingError(f"--batching shared is impossible: {why}. Use --batching shuffled.")
    if settings.batching == "auto":
        settings = settings.model_copy(update={"batching": "shuffled" if why or found.share < ENOUGH else "shared"})
    if settings.batching != "shared":
        return settings, why or f"{100 * found.share:.0f} % of tokens are shared within a step"
    return settings, found.sentence()


def _metrics(settings: SftSettings, trainer: SFTTrainer, base: BaseFacts, data: DataFacts, form: Outline) -> Metrics:
    """The metrics of a finished training."""
    import torch

    from training.trainer import choose_device

    device, dtype = choose_device(settings)
    curve = points(trainer.state.log_history)
    peak = peak_memory()
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
    """Write the loss curve, the model card, the base's name in adapter_config.json, and last metrics.json."""
    import json

    (output.checkpoints / "README.md").unlink(missing_ok=True)  # TRL's model card, another in each process
    (output.path / "training_args.bin").unlink(missing_ok=True)  # TRL's pickle of its settings; nothing reads it
    draw_loss_curve(metrics.curve, f"{base.name}, {metrics.dataset.rows.kept} examples", output.path / "loss.png")
    card = model_card(metrics, embedded=settings.base == "embedded")
    (output.path / "README.md").write_text(card, encoding="utf-8")
    config = output.path / "adapter_config.json"
    named = {**json.loads(config.read_text()), "base_model_name_or_path": base.name}
    config.write_text(json.dumps(named, indent=2, sort_keys=True) + "\n")
    write_whole(output.path / "metrics.json", metrics.model_dump_json(indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 2 for bad input, 1 for a failure of the machine, 130 for Ctrl-C."""
    try:
        settings, planned = read_command(arguments)
        if planned:
            show_plan(settings, planned, print)
            return 0
        metrics = train(settings)
    except TrainingError as error:
        return _end(str(error), 2)
    except TrainingFailure as error:
        return _end(str(error), 1)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
        return _end("stopped; the same command with --resume continues.", 130)
    if is_main():
        loss = f"loss {metrics.first_loss:.4f} → {metrics.last_loss:.4f}"
        trained = f"{metrics.steps} steps, {loss}, {metrics.seconds:.0f} s on {metrics.device}"
        sys.stdout.write(f"{settings.output}: {trained}\n")
    return 0


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _end(sentence: str, status: int) -> int:
    shown = "".join(one if one.isprintable() else "�" for one in " ".join(sentence.split()))  # may quote a dataset
    _to_stderr(f"sft_specialist: {shown}")
    return status


if __name__ == "__main__":
    sys.exit(main())
