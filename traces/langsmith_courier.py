"""Brings shipments to LangSmith in few requests, and remembers on disk how far each episode has come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traces.folders import EpisodeFolder
from traces.langsmith_episode import Choice, Shipment
from traces.langsmith_wire import Packed, Refused, Wire
from traces.plain_json import read_file, write_file

BATCH_BYTES = 2_000_000
"""A request is sent once it holds that much, or as many runs as the server takes in one: some ten steps."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How far an episode has been sent to one place."""

    steps: int = 0
    ended: str | None = None
    """The status its end was told with, if it was."""


class SentFile:
    """langsmith.json in an episode's folder: how far it has been sent, by address, project and choice."""

    def __init__(self, folder: EpisodeFolder, wire: Wire, choice: Choice) -> None:
        self._path: Path = folder.path / "langsmith.json"
        hidden = f" without {','.join(sorted(choice.hide))}" if choice.hide else ""
        sampled = f" sample {choice.sample:g}" if choice.sample < 1 else ""
        self._key = f"{wire.url} {wire.project}{sampled}{hidden}"

    def read(self) -> Sent:
        """Return what was sent; nothing where no file tells of any. Raises TraceFailure or TraceDamaged."""
        told = self._all().get(self._key, {})
        return Sent(int(told.get("steps", 0)), told.get("ended"))

    def write(self, sent: Sent) -> None:
        """Note what was sent. Raises TraceFailure."""
        write_file(self._path, {**self._all(), self._key: {"steps": sent.steps, "ended": sent.ended}})

    def _all(self) -> dict[str, Any]:
        found = read_file(self._path) if self._path.exists() else {}
        return found if isinstance(found, dict) else {}


class Courier:
    """Gathers shipments into requests. What it raises, LangSmithFailure, leaves the load as it is: `send` once more."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._load: list[tuple[Packed, Callable[[], None]]] = []
        self.refused: list[str] = []
        """What the server said of steps that it would not take."""

    def take(self, shipment: Shipment, arrived: Callable[[], None]) -> None:
        """Take a shipment along; `arrived` is called once it is there, or was refused for good."""
        self._load.append((self._wire.pack(shipment), arrived))
        while self._is_full():
            self._send_some()

    def send(self) -> None:
        """Send what is loaded."""
        while self._load:
            self._send_some()

    def _is_full(self) -> bool:
        operations = sum(packed.operations for packed, _ in self._load)
        return operations > self._wire.operations or sum(packed.size for packed, _ in self._load) >= BATCH_BYTES

    def _send_some(self) -> None:
        """Send as many of the first shipments as fit in one request; one alone may need several."""
        count, operations = 0, 0
        for packed, _ in self._load:
            operations += packed.operations
            if count and operations > self._wire.operations:
                break
            count += 1
        try:
            self._post([packed for packed, _ in self._load[:count]])
        except Refused as refused:
            if count == 1:
                self.refused.append(str(refused))
            else:
                self._send_one_by_one(count)
                return
        self._arrived(count)

    def _send_one_by_one(self, count: int) -> None:
        """Find what the server takes offence at, and leave that out."""
        for _ in range(count):
            try:
                self._post([self._load[0][0]])
            except Refused as refused:
                self.refused.append(str(refused))
            self._arrived(1)

    def _arrived(self, count: int) -> None:
        for _, arrived in self._load[:count]:
            arrived()
        del self._load[:count]

    def _post(self, load: Sequence[Packed]) -> None:
        runs = [run for packed in load for run in packed.runs]
        feedback = [one for packed in load for one in packed.feedback]
        limit = self._wire.operations
        if len(runs) + len(feedback) <= limit:
            if runs or feedback:  # steps that were not sampled hold neither
                self._wire.send(runs, feedback)
            return
        for start in range(0, len(runs), limit):
            self._wire.send(runs[start : start + limit], [])
        for start in range(0, len(feedback), limit):
            self._wire.send([], feedback[start : start + limit])
