"""A real language model on Crafter and two tasks of MiniHack: v0 free, v0 constrained, small constrained.

    python benchmarks/real_models.py --model llamacpp:NAME --base-url http://127.0.0.1:8080/v1 --out runs/real

Each arm plays with the notebook on, off and frozen: progression, replies without a mistake, share of steps without
a valid action, calls per step, tokens read and written per step. A cell is a run of `automem eval` in
OUT/TASK/ARM/NOTEBOOK; started again, the script plays what is missing. OUT/results.json holds the figures, the
command, the SHA-256 of `--model-file`, and the machine. There is no promise here: what comes out depends on the
model. With `--table` the script only prints the table of an earlier run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paths

from cli.options import read_sampler
from traces import RunFolder, read_run
from training.source import validity

TASKS = {
    "crafter": ("crafter", "default"),
    "corridor": ("minihack", "MiniHack-Corridor-R3-v0"),
    "maze": ("minihack", "MiniHack-MazeWalk-9x9-v0"),
}
ARMS = {"v0 free": ("v0", False), "v0 constrained": ("v0", True), "small constrained": ("small", True)}
"""Scaffold, and whether the server holds replies to valid operations."""
NOTEBOOKS = ("on", "off", "frozen")


@dataclass(frozen=True)
class Cell:
    """One row of the table: a task, an arm, a use of the notebook."""

    task: str
    arm: str
    notebook: str

    def folder(self, out: Path) -> Path:
        """Its run folder."""
        return out / self.task / self.arm.replace(" ", "-") / self.notebook

    def command(self, asked: argparse.Namespace) -> list[str]:
        """The command that plays it."""
        world, task = TASKS[self.task]
        scaffold, held = ARMS[self.arm]
        folder = self.folder(asked.out)
        options = {
            "--world": world,
            "--task": task,
            "--scaffold": f"scaffolds/{world}/{scaffold}",
            "--model": asked.model,
            "--base-url": asked.base_url,
            "--notebook": self.notebook,
            "--seeds": asked.seeds,
            "--max-steps": str(asked.steps),
            "--max-tokens": str(asked.max_tokens),
            "--timeout": str(asked.timeout),
            "--concurrency": str(asked.concurrency),
            "--out": str(folder),
        }
        flags = [*(["--constrained"] if held else []), *(["--resume"] if folder.exists() else [])]
        flags += [part for one in asked.sampler for part in ("--sampler", one)]
        return [
            *(str(Path(sys.executable).with_name("automem")), "eval", "--quiet"),
            *(part for pair in options.items() for part in pair),
            *flags,
        ]

    def check(self, asked: argparse.Namespace) -> None:
        """SystemExit for a cell that was played with another sampler than is asked for."""
        found = read_run(RunFolder(self.folder(asked.out)))
        kept = found["configuration"]["settings"].get("sampler", {}) if found else None
        if kept is not None and kept != read_sampler(asked.sampler):
            where = self.folder(asked.out)
            raise SystemExit(f"real_models: {where} was played with the sampler {kept}: give another --out.")

    def figures(self, out: Path) -> dict[str, Any]:
        """What the run's summary and traces say."""
        folder = self.folder(out)
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        valid = validity(RunFolder(folder))
        episodes = summary["episodes"]
        steps = sum(episode["steps"] for episode in episodes)
        overall: dict[str, Any] = {name: summary["metrics"].get(name, {}).get("mean") for name in METRICS}
        return {
            "task": self.task,
            "arm": self.arm,
            "notebook": self.notebook,
            "episodes": len(episodes),
            "failed": summary["n_failed"],
            "steps": steps,
            "progression": [episode["progression"] for episode in episodes],
            "replies": sum(valid.turns.values()),
            "valid_replies": sum(valid.valid.values()),
            **overall,
        }


METRICS = ("invalid_action_rate", "model_calls_per_step", "prompt_tokens_per_step", "completion_tokens_per_step")


def cells(asked: argparse.Namespace) -> Iterator[Cell]:
    """The cells to play, arm by arm."""
    for arm in asked.arms:
        for task in asked.tasks:
            for notebook in asked.notebooks:
                yield Cell(task, arm, notebook)


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of a Markdown table; what is not known is a dash."""
    yield "| task | arm | notebook | steps | progression % | valid replies | no valid action % | calls | tokens |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in results:
        progression = [100 * one for one in row["progression"]]
        invalid = row["invalid_action_rate"]
        figures = (
            _shown(sum(progression) / len(progression) if progression else None, 1),
            f"{row['valid_replies']} of {row['replies']}",
            _shown(None if invalid is None else 100 * invalid, 0),
            _shown(row["model_calls_per_step"], 1),
            f"{_shown(row['prompt_tokens_per_step'], 0)} + {_shown(row['completion_tokens_per_step'], 0)}",
        )
        yield f"| {row['task']} | {row['arm']} | {row['notebook']} | {row['steps']} | {' | '.join(figures)} |"


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def machine() -> dict[str, Any]:
    """The processor and what this process may use of it."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {"processor": names[0] if names else platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="as automem eval takes it: llamacpp:NAME, vllm:NAME, …")
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--model-file", type=Path, help="the weights, for their SHA-256")
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    parser.add_argument("--seeds", default="42-45")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--max-tokens", type=int, default=80)
    parser.add_argument("--timeout", type=float, default=600, help="seconds per call")
    parser.add_argument("--concurrency", type=int, default=1, help="episodes side by side")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS))
    parser.add_argument("--notebooks", nargs="*", choices=NOTEBOOKS, default=list(NOTEBOOKS))
    parser.add_argument("--sampler", nargs="*", default=[], help="as automem eval takes it: top_k=40 min_p=0.05")
    parser.add_argument("--table", action="store_true", help="print the table of OUT, play nothing")
    return parser.parse_args()


def main() -> int:
    """Play every cell that is missing, write results.json, print the table; how many cells failed."""
    asked = parse()
    if not asked.table and not asked.model:
        raise SystemExit("real_models: give --model, as automem eval takes it.")
    failed = 0
    recorded: dict[str, Any] = {"command": sys.argv, "machine": machine(), "results": []}
    if asked.model_file:
        recorded["model_file"] = asked.model_file.name
        with asked.model_file.open("rb") as weights:
            recorded["sha256"] = hashlib.file_digest(weights, "sha256").hexdigest()
    asked.out = asked.out.resolve()  # the runs are started from the repository's root
    asked.out.mkdir(parents=True, exist_ok=True)
    for cell in cells(asked):
        if not asked.table:
            cell.check(asked)
        if not asked.table and not (cell.folder(asked.out) / "summary.json").exists():
            ended = subprocess.run(cell.command(asked), cwd=paths.ROOT, check=False, stdout=subprocess.DEVNULL)
            failed += ended.returncode != 0
        if (cell.folder(asked.out) / "summary.json").exists():
            recorded["results"].append(cell.figures(asked.out))
            if not asked.table:
                (asked.out / "results.json").write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
                print(*list(table(recorded["results"][-1:]))[2:], flush=True)
    print(*table(recorded["results"]), sep="\n")
    return failed


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
