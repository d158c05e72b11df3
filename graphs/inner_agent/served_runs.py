"""The runs of a server that played an episode, kept in its folder (served.jsonl): a run that is repeated plays once.

A server that was killed runs again what it believes to be unfinished, under the same id, with the same input. The step
that each run plays to is therefore written down when it begins. A run without an id (Python, the command line) is not.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from traces import EpisodeFolder
from traces.folders import disk_failure
from traces.plain_json import dump, load

PROCESS = uuid.uuid4().hex
"""Names this process among those that played an episode."""


@dataclass(frozen=True, slots=True)
class ServedRun:
    """One run of a server, as it began."""

    run: str
    """Its id."""
    begins: int
    """The step that was to be played first."""
    until: int
    """The next step to play when the run has played all its steps."""
    process: str
    """Where it began: see PROCESS."""
    fork: str | None = None
    """The folder that the run forked the episode to; None if it plays the episode itself."""


class ServedRuns:
    """The runs that an episode's folder knows of."""

    def __init__(self, folder: EpisodeFolder) -> None:
        """Read them. A line that was cut off by a kill counts for nothing: its run had not begun to play."""
        self.playing: str | None = None
        """The id of the run that is playing; None outside a server. Set by every node."""
        self._path = folder.path / "served.jsonl"
        self._known: dict[str, ServedRun] = {}
        lines = self._path.read_bytes().splitlines(keepends=True) if self._path.exists() else []
        for line in lines:
            if line.endswith(b"\n"):
                one = ServedRun(**load(line))
                self._known[one.run] = one

    def get(self, run: str | None) -> ServedRun | None:
        """The run with this id; None if it has not begun here."""
        return None if run is None else self._known.get(run)

    @property
    def last(self) -> ServedRun | None:
        """The run that last began to play this episode, not a fork of it."""
        return next((one for one in reversed(self._known.values()) if one.fork is None), None)

    def steps_left(self, step: int, asked: int) -> int:
        """World steps that the run that is playing, which asked for so many, still has to play from `step` on."""
        if self.playing is None:
            return asked
        begun = self.get(self.playing) or self.begin(self.playing, step, asked)
        return max(0, begun.until - step)

    def begin(self, run: str, begins: int, steps: int, fork: str | None = None) -> ServedRun:
        """Write down a run that has not begun here before. Raises TraceFailure."""
        one = ServedRun(run, begins, begins + steps, PROCESS, fork)
        fields = {"run": run, "begins": begins, "until": one.until, "process": PROCESS, "fork": fork}
        try:
            with self._path.open("ab") as file:
                file.write(dump(fields) + b"\n")
        except OSError as error:
            raise disk_failure("write", self._path, error) from error
        self._known[run] = one
        return one
