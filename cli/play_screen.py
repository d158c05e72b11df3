"""The screen of `automem play`: what it shows of an episode, as one Rich renderable for a given size. Draws nothing."""

from __future__ import annotations

from rich.console import RenderableType
from rich.layout import Layout
from rich.text import Text

from cli import play_panels as panels
from cli.pace import Pace
from cli.play_panels import View
from cli.tiles import Tiles, drawn
from cli.visible_text import one_line
from cli.watched import Watched

WIDE = 150
"""Columns from which the notebook has a column of its own, with the chosen file open in it."""

SMALL = (60, 16)
"""Columns and rows below which only the operations are shown."""

KEYS = "space pause  n step  + - speed  ↑↓ choose file  enter open  v game only  q quit"
FILE_KEYS = "↑↓ PgUp PgDn Home End scroll  ←→ other file  q close  space pause  n step"

LABELLED = 100
"""Columns from which every figure of the header has its name."""

WORDS = 34
"""Columns that what the model sees should have beside the game."""


def compose(watched: Watched, pace: Pace, view: View, width: int, height: int) -> RenderableType:
    """Everything, for a terminal of `width` × `height` cells."""
    body = max(3, height - 3)
    screen = Layout()
    screen.split_column(
        Layout(_header(watched, pace, width), size=2),
        Layout(_body(watched, view, width, body), size=body),
        Layout(panels.line(FILE_KEYS if view.opened else KEYS, width, "dim"), size=1),
    )
    return screen


def _body(watched: Watched, view: View, width: int, height: int) -> RenderableType:
    if view.opened and width < WIDE:
        return panels.file(watched, view, width, height)
    if width < SMALL[0] or height < SMALL[1] - 3:
        return panels.operations(watched, width, height)
    if view.game:
        return _game_alone(watched, view, width, height)
    left = _left_width(watched, width)
    body = Layout()
    if width < WIDE:
        agent = _agent(watched, view, width - left, height)
        body.split_row(Layout(_game(watched, view, left, height), size=left), agent)
        return body
    right = (width - left) // 2
    middle = _agent(watched, view, width - left - right, height, notebook=False)
    pages = Layout(_pages(watched, view, right, height), size=right)
    body.split_row(Layout(_game(watched, view, left, height), size=left), middle, pages)
    return body


def _left_width(watched: Watched, width: int) -> int:
    """Columns for the game: enough for a frame of text if half the screen is."""
    frame = watched.frame
    wanted = 4 + max(map(len, frame.split("\n"))) if isinstance(frame, str) else 0
    return max(min(wanted, width // 2), min(64, width * 2 // 5))


def _header(watched: Watched, pace: Pace, width: int) -> Text:
    session, settings, position = watched.session, watched.session.settings, watched.position
    badge, colour = _badge(watched, pace)
    first = Text(no_wrap=True)
    first.append(f" {badge} ", f"bold reverse {colour}")
    first.append(f"  {one_line(f'{settings.world}/{settings.task} seed {settings.seed}', 80)}", "bold")
    first.append(f"  {one_line(watched.who, 80)}  {one_line(session.scaffold.name, 40)}")
    if settings.notebook != "on":
        first.append(f"  notebook {settings.notebook}", "yellow")
    reward = f" ({position.reward:+g})" if position.reward else ""
    read, written = panels.short(watched.tokens["prompt"]), panels.short(watched.tokens["completion"])
    figures = (
        ("step ", f"{watched.step}/{watched.limit}"),
        ("progression " if width >= LABELLED else "", f"{watched.progress:.1f} %"),
        ("return ", f"{position.episode_return:g}{reward}"),
        ("tokens ", f"{read} in {written} out" if width >= LABELLED else f"{read}/{written}"),
        ("delay ", f"{pace.delay_s:g} s"),
    )
    second = " · ".join(f"{label}{figure}" for label, figure in figures)
    first.truncate(width, overflow="ellipsis")
    return panels.lines([first, panels.line(f" {second}", width)])


def _badge(watched: Watched, pace: Pace) -> tuple[str, str]:
    session = watched.session
    if watched.position.over:
        return f"ENDED {one_line(session.position.end_reason or '', 30)}".rstrip(), "cyan"
    if pace.held:
        return ("PAUSED", "yellow") if watched.asked_at is None else ("PAUSING", "yellow")
    return ("STEP", "green") if pace.paused else ("PLAYING", "green")


def _game(watched: Watched, view: View, width: int, height: int) -> RenderableType:
    """The world as people see it, above the model's observation."""
    picture = drawn(watched.frame, view.colours)
    if picture is None:
        return panels.words(watched, width, height)
    rows = picture.size(width - 4, (height - 4) * 3 // 5)[1] + 2
    whole = Layout()
    words = panels.words(watched, width, height - rows)
    whole.split_column(Layout(panels.panel(picture, "game"), size=rows), Layout(words))
    return whole


def _game_alone(watched: Watched, view: View, width: int, height: int) -> RenderableType:
    """The same side by side, or one below the other where a frame of text needs the width."""
    picture = drawn(watched.frame, view.colours)
    if picture is None:
        return panels.words(watched, width, height)
    columns, rows = picture.size(width - 4, height - 2)
    game, whole = panels.panel(picture, "game"), Layout()
    if isinstance(picture, Tiles) or columns + 4 + WORDS <= width:
        columns = picture.size(width - 4 - WORDS, height - 2)[0] + 4
        whole.split_row(Layout(game, size=columns), Layout(panels.words(watched, width - columns, height)))
    else:
        rows = min(rows, height - 7) + 2
        whole.split_column(Layout(game, size=rows), Layout(panels.words(watched, width, height - rows)))
    return whole


def _agent(watched: Watched, view: View, width: int, height: int, *, notebook: bool = True) -> Layout:
    """What the agent does: operations, its last reply, its notebook."""
    notes = panels.notebook_height(watched, height) if notebook else 0
    said = max(4, (height - notes) // 3)
    done = height - notes - said
    column = Layout()
    parts = [
        Layout(panels.operations(watched, width, done), size=done),
        Layout(panels.reply(watched, width, said), size=said),
    ]
    if notebook:
        parts.append(Layout(panels.notebook(watched, view, width, notes), size=notes))
    column.split_column(*parts)
    return column


def _pages(watched: Watched, view: View, width: int, height: int) -> Layout:
    """The notebook and, below, the chosen file."""
    notes = panels.notebook_height(watched, height)
    column = Layout()
    column.split_column(
        Layout(panels.notebook(watched, view, width, notes), size=notes),
        Layout(panels.file(watched, view, width, height - notes)),
    )
    return column
