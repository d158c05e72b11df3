"""Values that cannot be meant, in every field of every graph: refused in one sentence of ours that speaks no Python."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cli.commands import as_options
from graphs.curator import Context as CuratorContext
from graphs.curator.graph import graph as curator
from graphs.curator.state import Input as CuratorInput
from graphs.evaluation.graph import graph as evaluation
from graphs.evaluation.state import Input as EvaluationInput
from graphs.inner_agent import Context
from graphs.inner_agent.graph import graph as inner_agent
from graphs.inner_agent.result import MACHINE_FAILURES
from graphs.inner_agent.state import Input
from graphs.reviewer.graph import graph as reviewer
from graphs.reviewer.search import Context as ReviewerContext
from graphs.reviewer.state import Input as ReviewerInput
from graphs.settings import OUR_ERRORS
from scaffolds import Scaffold

TEXTS = ("", "x", "a\0b", "two\nlines", "\ud800", "n" * 300, "/dev/null")
NUMBERS = (0, -1, 2.5, math.nan, math.inf, 10**30, True)
OTHERS = ([], [None], ["a\0b"], [1, 1], [-1], {}, {"calls": 0}, {"calls": math.nan}, b"bytes", object())
FOREIGN = re.compile(
    r"--[a-z]|object at 0x|os\.PathLike|null byte|NoneType|no sense|Input should|Errno|codec|\n|Path\("
)
GRAPHS: dict[str, Any] = {
    "inner_agent": (inner_agent, "observe", Input, Context),
    "evaluation": (evaluation, "prepare", EvaluationInput, Context),
    "reviewer": (reviewer, "start", ReviewerInput, ReviewerContext),
    "curator": (curator, "start", CuratorInput, CuratorContext),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_bad_value_is_refused_in_one_sentence_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Scaffold, "load", functools.lru_cache(Scaffold.load))  # read once: thousands of runs begin here
    graph, first, kind, settings = GRAPHS[name]
    shared = {one.name for one in fields(Context)} if settings is not Context else set()  # checked by the same lines
    own = [one.name for one in fields(settings) if one.name not in shared]
    places = [*(("input", one) for one in kind.__annotations__), *(("context", one) for one in own)]
    wrong: list[str] = []
    refused = 0
    for place, field in places:
        for number, value in enumerate((*TEXTS, *NUMBERS, *OTHERS)):
            given: dict[str, Any] = {"world": "vault"}
            given |= {"steps": 0} if name == "inner_agent" else {"out": f"runs/{field}-{number}"}
            context: dict[str, Any] = {"runs": f"threads/{place}-{field}-{number}"}
            (given if place == "input" else context)[field] = value
            try:
                graph.invoke(given, context=settings(**context), interrupt_after=[first])
            except (*OUR_ERRORS, *MACHINE_FAILURES) as error:
                refused += 1
                if FOREIGN.search(str(error)) or not 10 < len(str(error)) <= 600:
                    wrong.append(f"{place} {field}={ascii(value)[:40]}: {ascii(str(error))[:300]}")
            except Exception as error:  # noqa: BLE001 - whatever else comes through is the fault that is looked for
                wrong.append(f"{place} {field}={ascii(value)[:40]}: {type(error).__name__} {ascii(str(error))[:300]}")
    assert wrong == []
    assert refused > 10 * len(places)


def test_the_command_line_writes_the_settings_it_takes_as_its_options() -> None:
    said = "give `resume` to go on, or another `out`; `final_seeds`, `train_options` and `sampling` stay."
    assert as_options(said, ["resume", "out", "eval_seeds", "train_options"]) == (
        "give --resume to go on, or another --out; --eval-seeds, --train-options and `sampling` stay."
    )
