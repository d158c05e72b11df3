"""The curator's other tools: the selection policy, its reasons in words, the recipe, what earlier iterations did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from graphs.agent.tools import model_tool, page
from graphs.curator.desk import Desk
from training import TrainingError
from training import ledger as ledgers
from training.recipe import Recipe, load_recipe, recipe_names, recipe_of

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

CHARACTERS = 12_000
LOGIC_BYTES = 100_000
CODE_BYTES = 50_000
_ID = re.compile(r"[^\s`\"'()\[\],]+/[^\s/]+/seed-\d+/step-\d+/(?:LOG|PLAN)")
_EARLIER = ("selection_logic.md", "policy.toml", "policy.py", "coverage.json")


def policy_tools(
    desk: Desk, ledger: Path, earlier: Mapping[int, Path], recipes: Mapping[str, Recipe] | None = None
) -> list[BaseTool]:
    """The tools over one desk that set and explain. `earlier`: the iterations before this one, by number.

    `recipes`: such as are not shipped, by name.
    """
    known = {**{name: load_recipe(name) for name in recipe_names()}, **(recipes or {})}
    return [*_policy(desk, earlier), *_reasons(desk, ledger, earlier, known)]


def _policy(desk: Desk, earlier: Mapping[int, Path]) -> list[BaseTool]:
    refusals = (TrainingError,)
    return [
        model_tool(
            partial(read_policy, desk),
            "read_policy",
            "The selection policy as it stands: policy.toml and policy.py.",
            refusals=refusals,
        ),
        model_tool(
            partial(write_policy, desk),
            "write_policy",
            "Replace policy.toml: summary, total, order, [filters], [quotas]. What it may say: see the shipped one.",
            refusals=refusals,
            toml=(Annotated[str, Field(max_length=CODE_BYTES)], ...),
        ),
        model_tool(
            partial(write_policy_code, desk),
            "write_policy_code",
            "Replace policy.py: `def score(candidate: dict) -> float | None` over a candidate's features (None leaves "
            'it out; order = "score" sorts by it). It runs contained, without network. An empty text removes it.',
            refusals=refusals,
            python=(Annotated[str, Field(max_length=CODE_BYTES)], ...),
        ),
        model_tool(
            partial(reset_policy, desk, earlier),
            "reset_policy",
            "Go back to the shipped policy (iteration 0), or take over an earlier iteration's.",
            refusals=refusals,
            iteration=(Annotated[int, Field(ge=0)], 0),
        ),
    ]


def _reasons(desk: Desk, ledger: Path, earlier: Mapping[int, Path], known: Mapping[str, Recipe]) -> list[BaseTool]:
    refusals = (TrainingError,)
    return [
        model_tool(
            partial(write_selection_logic, desk),
            "write_selection_logic",
            "Replace selection_logic.md: your criteria in words, quoting accepted and rejected examples by id.",
            refusals=refusals,
            markdown=(Annotated[str, Field(min_length=100, max_length=LOGIC_BYTES)], ...),
        ),
        model_tool(
            partial(read_earlier, earlier),
            "read_earlier",
            "A file of an earlier iteration.",
            refusals=refusals,
            iteration=(Annotated[int, Field(ge=1)], ...),
            file=(Literal[_EARLIER], "selection_logic.md"),
            offset=(Annotated[int, Field(ge=0)], 0),
        ),
        model_tool(
            partial(read_past_runs, ledger),
            "read_ledger",
            "Every training run so far: data, configuration, losses, progression per seed.",
            refusals=refusals,
            offset=(Annotated[int, Field(ge=0)], 0),
        ),
        model_tool(
            partial(read_recipe, desk, known),
            "read_recipe",
            "The recipe written so far, or another one by name.",
            refusals=refusals,
            name=(
                Annotated[str, Field(max_length=100, description=f"One of {', '.join(known)}; or empty")],
                "",
            ),
        ),
        model_tool(
            partial(write_recipe, desk, earlier),
            "write_recipe",
            "Replace the recipe of this iteration: rationale, data decision, one or two LoRA configurations, as JSON.",
            refusals=refusals,
            recipe=(dict[str, Any], ...),
        ),
    ]


def read_policy(desk: Desk) -> str:
    """Both parts of the policy."""
    code = desk.code_file.read_text(encoding="utf-8") if desk.code_file.exists() else "(there is none)"
    return f"policy.toml:\n{desk.policy_file.read_text(encoding='utf-8')}\n\npolicy.py:\n{code}"


def write_policy(desk: Desk, *, toml: str) -> str:
    """Replace the declarative part."""
    policy = desk.write_policy(toml)
    return f"Written: at most {policy.total} examples by {policy.order}. preview_selection shows what it selects."


def write_policy_code(desk: Desk, *, python: str) -> str:
    """Replace the code, tried on every candidate first."""
    desk.write_code(python)
    return "Removed." if not python.strip() else 'Written, and tried on all candidates. order = "score" sorts by it.'


def reset_policy(desk: Desk, earlier: Mapping[int, Path], *, iteration: int) -> str:
    """Go back."""
    if iteration and iteration not in earlier:
        raise TrainingError(
            f"There is no iteration {iteration} before this one: there are {sorted(earlier) or 'none'}."
        )
    desk.reset_policy(earlier[iteration] / "selection" if iteration else None)
    return "Done."


def write_selection_logic(desk: Desk, *, markdown: str) -> str:
    """Replace the selection logic; it must quote what was decided."""
    decisions = desk.decisions()
    quoted = set(_ID.findall(markdown))
    if unknown := sorted(quoted - desk.by_id.keys()):
        raise TrainingError(f"It quotes {unknown[0][:200]!r}, which is no candidate; nothing was written.")
    for verdict in ("accept", "reject"):
        if not any(one in decisions and decisions[one].verdict == verdict for one in quoted):
            raise TrainingError(
                f"It quotes no {verdict}ed example: decide on some and name one by its id, with words of it."
            )
    desk.logic_file.write_text(markdown, encoding="utf-8")
    return "Written."


def read_earlier(earlier: Mapping[int, Path], *, iteration: int, file: str, offset: int) -> str:
    """A file of an earlier iteration."""
    path = earlier[iteration] / "selection" / file if iteration in earlier else None
    if path is None or not path.exists():
        raise TrainingError(f"Iteration {iteration} has no {file}: there are {sorted(earlier) or 'no earlier ones'}.")
    return page(path.read_text(encoding="utf-8"), offset, CHARACTERS, f"read_earlier {iteration} {file}")


def read_past_runs(ledger: Path, *, offset: int) -> str:
    """The ledger, as a table."""
    return page(ledgers.render(ledgers.read(ledger)), offset, CHARACTERS, "read_ledger")


def read_recipe(desk: Desk, known: Mapping[str, Recipe], *, name: str) -> str:
    """A recipe as JSON."""
    if name and name not in known:
        raise TrainingError(f"There is no recipe {name[:100]!r}: there are {', '.join(known)}.")
    recipe = known[name] if name else desk.recipe()
    return recipe.model_dump_json(indent=2) if recipe is not None else "None is written yet."


def write_recipe(desk: Desk, earlier: Mapping[int, Path], *, recipe: dict[str, Any]) -> str:
    """Replace the recipe."""
    parsed = recipe_of(json.loads(json.dumps(recipe)), "This")
    reuse = parsed.data.reuse_iteration
    if parsed.data.source == "reuse" and (not earlier or (reuse is not None and reuse not in earlier)):
        raise TrainingError(f"There is no selection of iteration {reuse or 'any'} to reuse: choose source regenerate.")
    desk.write_recipe(parsed)
    return f"Written: {parsed.data.source}, {len(parsed.configurations)} configuration(s)."
