"""The curator's other tools: the selection policy, its reasons in words, the recipe, what earlier iterations did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from graphs.agent.tools import model_tool, page
from graphs.curator.workspace import Workspace
from training import TrainingError
from training import ledger as ledgers
from training.recipe import Recipe, load_recipe, recipe_names, recipe_of

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

CHARACTERS = 12_000
LOGIC_BYTES = 100_000
CODE_BYTES = 50_000
_ID = re.compile(r"[^\s`\"'()\[\],]+/[^\s/]+/seed-\d+/step-\d+/(?:LOG|PLAN)")


ShippedPolicy = Literal["default", "by_effect", "credited"]


def policy_tools(
    workspace: Workspace, ledger: Path, earlier: Mapping[int, Path], recipes: Mapping[str, Recipe] | None = None
) -> list[BaseTool]:
    """The tools over one workspace that set and explain. `earlier`: the iterations before this one, by number.

    `recipes`: such as are not shipped, by name.
    """
    known = {**{name: load_recipe(name) for name in recipe_names()}, **(recipes or {})}
    tools = _Policies(workspace, ledger, earlier, known)
    functions = (
        *(tools.read_policy, tools.write_policy, tools.write_policy_code, tools.reset_policy),
        *(tools.write_selection_logic, tools.read_earlier, tools.read_ledger),
        tools.write_recipe,
    )
    recipe = f"The recipe written so far, or another one by name: {', '.join(known)}."
    return [
        *(model_tool(function, TrainingError) for function in functions),
        model_tool(tools.read_recipe, TrainingError, description=recipe),
    ]


_Code = Annotated[str, Field(max_length=CODE_BYTES)]
_Offset = Annotated[int, Field(ge=0)]


class _Policies:
    """The tools' functions; their docstrings are what the model reads."""

    def __init__(
        self, workspace: Workspace, ledger: Path, earlier: Mapping[int, Path], known: Mapping[str, Recipe]
    ) -> None:
        self._workspace = workspace
        self._ledger = ledger
        self._earlier = earlier
        self._known = known

    def read_policy(self) -> str:
        """The selection policy as it is now: policy.toml and policy.py."""
        code, policy = self._workspace.code_file, self._workspace.policy_file.read_text(encoding="utf-8")
        written = code.read_text(encoding="utf-8") if code.exists() else "(there is none)"
        return f"policy.toml:\n{policy}\n\npolicy.py:\n{written}"

    def write_policy(self, toml: _Code) -> str:
        """Replace policy.toml: summary, total, order, [filters], [quotas]. What it may say: see the shipped one."""
        policy = self._workspace.write_policy(toml)
        return f"Written: at most {policy.total} examples by {policy.order}. preview_selection shows what it selects."

    def write_policy_code(self, python: _Code) -> str:
        """Replace policy.py: `def score(candidate: dict) -> float | None` over a candidate's features (None leaves it
        out; order = "score" sorts by it). It runs contained, without network, and is tried on all candidates first. An
        empty text removes it."""
        self._workspace.write_code(python)
        return (
            "Removed." if not python.strip() else 'Written, and tried on all candidates. order = "score" sorts by it.'
        )

    def reset_policy(
        self,
        iteration: Annotated[int, Field(ge=0)] = 0,
        shipped: ShippedPolicy = "default",
    ) -> str:
        """Go back to a shipped policy (iteration 0; by_effect: only turns whose write is proven helpful, best first;
        credited: the most credited turns, none drawn by chance), or take over an earlier iteration's."""
        there = sorted(self._earlier) or "none"
        if iteration and iteration not in self._earlier:
            raise TrainingError(f"There is no iteration {iteration} before this one: there are {there}.")
        self._workspace.reset_policy(self._earlier[iteration] / "selection" if iteration else None, shipped)
        return "Done."

    def write_selection_logic(self, markdown: Annotated[str, Field(min_length=100, max_length=LOGIC_BYTES)]) -> str:
        """Replace selection_logic.md: your criteria in words, quoting accepted and rejected examples by id."""
        decisions = self._workspace.decisions()
        quoted = set(_ID.findall(markdown))
        if unknown := sorted(quoted - self._workspace.by_id.keys()):
            raise TrainingError(f"It quotes {unknown[0][:200]!r}, which is no candidate; nothing was written.")
        for verdict in ("accept", "reject"):
            if not any(one in decisions and decisions[one].verdict == verdict for one in quoted):
                raise TrainingError(
                    f"It quotes no {verdict}ed example: decide on some and name one by its id, with words of it."
                )
        self._workspace.logic_file.write_text(markdown, encoding="utf-8")
        return "Written."

    def read_earlier(
        self,
        iteration: Annotated[int, Field(ge=1)],
        file: Literal["selection_logic.md", "policy.toml", "policy.py", "coverage.json"] = "selection_logic.md",
        offset: _Offset = 0,
    ) -> str:
        """A file of an earlier iteration."""
        path = self._earlier[iteration] / "selection" / file if iteration in self._earlier else None
        if path is None or not path.exists():
            there = sorted(self._earlier) or "no earlier ones"
            raise TrainingError(f"Iteration {iteration} has no {file}: there are {there}.")
        return page(path.read_text(encoding="utf-8"), offset, CHARACTERS, f"read_earlier {iteration} {file}")

    def read_ledger(self, offset: _Offset = 0) -> str:
        """Every training run so far: data, configuration, losses, progression per seed."""
        return page(ledgers.render(ledgers.read(self._ledger)), offset, CHARACTERS, "read_ledger")

    def read_recipe(self, name: Annotated[str, Field(max_length=100)] = "") -> str:
        """The recipe written so far, or another one by name."""
        if name and name not in self._known:
            raise TrainingError(f"There is no recipe {name[:100]!r}: there are {', '.join(self._known)}.")
        recipe = self._known[name] if name else self._workspace.recipe()
        return recipe.model_dump_json(indent=2) if recipe is not None else "None is written yet."

    def write_recipe(self, recipe: dict[str, Any]) -> str:
        """Replace the recipe of this iteration: rationale, data decision, one or two LoRA configurations, as JSON."""
        parsed = recipe_of(json.loads(json.dumps(recipe)), "This")
        reuse, there = parsed.data.reuse_iteration, self._earlier
        if parsed.data.source == "reuse" and (not there or (reuse is not None and reuse not in there)):
            raise TrainingError(
                f"There is no selection of iteration {reuse or 'any'} to reuse: choose source regenerate."
            )
        self._workspace.write_recipe(parsed)
        return f"Written: {parsed.data.source}, {len(parsed.configurations)} configuration(s)."
