"""A replay page: one HTML file, for any browser and without a network, that shows one to three episodes of one seed.

The page holds its data in small deflated pieces, and unpacks what is looked at. Nothing a model wrote becomes markup:
the pieces are base64, the page's script writes texts as text nodes only, and its content security policy lets no other
script run. What the page does is in `replay_page/`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from traces.divergence import compare
from traces.effects import read_effects
from traces.folders import EpisodeFolder, disk_failure
from traces.reader import TraceReader
from traces.records import EpisodeResult
from traces.replay_blocks import Stream, packed, written
from traces.replay_notebook import NotebookBlocks
from traces.replay_steps import StepBlocks
from traces.replay_timeline import MARKS, Timeline
from traces.results import read_result

FORMAT = 1
MOST = 3
"""Episodes side by side: more do not fit on a screen."""

_PAGE = Path(__file__).with_name("replay_page")
_SCRIPTS = (
    *("dom", "data", "notebook", "frame", "prompt", "operations", "conversation", "files", "panel"),
    *("timeline", "search", "player"),
)
"""In the order in which they need each other; "main", which opens the page, comes last."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One episode to be shown."""

    folder: EpisodeFolder
    label: str
    """A short name, another for each."""
    about: dict[str, str]
    """More of it, in the order to be shown: scaffold, model, ..."""
    frames: Callable[[TraceReader, Timeline], Stream] | None = None
    """What the world looked like; called once the timeline is known. None: only texts are shown."""


def write_replay(path: Path, title: str, episodes: Sequence[Shown], report: Callable[[str], None]) -> int:
    """Write the page and return its size in bytes. `report` is called with what is being done.

    Raises ValueError for no or too many episodes, TraceFailure or NotebookFailure where one cannot be read or the page
    cannot be written; the file then is what it was.
    """
    if not 1 <= len(episodes) <= MOST:
        raise ValueError(f"A replay page shows 1 to {MOST} episodes, not {len(episodes)}.")
    return _write(path, title, _blocks(title, episodes, report))


def write_run_replay(path: Path, title: str, episodes: Sequence[Shown], report: Callable[[str], None]) -> int:
    """Write a page of any number of episodes, of which one at a time is shown and another can be chosen.

    As `write_replay` otherwise.
    """
    if not episodes:
        raise ValueError("A replay page shows at least one episode.")
    return _write(path, title, _choice_blocks(title, episodes, report))


def _write(path: Path, title: str, blocks: Iterable[tuple[str, str]]) -> int:
    beside = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            for piece in _html(title, blocks):
                file.write(piece)
            size = file.tell()
        beside.replace(path)
    except OSError as error:
        raise disk_failure("write", path, error) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return size


def served_page(title: str, source: str, scripts: str, style: str) -> str:
    """Return the page with its data left out: it asks for each piece below the address `source`.

    `scripts` and `style` are what the server adds to the page's own.
    """
    return "".join(_html(title, (), source, scripts, style))


def _html(
    title: str, blocks: Iterable[tuple[str, str]], source: str = "", scripts: str = "", more_style: str = ""
) -> Iterator[str]:
    from jinja2 import Environment, StrictUndefined

    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(replay_file("page.html"))
    style = replay_file("palette.css") + replay_file("page.css") + more_style
    script = "".join((*(replay_file(f"{name}.js") for name in _SCRIPTS), scripts, replay_file("main.js")))
    hashes = {"style_hash": _hash(style), "script_hash": _hash(script)}
    yield from template.generate(title=title, style=style, script=script, blocks=blocks, source=source, **hashes)


@cache
def replay_file(name: str) -> str:
    """Return one of the page's files, for pages that use it, too."""
    return (_PAGE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _blocks(title: str, episodes: Sequence[Shown], report: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Yield (id, content) of each of the page's data blocks, the one that lists all others last."""
    heads = []
    for number, shown in enumerate(episodes):
        head: dict[str, Any] = {}
        yield from _episode(number, shown, head, report)
        heads.append(head)
    head = {"format": FORMAT, "title": title, "marks": MARKS, "episodes": heads, "parting": _parting(episodes)}
    yield "head", written(packed(head))


def _choice_blocks(title: str, episodes: Sequence[Shown], report: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Yield the blocks of each episode with a head of its own, and last the head that names the choices."""
    for number, shown in enumerate(episodes):
        head: dict[str, Any] = {"prefix": f"c{number}-"}
        yield from _episode(0, shown, head, report, f"c{number}-")
        own = {"format": FORMAT, "title": title, "marks": MARKS, "episodes": [head], "parting": None}
        yield f"head-{number}", written(packed(own))
    yield "head", written(packed({"format": FORMAT, "choices": [one.label for one in episodes]}))


def _parting(episodes: Sequence[Shown]) -> dict[str, Any] | None:
    """The first step at which one of the others differs from the first episode, and what differs there."""
    found = [compare(episodes[0].folder, other.folder).divergence for other in episodes[1:]]
    first = min((one for one in found if one is not None), key=lambda one: one.step, default=None)
    return None if first is None else {"step": first.step, "what": f"{first.cause}: {first.what}"}


def _episode(
    number: int, shown: Shown, head: dict[str, Any], report: Callable[[str], None], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the blocks of an episode and fill its head."""
    result = read_result(shown.folder, content=True)
    about = dict(shown.about)
    if result is not None and result.status == "damaged" and result.failure is not None:
        about["damaged"] = result.failure.sentence
    final = result.final_observation if result else None
    with TraceReader(shown.folder) as reader:
        report(f"{shown.label}: reading {len(reader):,} steps")
        steps = StepBlocks(reader, final, read_effects(shown.folder))
        yield from _stream(f"{prefix}{number}-steps", steps)
        timeline = steps.timeline
        revision = timeline.revisions[-1] if timeline.revisions else 0
        notebook = NotebookBlocks(shown.folder.journal, revision, timeline.gains)
        yield from _stream(f"{prefix}{number}-notebook", notebook)
        frames = shown.frames(reader, timeline) if shown.frames is not None else None
        if frames is not None:
            report(f"{shown.label}: drawing")
            yield from _stream(f"{prefix}{number}-frames", frames)
    head |= {
        "label": shown.label,
        "about": about,
        "steps": len(timeline.marks),
        "revision": revision,
        "result": None if result is None else plain_result(result),
        "final": final and list(final.values()),
        "timeline": timeline.plain(),
        "arcs": [dataclasses.asdict(arc) for arc in notebook.arcs],
        "streams": {
            "steps": steps.head(),
            "notebook": notebook.head(),
            "frames": frames.head() if frames is not None else {"kind": "none", "note": "", "firsts": []},
        },
    }


def _stream(name: str, stream: Stream) -> Iterator[tuple[str, str]]:
    for number, piece in enumerate(stream.blocks()):
        yield f"{name}-{number}", written(piece)


def plain_result(result: EpisodeResult) -> dict[str, Any]:
    """Return what the page shows of a result."""
    whole = dataclasses.asdict(result)
    kept = ("status", "steps", "progression", "episode_return", "end_reason", "failure", "tokens", "cost", "metrics")
    return {name: whole[name] for name in kept}


__all__ = ["MOST", "Shown", "plain_result", "replay_file", "served_page", "write_replay", "write_run_replay"]
