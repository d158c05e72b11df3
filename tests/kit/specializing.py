"""Run loop 2 in tests: the scripted player and curator in the vault, a tiny random model as the base that is trained.

As a program it drives a run that is described in a file, and kills itself at the places that are named there:
    python tests/kit/specializing.py FILE
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphs.curator import Context, Input, open_specialization
from scaffolds import SHIPPED
from training.ledger import LedgerEntry, read

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]

PROMPTS = {
    "system": "LOG\n{% for form, help in log_forms %}\n{{ form }}\n{% endfor %}\n\nPLAN\n"
    "{% for form, help in plan_forms %}\n{{ form }}\n{% endfor %}\n",
    "log": "LOG step {{ step }}\n## Now\n{{ observation.long }}\n{{ observation.short }}\n",
    "plan": "PLAN step {{ step }}\n## Now\n{{ observation.long }}\n{{ observation.short }}\n",
    "results": "RESULTS\n{% for reply in replies %}\n### {{ reply.title }}\n{{ reply.text }}\n{% endfor %}\n",
    "handoff": "HANDOFF step {{ step }}\nAct.\n",
}
"""Short, so that a tiny model on a CPU reads them at once."""
RECIPE = """rationale = "A tiny model."
[data]
source = "regenerate"
minimum_examples = 8
[[configurations]]
rank = 4
alpha = 8
learning_rate = 1e-2
cutoff = 1_024
accumulation = 2
"""
OPTIONS = ["--device", "cpu", "--threads", "1", "--dtype", "float32", "--max-steps", "3", "--save-every", "1"]


@dataclass
class Told:
    """What came of a run until it ended, or waited for an answer."""

    events: list[Json] = field(default_factory=list)
    question: Json | None = None
    output: Json = field(default_factory=dict)

    def of(self, event: str) -> list[Json]:
        """The events of a kind."""
        return [one for one in self.events if one["event"] == event]


class Specializing:
    """A run in a folder of its own."""

    def __init__(self, folder: Path, tiny: Path, **given: Any) -> None:
        self.run = folder / "run"
        recipe = folder / "tiny.toml"
        recipe.write_text(RECIPE)
        self.given: Json = {
            **{"world": "vault", "tasks": ["one-door"], "out": str(self.run), "recipe": str(recipe)},
            **{"base": f"embedded+weights={tiny}+dtype=float32+tokens=2", "train_options": OPTIONS},
            **{"train_seeds": [1, 2, 3, 4], "validation_seeds": [11, 12], "final_seeds": [21, 22]},
            **{"iterations": 1, **given},
        }
        self.context: Json = {
            "scaffold": str(small_scaffold(folder / "scaffold")),
            "gameplay_model": "scripted",
            "max_steps": 8,
        }

    def go(self, *answers: object, **changes: Any) -> Told:
        """Begin the run, or go on with it, giving these answers to what is asked."""
        given = {**self.given, **changes}
        return asyncio.run(drive(given, self.context, list(answers)))

    def ledger(self) -> list[LedgerEntry]:
        """What the run has written down."""
        return read(self.run / "ledger.jsonl")

    def through(self, kills: list[tuple[str, int]], file: Path) -> subprocess.CompletedProcess[str]:
        """Run to the end through these kills, in another process: (event, which of its kind) of each."""
        given = {**self.given, "resume": True}
        file.write_text(json.dumps({"given": given, "context": self.context, "kills": kills}))
        paths = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
        words = [sys.executable, __file__, str(file)]
        return subprocess.run(words, capture_output=True, text=True, check=False, env=paths)


async def drive(given: Json, context: Json, answers: list[object], kill: tuple[str, int] | None = None) -> Told:
    """Run until the end, until there is no answer left to a question, or until this process is killed."""
    told, answer = Told(), None
    settings: Any = given
    async with open_specialization(Input(**settings), Context(**context)) as run:
        while True:
            async for event in run.stream(answer):
                told.events.append(event)
                if kill is not None and len(told.of(kill[0])) > kill[1]:
                    os.kill(os.getpid(), signal.SIGKILL)
            told.question = await run.question()
            if told.question is None:
                told.output = await run.result()
            if told.question is None or not answers:
                return told
            answer = answers.pop(0)


def small_scaffold(folder: Path) -> Path:
    """The vault's first scaffold with the shortest prompts and routines."""
    if folder.exists():
        return folder
    shutil.copytree(SHIPPED / "vault" / "v0", folder)
    for name, text in PROMPTS.items():
        (folder / "prompts" / f"{name}.md").write_text(text)
    toml = folder / "scaffold.toml"
    text = toml.read_text().replace("log = 10", "log = 2").replace("plan = 10", "plan = 2")
    text = text.replace('log = ["search", "read", "tail", "count", "append", "write", "create", "done"]', LOG)
    toml.write_text(text.replace('plan = ["search", "read", "tail", "count", "act"]', 'plan = ["search", "act"]'))
    return folder


LOG = 'log = ["search", "append", "done"]'


def main() -> None:
    """Drive the run described in the file in children that are killed (-9), each when it is told of the next event.

    What takes seconds to import is imported once, before the first fork.
    """
    import langchain.agents  # noqa: F401
    import peft  # noqa: F401
    import torch

    import chat_models.embedded_engine  # noqa: F401

    torch.set_num_threads(1)
    gc.freeze()
    described = json.loads(Path(sys.argv[1]).read_text())
    kills = [tuple(words) for words in described["kills"]]
    while True:
        child = os.fork()
        if child == 0:
            asyncio.run(drive(described["given"], described["context"], [], kills[0] if kills else None))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            raise SystemExit(os.WEXITSTATUS(status) or len(kills))
        kills.pop(0)


if __name__ == "__main__":
    main()
