"""The panels of `automem play` that show what the agent does: operations, reply, notebook, one file of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from cli.visible_text import one_line, visible
from cli.watched import Row, Watched
from memory_fs.results import plural

_MOODS = {"good": "green", "quiet": "yellow", "bad": "red"}
_ROUTINES = {"LOG": "magenta", "PLAN": "cyan", "ACT": "bold green"}

BETWEEN = " · "
NAME = 130
"""Characters of a file's name: a notebook takes 120 bytes."""


def panel(shown: RenderableType, title: str, border: str = "dim") -> Panel:
    """A framed part of the screen. The title is text, never markup: names in it may come from a model."""
    return Panel(shown, title=Text(title), title_align="left", border_style=border)


def line(text: str, width: int, style: str = "", *, pad: bool = False, more: str = "…") -> Text:
    """One line of at most `width` cells; `more` marks a cut."""
    cut = Text(text, style, no_wrap=True)
    cut.truncate(width, overflow="ellipsis" if more else "crop", pad=pad)
    return cut


def lines(shown: list[Text]) -> Text:
    """These lines, one below the other."""
    return Text("\n", no_wrap=True).join(shown)


def words(watched: Watched, width: int, height: int) -> Panel:
    """The model's observation; drawn together where there is little room, its status cut last."""
    inner, room = max(8, width - 4), max(1, height - 2)
    observation = watched.position.observation
    parts = [visible(text.strip("\n")) for text in (observation["long"], observation["short"]) if text.strip()]
    shown = _wrapped("\n\n".join(parts), inner)
    if len(shown) > room:
        lasting, status = _packed(parts[0], inner), _packed("\n\n".join(parts[1:]), inner)
        above = max(room - len(status), room // 2)
        shown = _cut(_cut(lasting, above, inner) + status, room, inner)
    return panel(Text("\n".join(shown), no_wrap=True), "what the model sees")


def _cut(shown: list[str], room: int, width: int) -> list[str]:
    """As many of these lines as there is room for; the last one says that there are more."""
    return shown if len(shown) <= room else [*shown[: room - 1], shown[room - 1][: width - 1] + "…"]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken between words where there are any."""
    return [piece.plain.rstrip() for piece in Text(text).wrap(Console(), width)] if text else []


def _packed(text: str, width: int) -> list[str]:
    """The same for lists in little room: their lines become one, separated by dots."""
    packed: list[str] = []
    for block in text.split("\n\n"):
        current = ""
        for row in filter(None, block.split("\n")):
            item = row.removeprefix("- ")
            joined = f"{current} {item}" if current.endswith(":") else f"{current} · {item}" if current else item
            if current and cell_len(joined) > width:
                packed += _wrapped(current, width)
                joined = item
            current = joined
        packed += _wrapped(current, width)
    return packed


def operations(watched: Watched, width: int, height: int) -> Panel:
    """What happened last, the newest at the bottom."""
    inner, room = width - 4, height - 2
    shown: list[Text] = []
    for age, row in enumerate(reversed(watched.rows)):
        if len(shown) >= room:
            break
        # What was answered is shown of the newest rows, if there is room, and where something went wrong.
        if row.text and (row.mood == "bad" or (height > 12 and age < room // 3)):
            shown.append(line(f"      {row.text}", inner, "dim"))
        shown.append(_row(row, inner))
    routine = watched.routine
    doing = f"{routine}, turn {watched.turn} of {watched.turns}" if routine else "operations"
    return panel(lines(shown[:room][::-1]), doing, _ROUTINES.get(routine, "dim"))


def _row(row: Row, width: int) -> Text:
    if row.kind == "step":
        return line(f"── {row.title} " + "─" * width, width, "dim", more="")
    if row.kind == "notice":
        return line(f"note  {row.title}", width, "yellow")
    shown = Text(no_wrap=True).append(f"{row.where:<5} ", _ROUTINES.get(row.where, ""))
    room = max(8, width - 8 - cell_len(row.outcome))
    shown.append_text(line(row.title, room, "bold" if row.kind == "action" else "", pad=True))
    shown.append(f"  {row.outcome}", _MOODS.get(row.mood, ""))
    shown.truncate(width, overflow="ellipsis")
    return shown


def reply(watched: Watched, width: int, height: int) -> Panel:
    """The model's last reply in this step, and how long it has been thinking about the next."""
    inner, room = width - 4, height - 2
    waiting = watched.asked_at is not None
    title, shown = "reply", Text(no_wrap=True)
    said = watched.said
    if said is not None:
        title = f"reply: {said.routine}, {said.role} model"
        if any(said.tokens.values()):
            title += f", {short(said.tokens['prompt'])} → {short(said.tokens['completion'])} tokens"
        pieces = [piece for written in said.text.split("\n") for piece in (chop_cells(written, inner) or [""])]
        if len(pieces) > room:
            pieces[room - 1 :] = [f"… {len(pieces) - room + 1} more lines"]
        shown.append("\n".join(pieces), "dim" if waiting else "")
    if watched.asked_at is not None:
        title = f"waiting for the model, {time.monotonic() - watched.asked_at:.0f} s"
    return panel(shown, title, "blue" if waiting else "dim")


def notebook_height(watched: Watched, height: int) -> int:
    """Rows for the list of files on a screen of `height`."""
    return max(3, min(len(watched.files), height // 4)) + 2


def notebook(watched: Watched, view: View, width: int, height: int) -> Panel:
    """The notebook's files: lines, and what changed last; the file changed last of all in bold."""
    inner, room = width - 4, height - 2
    files = watched.files
    chosen = _chosen(watched, view)
    first = max(0, min(chosen - room // 2, len(files) - room))
    names = min(max((cell_len(name) for name, _ in files), default=0), max(12, inner // 2))
    shown = []
    for number, (name, count) in enumerate(files[first : first + room], first):
        entry = Text("▸" if number == chosen else " ", no_wrap=True)
        style = "bold" if name == watched.notebook.latest else ""
        entry.append_text(line(one_line(name, NAME), names, style, pad=True))
        entry.append(f" {count:>5} ")
        entry.append_text(_last_change(watched, name, "at step " if inner >= 60 else "@"))
        entry.truncate(inner, overflow="ellipsis")
        shown.append(entry)
    if not files:
        off = watched.session.settings.notebook == "off"
        shown = [line("The notebook is off." if off else "No files yet.", inner, "dim")]
    title = f"notebook: {plural(len(files), 'file')}, {plural(sum(count for _, count in files), 'line')}"
    well = health_words(watched.session.account.health)
    return panel(lines(shown), BETWEEN.join([title, well] if well else [title]))


def _chosen(watched: Watched, view: View) -> int:
    return view.chosen([name for name, _ in watched.files], watched.notebook.latest)


def _last_change(watched: Watched, name: str, at: str) -> Text:
    touch = watched.notebook.touches.get(name)
    if touch is None:
        return Text()
    if not touch.step:
        return Text(" from the scaffold", "dim")
    fresh = touch.step == watched.step
    change = f"+{touch.added}" + (f" −{touch.dropped}" if touch.dropped else "")
    shown = Text().append(f" {change} {at}{touch.step}  ", "green" if fresh else "dim")
    return shown.append(touch.text, "" if fresh else "dim")


def file(watched: Watched, view: View, width: int, height: int) -> Panel:
    """The chosen file, from `view.above` lines before its end upward as far as there is room."""
    inner, room = width - 4, height - 2
    border = "blue" if view.opened else "dim"
    files = watched.files
    if not files:
        return panel(Text(), "no file", border)
    name = files[_chosen(watched, view)][0]
    pages = watched.pages(name)
    view.above = min(view.above, max(0, len(pages.lines) - room))  # the first page is full
    end = len(pages.lines) - view.above
    digits = len(str(pages.first + len(pages.lines)))
    shown: list[Text] = []
    start = end
    while start > 0 and len(shown) < room:
        start -= 1
        pieces = chop_cells(pages.lines[start], max(8, inner - digits - 2)) or [""]
        for index in reversed(range(len(pieces))):
            entry = Text(no_wrap=True).append(f"{pages.first + start if index == 0 else '':>{digits}}  ", "dim")
            shown.append(entry.append(pieces[index]))
    title = one_line(name, NAME)
    if end > 0:
        total = pages.first + len(pages.lines) - 1
        title += f": lines {pages.first + start}–{pages.first + end - 1} of {total}"
    else:
        title += ": empty"
    return panel(lines(shown[:room][::-1]), title, border)


def health_words(health: Mapping[str, float | None]) -> str:
    """What is known of the memory's health (`traces.health`), in few words; empty where nothing is."""
    forms = {
        "recall_hit_rate": "recalls {:.0%} hit",
        "repeated_recall_rate": "{:.0%} asked twice",
        "stale_recall_rate": "{:.0%} of lines stale",
        "never_recalled_rate": "writes {:.0%} never recalled",
        "results_prompt_share": "answers {:.0%} of prompts",
        "lines_per_100_steps": "{:+.0f} lines in 100 steps",
    }
    known = ((form, health.get(name)) for name, form in forms.items())
    return ", ".join(form.format(value) for form, value in known if value is not None)


def short(count: int | None) -> str:
    """A number in little space: 9,999, 12k, 3.4M; "unknown" where it is None."""
    if count is None:
        return "unknown"
    return f"{count:,}" if count < 10_000 else f"{count / 1e3:.0f}k" if count < 1e6 else f"{count / 1e6:.1f}M"


@dataclass
class View:
    """Which parts of the screen, and which file of the notebook."""

    colours: bool
    """Whether the terminal can show pictures."""
    name: str | None = None
    """The chosen file; by name, since files come and go. None: the one that changed last."""
    opened: bool = False
    above: int = 0
    """Lines scrolled up from the end of the opened file."""
    game: bool = False
    """Whether the game fills the screen."""

    def chosen(self, names: Sequence[str], latest: str | None) -> int:
        """Index of the chosen file among these names; `latest` is the one that changed last."""
        name = self.name if self.name in names else latest
        return names.index(name) if name in names else 0

    def press(self, key: str, names: Sequence[str], latest: str | None, page: int) -> None:
        """Take in a key; `names` are the notebook's files, `page` the lines to scroll by. Unknown keys do nothing."""
        at = self.chosen(names, latest)
        if key == "v":
            self.game = not self.game
        elif key.isdigit() and 0 < int(key) <= len(names):
            self._choose(names, int(key) - 1)
            self.opened = True
        elif self.opened:
            self._press_in_file(key, names, at, page)
        elif key in ("up", "down"):
            self._choose(names, at + (1 if key == "down" else -1))
        elif key == "enter" and names:
            self._choose(names, at)
            self.opened = True

    def _press_in_file(self, key: str, names: Sequence[str], at: int, page: int) -> None:
        up = {"up": 1, "down": -1, "page up": page, "page down": -page, "home": 10**9, "end": -(10**9)}
        if key in up:
            self.above = max(0, self.above + up[key])
        elif key in ("left", "right"):
            self._choose(names, at + (1 if key == "right" else -1))
        elif key in ("q", "escape", "backspace", "enter"):
            self.opened, self.above = False, 0

    def _choose(self, names: Sequence[str], at: int) -> None:
        if names:
            self.name, self.above = names[at % len(names)], 0
