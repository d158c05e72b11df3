"""automem diff: the first thing that differs between two episodes of one seed, and whose doing it is."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.visible_text import one_line, visible
from graphs.settings import SettingsError
from memory_fs.results import plural
from traces import EpisodeFolder, RunFolder, read_result
from traces.divergence import Comparison, Divergence, compare
from traces.plain_json import dump

CONTEXT = 10
"""Lines shown around a difference."""

_FAULT = "After equal actions the world showed something else: same seed, same episode does not hold. This is a fault."


def diff(
    one: Annotated[Path, typer.Argument(help="Episode folder RUN/episodes/WORLD/TASK/seed-N, or a run.")],
    other: Annotated[Path, typer.Argument(help="Another episode of that seed, or another run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Name the first difference between two episodes of one seed, and whose doing it is; of two runs, per seed."""
    pairs = _pairs(one, other)
    compared = {name: (pair, compare(*pair)) for name, pair in pairs.items()}
    if as_json:
        found = {"/".join(name): _plain(pair, comparison) for name, (pair, comparison) in compared.items()}
        typer.echo(dump(found if _is_run(one) else next(iter(found.values()))).decode())
        return
    console = Console()
    if _is_run(one):
        console.print(_table(compared))
        return
    for pair, comparison in compared.values():
        for line in _lines(pair, comparison):
            console.print(Text(line), soft_wrap=True)


Pair = tuple[EpisodeFolder, EpisodeFolder]
Name = tuple[str, ...]


def _is_run(path: Path) -> bool:
    return not EpisodeFolder(path).steps.exists()


def _pairs(one: Path, other: Path) -> dict[Name, Pair]:
    """The episodes to compare, by world, task and seed. SettingsError where there are none."""
    if _is_run(one) != _is_run(other):
        raise SettingsError(f"{one} and {other} are an episode and a run: name two of the same kind.")
    if not _is_run(one):
        pair = EpisodeFolder(one.resolve()), EpisodeFolder(other.resolve())
        names = [each.path.parts[-3:] for each in pair]
        if names[0] != names[1]:
            raise SettingsError(
                f"{one} and {other} are different episodes: only two of one world, task and seed can be compared."
            )
        return {names[0]: pair}
    found = [{each.path.parts[-3:]: each for each in RunFolder(path.resolve()).episodes()} for path in (one, other)]
    for path, episodes in zip((one, other), found, strict=True):
        if not any(each.steps.exists() for each in episodes.values()):
            raise SettingsError(f"{path} holds no episode: name a run, or a folder RUN/episodes/WORLD/TASK/seed-N.")
    shared = [name for name in found[0] if name in found[1]]
    if not shared:
        raise SettingsError(f"{one} and {other} have no episode of one world, task and seed in common.")
    return {name: (found[0][name], found[1][name]) for name in shared if _begun(found[0][name], found[1][name])}


def _begun(*episodes: EpisodeFolder) -> bool:
    return all(each.steps.exists() for each in episodes)


def _plain(pair: Pair, comparison: Comparison) -> dict[str, Any]:
    divergence = comparison.divergence
    return {
        "episodes": [str(each.path) for each in pair],
        "settings": {name: list(values) for name, values in comparison.settings.items()},
        "steps": list(comparison.steps),
        "divergence": divergence and dataclasses.asdict(divergence),
        "scores": [_score(each) for each in pair],
    }


def _score(episode: EpisodeFolder) -> dict[str, Any] | None:
    result = read_result(episode)
    if result is None:
        return None
    return {"status": result.status, "progression": result.progression, "return": result.episode_return}


def _lines(pair: Pair, comparison: Comparison) -> Iterator[str]:
    for name, values in comparison.settings.items():
        left, right = (one_line(str(value), 60) for value in values)
        yield f"{one_line(name, 60)}: {left} | {right}"
    divergence = comparison.divergence
    if divergence is None:
        yield f"The episodes are equal, all {plural(comparison.steps[0], 'step')}."
        return
    yield f"First difference: step {divergence.step}, {divergence.cause}: {one_line(divergence.what, 200)}."
    if divergence.cause == "world":
        yield _FAULT
    yield from _difference(pair, divergence)
    after = " | ".join(str(max(0, steps - divergence.step)) for steps in comparison.steps)
    yield f"Steps after it: {after}"
    yield f"Scores: {' | '.join(_score_line(each) for each in pair)}"


def _difference(pair: Pair, divergence: Divergence) -> Iterator[str]:
    """Both texts as one, as `diff -u` shows them."""
    one, other = (visible(text, 200_000).splitlines() for text in (divergence.one, divergence.other))
    here, there = (visible(str(each.path), 200) for each in pair)
    yield from difflib.unified_diff(one, other, here, there, lineterm="", n=CONTEXT)


def _score_line(episode: EpisodeFolder) -> str:
    score = _score(episode)
    if score is None:
        return "not ended"
    return f"{score['status']}, progression {score['progression']:.1%}, return {score['return']:g}"


def _table(compared: dict[Name, tuple[Pair, Comparison]]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("task", "seed", "step", "whose doing", "what"):
        table.add_column(heading, overflow="fold")
    table.add_column("progression", justify="right")
    for (_, task, seed), (pair, comparison) in compared.items():
        found = comparison.divergence
        where = ("", "equal", "") if found is None else (str(found.step), found.cause, one_line(found.what, 80))
        scores = [_score(each) for each in pair]
        shown = " | ".join("–" if score is None else f"{score['progression']:.1%}" for score in scores)
        table.add_row(one_line(task, 40), seed.removeprefix("seed-"), *where, shown)
    return table
