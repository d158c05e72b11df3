"""The reviewer's own analysis: a contained Python script over its runs, and what it printed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from graphs.model_tool import model_tool
from graphs.reviewer.quoting import readable
from scaffolds.containment.script import ScriptBounds, run_script

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

CHARACTERS = 12_000
"""Of what a script printed that is shown: from its beginning, and of its error the end."""
_ERROR = 3_000
_DESCRIPTION = """\
Run a Python script over the runs, contained: no network, no files but the runs (read-only at /runs/NAME) and an empty \
/tmp, {wall:.0f} s, {memory} MB. There are the standard library, numpy, and the packages of the traces:
  from pathlib import Path
  from traces import RunFolder, TraceReader, read_result
  for episode in RunFolder(Path("/runs/NAME")).episodes():  # NAME is one of: {names}
      result = read_result(episode)              # None while it is played; .progression, .metrics ...
      with TraceReader(episode) as reader:
          for step in reader.outlines():         # all but the prompts; reader.step(n) is a whole record
              step.step, step.observation["long"], step.action, step.reward, step.info["progression"]
              for talk in step.conversations:    # talk.routine is "LOG" or "PLAN"
                  for one in talk.operations: one.operation, one.arguments, one.outcome, one.file
  traces.flags.flagged_steps(reader.outlines()) yields (step, flags): flags.unproductive is "stuck", "oscillating" \
or None
What the script prints is the result; print little."""


def analysis_tool(runs: Mapping[str, Path], *, bounds: ScriptBounds | None = None) -> BaseTool:
    """The tool `run_python` over these runs (name and run folder)."""
    bounds = bounds or ScriptBounds()
    description = _DESCRIPTION.format(wall=bounds.wall_s, memory=bounds.memory_mb, names=", ".join(runs) or "none yet")
    return model_tool(
        partial(_run, runs, bounds),
        "run_python",
        description,
        refusals=(ValueError,),
        code=(Annotated[str, Field(description="The whole script; nothing is kept from one call to the next")], ...),
    )


def _run(runs: Mapping[str, Path], bounds: ScriptBounds, code: str) -> str:
    """Run a script. ValueError for one that is too long; CannotContain where this machine can contain nothing."""
    there = {name: path for name, path in runs.items() if path.exists()}
    result = run_script(code, there, bounds=bounds)
    shown = readable(result.output[:CHARACTERS])
    parts = [shown.rstrip("\n")] if shown.strip() else []
    if len(result.output) > CHARACTERS:
        more = len(result.output) - CHARACTERS
        parts.append(f"… {more:,} characters more were printed: print less, or a part of it")
    if result.error.strip():
        cut = "… " if len(result.error) > _ERROR else ""
        parts.append(f"Standard error:\n{cut}{readable(result.error[-_ERROR:]).strip()}")
    parts += [result.sentence] if result.sentence else []
    return "\n".join(parts) or "It ended and printed nothing."
