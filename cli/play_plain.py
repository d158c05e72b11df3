"""`automem play` without a screen: a short block of plain lines per step, for pipes, logs and simple terminals."""

from __future__ import annotations

import sys
from typing import TextIO

from cli.pace import Pace, play_steps
from cli.visible_text import one_line
from cli.watched import Row, Watched
from memory_fs.results import plural

WIDTH = 160
"""Characters of a line."""


class PlainLines:
    """Writes what happens as it happens. No colours, no control codes."""

    def __init__(self, watched: Watched, pace: Pace, to: TextIO | None = None) -> None:
        self._watched, self._pace = watched, pace
        self._to = to or sys.stdout
        self._lines = dict(watched.files)

    async def run(self, steps: int | None) -> None:
        """Play until the episode is over, or `steps` have been played."""
        await play_steps(self._watched, self._pace, self.tell, steps)

    def tell(self, rows: list[Row]) -> None:
        """Write what has just happened."""
        for row in rows:
            for line in getattr(self, f"_{row.kind}")(row):
                self.write(line)

    def write(self, line: str) -> None:
        """One line, at once; characters that the output's encoding lacks are escaped."""
        encoding = self._to.encoding or "utf-8"
        cut = line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
        self._to.write(cut.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._to.flush()

    def _step(self, row: Row) -> list[str]:
        observation = self._watched.moment.observation
        seen = (("sees", observation["long"]), ("self", observation["short"]))
        lists = [(label, text.replace(":\n- ", ": ").replace("\n- ", " · ")) for label, text in seen if text.strip()]
        return [row.title, *(f"  {label}  {one_line(text, WIDTH)}" for label, text in lists)]

    def _notice(self, row: Row) -> list[str]:
        return [f"  note  {row.title}"]

    def _operation(self, row: Row) -> list[str]:
        line = f"  {row.where:<5} {row.title[: WIDTH // 2]} → {row.outcome}"
        return [f"{line}: {row.text}" if row.text else line]

    def _action(self, row: Row) -> list[str]:
        watched = self._watched
        moment = watched.moment
        figures = f"progression {watched.progress:.1f} %, return {moment.episode_return:g}"
        if any(watched.tokens.values()):
            figures += f", tokens {watched.tokens['prompt']:,} in {watched.tokens['completion']:,} out"
        why = f" ({row.text})" if row.text else ""
        return [f"  ACT   {row.title} → {row.outcome}{why}; {figures}", *self._notebook()]

    def _notebook(self) -> list[str]:
        """What this step changed in the notebook."""
        files, before = self._watched.files, self._lines
        self._lines = dict(files)
        changed = [
            f"{one_line(name, 130)} {plural(count, 'line')} ({count - before.get(name, 0):+d})"
            for name, count in files
            if (touch := self._watched.notebook.touches.get(name)) and touch.step == self._watched.step
        ]
        return [f"  notes {', '.join(changed)}"] if changed else []
