"""automem adopt: a version that a search found, copied to where it can be used, with what changed and how it scored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli import options as o
from cli.lineage import Run, title
from cli.lineage_tree import WHY, score, score_on_holdout
from cli.visible_text import one_line
from graphs.reviewer.lineage import read
from graphs.reviewer.search import Search
from graphs.settings import SettingsError
from scaffolds import SHIPPED, Scaffold, compare
from traces.folders import disk_failure


def adopt(
    run: Run,
    version: Annotated[int, typer.Option(min=0, help="The version's number.")],
    to: Annotated[
        Path,
        typer.Option(help="New folder for the scaffold, such as scaffolds/WORLD/v1.", parser=o.written, metavar="PATH"),
    ],
    trust_scaffold_code: o.TrustScaffoldCode = False,
) -> None:
    """Copy a version of a search to a folder of its own; nothing else is changed."""
    search, records = Search.read(run), read(run)
    versions = {one.version: one for one in records if one.version is not None and one.kind in ("start", "attempt")}
    if version not in versions:
        known = ", ".join(f"v{number}" for number in versions) or "none yet"
        raise SettingsError(f"{run} has no version {version}; it has {known}.")
    if to.exists():
        raise SettingsError(f"{to} is there already: choose a new folder for the scaffold.")
    start, chosen = (
        Scaffold.load(search.folder.version(number), trust_code=trust_scaffold_code) for number in (0, version)
    )
    try:
        chosen.copy(to)
    except OSError as error:
        raise disk_failure("write", to, error) from error
    except KeyboardInterrupt:
        shutil.rmtree(to, ignore_errors=True)  # half a scaffold
        raise

    console = Console()
    console.print(Text(one_line(title(search), WHY), style="bold"))
    for number in sorted({0, version} & versions.keys()):
        one = versions[number]
        said = f"v{number}: {score(one)} on the gate seeds, {score_on_holdout(records, one)} on the hold-out seeds"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    console.print(f"what v{version} changes against v0:", markup=False, highlight=False)
    by_area = compare(start, chosen).by_area()
    for area, changes in by_area.items():
        for change in changes:
            wording = "" if change.structural else " (wording)"
            console.print(Text(f"  {area}: {one_line(change.what, WHY)}{wording}"), soft_wrap=True)
    if not by_area:
        console.print("  nothing", markup=False, highlight=False)
    if chosen.has_code and to.resolve().is_relative_to(SHIPPED):
        warning = f"warning: read the code in {to} before anything plays it: among the shipped scaffolds it runs"
        console.print(f"{warning} uncontained, with all your rights.", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written: {to}", markup=False, highlight=False, soft_wrap=True)
