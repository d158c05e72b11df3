"""How fast a memory specialist is trained, beside an earlier build, TRL alone and LLaMA-Factory on the same machine.

    python benchmarks/training_speed.py [--base embedded|FOLDER] [--llamafactory FOLDER] [--earlier FOLDER]

The examples are turns of scripted Crafter episodes under the v0 prompts, the same for all. `--llamafactory` is a
virtual environment with LLaMA-Factory in it, made there if it is missing; `--earlier` a checkout of this project before
prefixes were shared. Each trains the same adapter (rank 16 on attention) with the same type, threads and examples a
step. Seconds are those of training alone, without starting and loading; memory is the peak of the whole process. One
optimizer step is timed; those that compute each example by itself get fewer of them (`--alone`), since their time grows
in proportion.

Promises, with 8 examples a step: >= 2.5 x the examples a second of an earlier build or of TRL alone, >= 5 x those of
LLaMA-Factory, within 8 GB; with activations recomputed >= 4 x those of LLaMA-Factory, within its memory. The last is
read from the table; the others decide how the script ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paths import ROOT

SEEDS, STEPS = (1, 2), 400
RATE, RANK, ALPHA, TARGETS = 1e-4, 16, 32, "q_proj,k_proj,v_proj,o_proj"
CUTOFF = 8192
PROMISED = {"LLaMA-Factory": 5.0, "TRL alone": 2.5, "earlier build, shuffled": 2.5}
PROMISED_GB = 8.0
LISTING = "from importlib.metadata import requires as r; print(*r('llamafactory'), sep='\\n')"
"""What LLaMA-Factory says that it needs, printed in its own environment."""
TEMPLATES = {"llama": "smollm2", "qwen2": "qwen"}
"""Of LLaMA-Factory, by the kind of the base."""


@dataclass(frozen=True)
class Setting:
    """What is equal for all."""

    base: Path
    dataset: Path
    examples: int
    """In the dataset, all in one optimizer step."""
    threads: int
    dtype: str
    work: Path


@dataclass(frozen=True)
class Used:
    """What a whole process used, start and loading included."""

    gigabytes: float
    """At its peak."""
    cpu_seconds: float


@dataclass(frozen=True)
class Run:
    """What one training took."""

    examples: int
    seconds: float
    used: Used
    loss: float

    @property
    def examples_per_minute(self) -> float:
        """Of the training alone."""
        return 60 * self.examples / self.seconds


def collect(folder: Path, count: int) -> Path:
    """A dataset of so many turns, spread evenly over the episodes."""
    from graphs.evaluation import graph
    from graphs.inner_agent import Context
    from traces import RunFolder
    from training.candidates import candidates
    from training.certificate import build_dataset

    run = RunFolder(folder / "run")
    request = {"world": "crafter", "seeds": list(SEEDS), "model": "scripted", "out": str(run.path)}
    graph.invoke(request, context=Context(max_steps=STEPS))
    able = [one.id for one in candidates(run) if one.operations and not one.mistakes]
    chosen = [able[index * len(able) // (2 * count)] for index in range(2 * count)]  # some are dropped
    build_dataset(run, chosen, folder / "all.jsonl")
    lines = (folder / "all.jsonl").read_text().splitlines()
    dataset = folder / "dataset.jsonl"
    dataset.write_text("".join(f"{line}\n" for line in lines[:: max(1, len(lines) // count)][:count]))
    return dataset


def ours(setting: Setting, root: Path, name: str, *more: str) -> Run:
    """Train with training/sft_specialist.py of a checkout."""
    out = setting.work / name.replace(" ", "-")
    words = [sys.executable, str(root / "training" / "sft_specialist.py"), "--dataset", str(setting.dataset)]
    words += [
        "--base",
        str(setting.base),
        "--output",
        str(out),
        "--accumulation",
        str(setting.examples),
        "--batch",
        "1",
    ]
    words += ["--rank", str(RANK), "--alpha", str(ALPHA), "--target-modules", TARGETS, "--cutoff", str(CUTOFF)]
    words += ["--learning-rate", str(RATE), "--schedule", "constant_with_warmup", "--warmup", "0", "--device", "cpu"]
    words += ["--dtype", setting.dtype, "--threads", str(setting.threads), *more]
    used = run_process(words, setting, root)
    metrics = json.loads((out / "metrics.json").read_text())
    return Run(setting.examples, metrics["seconds"], used, metrics["first_loss"])


def trl(setting: Setting) -> Run:
    """Train with a script of TRL and PEFT alone, on the same tokens and labels."""
    result = setting.work / "trl.json"
    words = [sys.executable, str(Path(__file__).resolve()), "--trl", str(result), "--base", str(setting.base)]
    words += ["--dataset", str(setting.dataset), "--examples", str(setting.examples)]
    used = run_process([*words, "--dtype", setting.dtype, "--threads", str(setting.threads)], setting, ROOT)
    found = json.loads(result.read_text())
    return Run(setting.examples, found["seconds"], used, found["loss"])


def train_with_trl(arguments: argparse.Namespace) -> None:
    """The script."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    from training.base_model import find_base, load_chat
    from training.tokens import tokenise

    torch.set_num_threads(arguments.threads)
    chat = load_chat(find_base(arguments.base))
    rows, _ = tokenise(Path(arguments.dataset), chat, CUTOFF, "refuse", "all")
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(arguments.base, dtype=getattr(torch, arguments.dtype)),
            args=SFTConfig(
                output_dir=folder,
                per_device_train_batch_size=1,
                gradient_accumulation_steps=arguments.examples,
                num_train_epochs=1,
                learning_rate=RATE,
                lr_scheduler_type="constant",
                max_length=None,
                use_cpu=True,
                bf16=False,
                activation_checkpointing=False,
                report_to="none",
                logging_steps=1,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in rows]),
            processing_class=chat.tokenizer,
            peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS.split(","), task_type="CAUSAL_LM"),
        )
        ended = trainer.train()
    first = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    Path(arguments.trl).write_text(json.dumps({"seconds": ended.metrics["train_runtime"], "loss": first}))


def llamafactory(setting: Setting, environment: Path) -> Run:
    """Train with LLaMA-Factory, with its defaults where nothing must be equal: it computes activations again."""
    out = setting.work / "llamafactory"
    kind = json.loads((setting.base / "config.json").read_text())["model_type"]
    data = setting.work / "sharegpt"
    data.mkdir(exist_ok=True)
    lines = [json.loads(line)["messages"] for line in setting.dataset.read_text().splitlines()]
    (data / "bench.json").write_text(json.dumps([{"messages": messages} for messages in lines]))
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    form = {"file_name": "bench.json", "formatting": "sharegpt", "columns": {"messages": "messages"}}
    (data / "dataset_info.json").write_text(json.dumps({"bench": {**form, "tags": {**tags, "system_tag": "system"}}}))
    (setting.work / "torchaudio").mkdir(exist_ok=True)  # it imports one, and needs it for sound alone
    (setting.work / "torchaudio" / "__init__.py").write_text('__version__ = "2.9.0"\n')
    settings = {
        "stage": "sft", "do_train": True, "model_name_or_path": str(setting.base), "template": TEMPLATES[kind],
        "dataset": "bench", "dataset_dir": str(data), "cutoff_len": CUTOFF, "finetuning_type": "lora",
        "lora_rank": RANK, "lora_alpha": ALPHA, "lora_target": TARGETS, "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": setting.examples, "num_train_epochs": 1.0, "learning_rate": RATE,
        "lr_scheduler_type": "constant", "use_cpu": True, "bf16": setting.dtype == "bfloat16", "output_dir": str(out),
        "overwrite_output_dir": True, "logging_steps": 1, "report_to": "none", "save_strategy": "no",
    }  # fmt: skip
    configuration = setting.work / "llamafactory.yaml"  # 0.9.5 fails on a file called .json
    configuration.write_text(json.dumps(settings))
    command = [str(environment / "bin" / "llamafactory-cli"), "train", str(configuration)]
    used = run_process(command, setting, setting.work)
    found = json.loads((out / "train_results.json").read_text())
    history = json.loads((out / "trainer_state.json").read_text())["log_history"]
    return Run(
        setting.examples, found["train_runtime"], used, next(entry["loss"] for entry in history if "loss" in entry)
    )


def make_environment(folder: Path) -> None:
    """LLaMA-Factory in a virtual environment, with this project's torch release. Neither torchvision nor torchaudio is
    installed: their builds would have to match torch's, and text needs neither."""
    if (folder / "bin" / "llamafactory-cli").is_file():
        return
    import re
    from importlib.metadata import version

    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "llamafactory==0.9.5"], check=True)
    listing = [str(folder / "bin" / "python"), "-c", LISTING]
    wanted = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()
    plain = [one for one in wanted if "extra ==" not in one and not re.match(r"torch(vision|audio)?\b(?!data)", one)]
    subprocess.run([*pip, f"torch=={version('torch').partition('+')[0]}", *plain], check=True)


def run_process(words: Sequence[str], setting: Setting, folder: Path) -> Used:
    """Run a command to its end."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(setting.threads),
        "HF_HUB_OFFLINE": "1",
        "GOMP_SPINCOUNT": "2000",
        "PYTHONPATH": str(folder),
        "DISABLE_VERSION_CHECK": "1",
    }
    log = setting.work / "log.txt"
    with log.open("wb") as file:
        child = subprocess.Popen(list(words), stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=folder)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{words[0]} ended with status {child.returncode}:\n{log.read_text()[-3000:]}")
    return Used(used.ru_maxrss * 1024 / 1e9, used.ru_utime + used.ru_stime)


def main() -> bool:
    """Measure, print the table; whether the promises that could be measured are kept."""
    arguments = read_arguments()
    if arguments.trl:
        train_with_trl(arguments)
        return True
    from training.base_model import find_base

    with tempfile.TemporaryDirectory(prefix="automem-bench-") as folder:
        work = Path(folder)
        together = Path(arguments.dataset).resolve() if arguments.dataset else collect(work, arguments.examples)
        lines = together.read_text().splitlines(keepends=True)
        few = work / "few.jsonl"
        few.write_text("".join(typical(lines, arguments.alone)))
        base = find_base(arguments.base).folder
        setting = Setting(base, together, len(lines), arguments.threads, arguments.dtype, work)
        return show(setting, measure(setting, replace(setting, dataset=few, examples=arguments.alone), arguments))


def typical(lines: list[str], count: int) -> list[str]:
    """So many of the examples, about as long on average as all of them."""
    by_length = sorted(lines, key=len)
    return [by_length[((2 * number + 1) * len(lines) - 1) // (2 * count)] for number in range(count)]


def measure(setting: Setting, alone: Setting, arguments: argparse.Namespace) -> dict[str, list[Run]]:
    """All trainings, in turn."""

    def shared(recompute: str) -> Run:
        return ours(setting, ROOT, f"shared-{recompute}", "--batching", "shared", "--recompute", recompute)

    trainings = {
        "shared": lambda: shared("off"),
        "shared, feed-forward recomputed": lambda: shared("mlp"),
        "shared, all recomputed": lambda: shared("on"),
    }
    if arguments.llamafactory:
        environment = Path(arguments.llamafactory).resolve()
        make_environment(environment)
        trainings["LLaMA-Factory"] = lambda: llamafactory(alone, environment)
    if arguments.earlier:
        earlier = Path(arguments.earlier).resolve()
        trainings["earlier build, shuffled"] = lambda: ours(alone, earlier, "earlier", "--batching", "shuffled")
    trainings["shuffled"] = lambda: ours(alone, ROOT, "shuffled", "--batching", "shuffled")
    trainings["TRL alone"] = lambda: trl(alone)
    runs: dict[str, list[Run]] = {name: [] for name in trainings if name not in arguments.without}
    for _ in range(arguments.rounds):
        for name in runs:
            one = trainings[name]()
            runs[name].append(one)
            for out in setting.work.glob("*/"):
                if (out / "training.json").is_file():
                    shutil.rmtree(out)
            print(f"# {name}: {one.examples_per_minute:.2f} examples a minute, {one.used}", flush=True)
    return runs


def show(setting: Setting, runs: dict[str, list[Run]]) -> bool:
    """Print the table; whether its promises are kept."""
    best = {name: max(one.examples_per_minute for one in several) for name, several in runs.items()}
    print(f"{setting.examples} examples a step, {setting.dtype}, {setting.threads} threads, {setting.base.name}")
    print("| | examples a minute | shared is faster | peak memory (GB) | loss | examples |")
    print("|---|---|---|---|---|---|")
    for name, speed in best.items():
        gigabytes, first = max(one.used.gigabytes for one in runs[name]), runs[name][0]
        ratio = f"{best['shared'] / speed:.1f} ×"
        print(f"| {name} | {speed:.2f} | {ratio} | {gigabytes:.1f} | {first.loss:.4f} | {first.examples} |")
    kept = all(best["shared"] >= least * best[name] for name, least in PROMISED.items() if name in best)
    return kept and all(one.used.gigabytes <= PROMISED_GB for one in runs["shared"])


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="embedded")
    parser.add_argument("--dataset", help="examples in this project's form, in place of scripted Crafter turns")
    parser.add_argument("--llamafactory", metavar="FOLDER")
    parser.add_argument("--earlier", metavar="FOLDER")
    parser.add_argument("--examples", type=int, default=8, help="per optimizer step")
    parser.add_argument("--alone", type=int, default=2, help="of these, for those that compute each by itself")
    parser.add_argument("--rounds", type=int, default=1, help="trainings of each, in turn; the fastest counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--without", action="append", default=[], help="leave out one of them, by its name in the table"
    )
    parser.add_argument("--trl", metavar="RESULT", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(not main())
