"""What someone who watches an episode knows of it: the events a run streams, kept small and made safe to show."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from cli.notebook_watch import NotebookWatch, Pages
from cli.tiles import FrameFiles
from cli.visible_text import one_line, visible
from graphs.inner_agent.session import Session
from graphs.inner_agent.state import Position
from traces.records import total_tokens
from worlds.world import Frame

ROWS = 300
"""Rows of past events kept: a few screens."""

TITLE, RESULT = 300, 400
"""Characters kept of what an operation was asked, and of what it answered."""

BAD = ("invalid", "vetoed", "missing action", "rejected", "mistake")
QUIET = ("empty", "missing", "duplicate", "exists", "repaired")

Event = Mapping[str, Any]


class Row(NamedTuple):
    """One thing that happened."""

    kind: str
    """"step", "operation", "notice" or "action"."""
    where: str
    """The routine, for operations."""
    title: str
    outcome: str = ""
    text: str = ""
    mood: str = ""
    """"good", "quiet" or "bad"."""


class Said(NamedTuple):
    """A model's last reply."""

    routine: str
    role: str
    text: str
    tokens: Mapping[str, int | None]


class Watched:
    """An episode as it goes on. `take` everything the inner agent streams as "custom" and "updates".

    The agent's nodes run in threads. What is shown of the live world and notebook is therefore looked up only while the
    graph waits: between two nodes, and once the action is sent.
    """

    position: Position
    files: list[tuple[str, int]]
    """The notebook's files with their line counts."""
    frame: Frame
    """What the world looks like; empty text if it is not drawn."""

    def __init__(self, session: Session, who: str, *, draws: bool, files: FrameFiles | None = None) -> None:
        self.session = session
        self.who = who
        self.notebook = NotebookWatch(session.folder.memory, session.folder.journal)
        self.rows: deque[Row] = deque(maxlen=ROWS)
        self.said: Said | None = None
        self.step = session.position.step
        self.routine, self.turn, self.turns = "", 0, 0
        self.tokens = dict(session.account.tokens)
        self.asked_at: float | None = None
        """When the model was asked that has not answered yet."""
        self._due = False
        self._draws, self._frame_files = draws, files
        self._seen: tuple[int, int] | None = None
        self._pages: tuple[int, str, Pages] | None = None
        self.frame = ""
        self._look()

    def take(self, mode: str, data: Event) -> list[Row]:
        """Take in one chunk of the stream; the rows it adds."""
        if mode == "updates":
            self._look()
            for update in data.values():
                self._move(update or {})
            return []
        kinds = {"step": self._begin, "reply": self._reply, "operation": self._operation, "action": self._action}
        rows = kinds[data["event"]](data)
        self.rows.extend(rows)
        return rows

    def going_on(self) -> None:
        """The run is let go on: if a model is to be asked next, it is asked now."""
        if self._due:
            self.asked_at, self._due = time.monotonic(), False

    @property
    def progress(self) -> float:
        """In per cent."""
        return float(100 * self.position.info["progression"])

    @property
    def limit(self) -> int:
        """Steps the episode may have."""
        return self.session.world.max_steps

    def pages(self, name: str) -> Pages:
        """The lines of a file of the notebook, as they were when last looked at or later."""
        revision = self._seen[1] if self._seen else 0
        if self._pages is None or self._pages[:2] != (revision, name):
            self._pages = revision, name, self.notebook.pages(name)
        return self._pages[2]

    def _look(self) -> None:
        """Look at world and notebook, where they have changed."""
        session = self.session
        seen = session.world.steps, session.notebook.revision
        self.position = session.position
        if self._seen is None or seen[0] != self._seen[0]:
            self.frame = session.world.frame() if self._draws else ""
            if self._frame_files is not None:
                self._frame_files.write(session.world, self.position.step)
        if self._seen is None or seen[1] != self._seen[1]:
            self.files = session.files()
            self.notebook.follow()
        self._seen = seen

    def _move(self, update: Event) -> None:
        """A node has ended: the conversation goes on, or it does not."""
        conversation = update.get("conversation")
        if conversation is None:
            self._due, self.asked_at = False, None
            return
        self.routine, self.turn = conversation["routine"], len(conversation["calls"])
        self.turns = conversation["turns"]
        self._due = conversation["messages"][-1]["role"] != "assistant"
        if self._due:
            self.turn += 1
        else:
            self.asked_at = None

    def _begin(self, event: Event) -> list[Row]:
        self.step = event["step"]
        notices = [Row("notice", "", one_line(notice, RESULT), mood="quiet") for notice in event["notices"][:10]]
        return [Row("step", "", f"step {event['step']}"), *notices]

    def _reply(self, event: Event) -> list[Row]:
        self.asked_at = None
        text = visible(event["text"] or "")
        for call in event["tool_calls"][:20]:
            function = call.get("function", {})
            text += f"\n{one_line(str(function.get('name')), 80)}({_arguments(function.get('arguments'))})"
        self.said = Said(event["routine"], event["role"], text.strip("\n"), event["tokens"])
        self.tokens = total_tokens((self.tokens, event["tokens"]))
        return []

    def _operation(self, event: Event) -> list[Row]:
        outcome = str(event["outcome"])
        known = outcome in ("hit", "written", *QUIET, "rejected")
        mood = "quiet" if outcome in QUIET else "good" if outcome in ("hit", "written") else "bad"
        title, text = one_line(event["title"], TITLE), one_line(event["text"], RESULT)
        shown = one_line(outcome, 40) if known else f"mistake: {one_line(outcome, 40)}"
        return [Row("operation", event["routine"], title, shown, text, mood)]

    def _action(self, event: Event) -> list[Row]:
        how = "missing action" if event["how"] == "missing" else str(event["how"])
        chosen = event["chosen"]
        text = ""
        if chosen is not None and how != "valid":
            text = f"the model wrote: {one_line(chosen, TITLE)}"
        mood = "bad" if how in BAD else "quiet" if how in QUIET else "good"
        outcome = how + (f", reward {event['reward']:+g}" if event["reward"] else "")
        self.routine, self.turn = "", 0
        self._look()
        return [Row("action", "ACT", one_line(event["action"], 80), outcome, text, mood)]


def _arguments(written: object) -> str:
    return one_line(written if isinstance(written, str) else json.dumps(written, default=str), TITLE)
