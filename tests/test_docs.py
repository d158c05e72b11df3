"""Every command and snippet of README and docs, run: with a stub server in place of the model's, and few steps."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
import tutorial
from examined_server import Habits
from in_process import in_process
from openai_stub import OpenAIStub
from playing import by_turn
from tiny_model import make_tiny_model

from cli.options import parse_seeds
from graphs.reviewer.gate import Verdict
from graphs.reviewer.lineage import LineageRecord
from traces import Conversation, EpisodeResult, ModelCall, OperationRecord, StepRecord
from traces.effects import Effect
from traces.metrics import MetricsAccumulator
from traces.summary import aggregate
from training.candidates import Candidate
from training.ledger import LedgerEntry
from training.metrics import Metrics as TrainingMetrics

ROOT = Path(__file__).resolve().parents[1]
FIRST = ("README.md", "docs/models.md")
PAGES = [*FIRST, *(name for path in sorted((ROOT / "docs").glob("*.md")) if (name := f"docs/{path.name}") not in FIRST)]


def blocks(language: str, pages: list[str] = PAGES) -> list[str]:
    texts = [(ROOT / page).read_text() for page in pages]
    block = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [found for text in texts for found in block.findall(text)]


def commands(*programs: str) -> list[list[str]]:
    """Commands of all pages by program, in order; one that is repeated stands once."""
    lines = [line.split("    #")[0] for block in blocks("bash") for line in block.splitlines()]
    return [words for words in map(shlex.split, dict.fromkeys(lines)) if words and Path(words[0]).name in programs]


@pytest.fixture
def servers() -> Iterator[list[OpenAIStub]]:
    def stub() -> OpenAIStub:
        return OpenAIStub(Habits(agent=by_turn({}, otherwise="<|ACTION|>Noop<|END|>")))

    with stub() as first, stub() as second:
        yield [first, second]


def test_every_program_is_covered_here() -> None:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    assert {Path(shlex.split(line)[0]).name for line in lines} == {"make", "automem", "langgraph", "curl", "cp"}


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / page).read_text()):
            assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_the_site_lists_every_page() -> None:
    listed = re.findall(r"[\w-]+\.md$", (ROOT / "mkdocs.yml").read_text().split("\nnav:")[1], re.MULTILINE)
    generated = {"changelog.md", "tutorial.md"}
    assert sorted(listed) == sorted({path.name for path in (ROOT / "docs").glob("*.md")} | generated)


def test_the_arithmetic_of_reproducing_the_paper_is_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,), (shown, *_) = (blocks(language, ["docs/reproduce.md"]) for language in ("python", "text"))
    exec(snippet, {})  # noqa: S102
    assert capsys.readouterr().out == shown


def test_everything_that_the_api_page_names_is_there() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    named = re.findall(r"^::: ([\w.]+)\.(\w+)$", page, re.MULTILINE) + re.findall(r"<!-- fields ([\w.]+):(\w+)", page)
    assert len(named) > 10
    for module, name in named:
        assert getattr(import_module(module), name).__doc__, f"{module}.{name}"


NOT_OURS = ("tokenizer", "adapter_config.json", "trainer_state.json", "special_tokens_map.json", "config.json")
"""Files of other formats in a run folder, by the beginning of their name."""
BY_NAME = (
    "versions",
    "settings",
    "search",
    "specialization",
    "start_recipe",
    "data",
    "arguments",
    "changes",
    "measures",
    "left_out",
    "mistakes_by_code",
    "rejections_by_code",
)
"""Fields whose keys are names of other things, or are listed elsewhere."""


def test_the_formats_page_has_every_field_and_no_other() -> None:
    """In sections whose tables are about records of the code; files without one are compared as the commands run."""

    def names(*kinds: type) -> set[str]:
        return {one.name for kind in kinds for one in dataclasses.fields(kind)}

    fields = {
        "A step": names(StepRecord, Conversation, ModelCall, OperationRecord) | {"format", "messages", "thoughts"},
        "The result": names(EpisodeResult) - {"episode_return"} | {"return", "sha256"},
        "Metrics": set(MetricsAccumulator().result()),
        "summary.json": set(aggregate([])),
        "Forks and measured effects": names(Effect),
        "A search of loop 1": names(LineageRecord, Verdict),
        "A candidate": names(Candidate),
        "An adapter and the ledger": {*TrainingMetrics.model_fields, *LedgerEntry.model_fields},
    }
    sections = re.split(r"^#{2,3} ", (ROOT / "docs" / "formats.md").read_text(), flags=re.MULTILINE)
    for title, wanted in fields.items():
        (section,) = [one for one in sections if one.startswith(title)]
        cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
        listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
        assert sorted(set(listed)) == sorted(wanted), title


def unlisted(runs: Path) -> set[str]:
    """Files of runs, and fields in them, that docs/formats.md does not name."""
    named = set(re.findall(r"[\w.-]+", (ROOT / "docs" / "formats.md").read_text()))
    found = set()

    def look(value: object, where: str) -> None:
        for one in value if isinstance(value, list) else ():
            look(one, where)
        for name, one in value.items() if isinstance(value, dict) else ():
            if re.fullmatch("[a-z_]+", name):  # else a key that is no field: a task, a seed, a base URL
                found.update({f"{where}: {name}"} - {f"{where}: {listed}" for listed in named})
            if name not in BY_NAME:
                look(one, where)

    for path in runs.rglob("*.json*"):
        if not path.name.startswith(NOT_OURS) and path.suffix in (".json", ".jsonl"):
            found.update({path.name} - named)
            for text in [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines():
                look(json.loads(text), path.name)
    return found


def test_the_readme_takes_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


SHORTER = {
    "eval": ["--max-steps", "2", "--seeds", "42-43"],
    "counterfactual": ["--samples", "1"],
    "evolve": ["--max-steps", "8", "--seeds", "42", "--task", "MiniHack-Corridor-R3-v0", "--attempts", "1"],
    "specialize": [
        *("--max-steps", "6", "--train-seeds", "1-2", "--validation-seeds", "3", "--eval-seeds", "4"),
        *("--minimum-examples", "1", "--train-options", "--device cpu --threads 1 --dtype float32 --max-steps 1"),
    ],
}
"""What is added to a command so that it takes seconds; the last of an option given twice counts."""


def test_the_commands_run_one_after_the_other(
    tmp_path: Path, servers: list[OpenAIStub], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scaffolds").symlink_to(ROOT / "scaffolds")
    monkeypatch.chdir(tmp_path)
    automem = in_process(monkeypatch, capsys)
    tiny = make_tiny_model(tmp_path / "tiny")
    tiny_base = ["--base", f"embedded+weights={tiny}+dtype=float32+tokens=8"]
    for command in commands("automem", "cp"):
        if command[0] == "cp":
            subprocess.run(command, check=True)
            continue
        for seeds in (word for option, word in pairwise(command) if option.endswith("seeds")):
            assert parse_seeds(seeds), f"what is shortened can be read: {command}"
        words = command[1:]
        for port, server in enumerate(servers, 8000):
            words = [word.replace(f"http://HOST:{port}/v1", server.url) for word in words]
        if "vault" not in words or words[0] != "eval":  # its episodes are short, and a page plays on from one
            words += SHORTER.get(words[0], [])
        words += tiny_base if words[0] == "specialize" else []
        code, shown, errors = automem(*words)
        assert code == 0, f"{words}: {errors}{shown[-2_000:]}"
    assert json.loads((tmp_path / "runs/v0/summary.json").read_text())["overall"]["n"] == 2
    assert (tmp_path / "runs/adopted/scaffold.toml").is_file()
    assert "<html" in (tmp_path / "replay.html").read_text()
    assert (tmp_path / "runs/report/report.md").is_file()
    assert unlisted(tmp_path / "runs") == set()


def test_the_tutorial_prints_and_draws_what_its_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tutorial.read()
    ran = tutorial.run(kept)
    cells = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    for cell, (printed, picture) in zip(cells, ran, strict=True):
        texts = ["".join(one["text"]) for one in cell["outputs"] if one["output_type"] == "stream"]
        assert "".join(texts) == printed
        assert (picture is not None) == any("image/png" in one.get("data", {}) for one in cell["outputs"])
    assert sum(picture is not None for _, picture in ran) == 1


def test_make_demo_and_make_test_are_what_ci_and_the_suite_run() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert commands("make") == [["make", "demo"], ["make", "test"]]
    assert "automem demo" in makefile.split("\ndemo:")[1].split("\n\n")[0]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_a_world_of_ones_own_runs(tmp_path: Path) -> None:
    (snippet,) = blocks("python", ["docs/worlds.md"])
    ended = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ended.stdout, ended.stderr) == ("8 is right. 1.0\n", "")


@pytest.mark.parametrize("snippet", blocks("python", ["README.md"]))
def test_a_python_snippet_of_the_readme_runs(snippet: str, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [line.split()[0] for line in ended.stdout.splitlines()[:3]] == ["6", "11", "16"]
    assert (tmp_path / ended.stdout.splitlines()[-1] / "memory").is_dir()
