"""What a notebook means, as plainly as it can be said: the reference that property tests compare `MemoryFS` with."""

from __future__ import annotations

from dataclasses import dataclass, field

Line = tuple[str, tuple[int, int]]
"""A line and who wrote it: step and revision."""


@dataclass(frozen=True)
class PlainFile:
    """One file: its lines, and whether the last one has its newline."""

    lines: list[Line] = field(default_factory=list)
    ended: bool = True

    @property
    def words(self) -> list[str]:
        return [line for line, _ in self.lines]

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.words)[: None if self.ended else -1]


@dataclass
class NotebookModel:
    """Files in a dictionary, and the dictionary of every revision."""

    files: dict[str, PlainFile] = field(default_factory=dict)
    history: list[dict[str, PlainFile]] = field(default_factory=lambda: [{}])
    step: int = 0

    @property
    def revision(self) -> int:
        return len(self.history) - 1

    def texts(self, revision: int | None = None) -> dict[str, str]:
        """Return file -> text, as of a revision."""
        return {name: file.text for name, file in sorted(self.history[-1 if revision is None else revision].items())}

    def append(self, name: str, text: str) -> str:
        lines = _lines(text)
        if not lines:
            return "rejected"
        file = self.files.get(name, PlainFile())
        if name in self.files and all(line in file.words for line in lines):
            return "duplicate"
        return self._save(name, PlainFile(file.lines + [(line, self._now()) for line in lines]))

    def write(self, name: str, text: str) -> str:
        if name in self.files and self.files[name].text == text:
            return "duplicate"
        old = self.files.get(name, PlainFile()).lines
        lines = _lines(text)
        return self._save(name, PlainFile(_kept(old, lines, self._now()), not text or text.endswith("\n")))

    def create(self, name: str) -> str:
        return "exists" if name in self.files else self._save(name, PlainFile())

    def upsert(self, name: str, key: str, text: str) -> str:
        line = f"{key}: {text}"
        file = self.files.get(name, PlainFile())
        places = [i for i, word in enumerate(file.words) if word.startswith(key + ": ")]
        if not places:
            return self._save(name, PlainFile([*file.lines, (line, self._now())]))
        if file.words[places[-1]] == line:
            return "duplicate"
        lines = [*file.lines]
        lines[places[-1]] = (line, self._now())
        return self._save(name, PlainFile(lines, file.ended))

    def search(self, name: str, keyword: str) -> list[int] | None:
        """Return the numbers of the lines that contain the keyword; None when there is no such file."""
        if name not in self.files:
            return None
        return [i for i, word in enumerate(self.files[name].words, 1) if keyword.casefold() in word.casefold()]

    def restore(self, revision: int) -> str:
        then = self.history[revision]
        if self.texts() == self.texts(revision):
            return "duplicate"
        files = {}
        for name, file in then.items():
            old = self.files.get(name, PlainFile())
            files[name] = PlainFile(_kept(old.lines, file.words, self._now()), file.ended)
        self.files = files
        self.history.append(files)
        return "written"

    def rewind(self, revision: int) -> None:
        del self.history[revision + 1 :]
        self.files = self.history[-1]

    def _now(self) -> tuple[int, int]:
        return self.step, self.revision + 1

    def _save(self, name: str, file: PlainFile) -> str:
        self.files = {**self.files, name: file}
        self.history.append(self.files)
        return "written"


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _kept(old: list[Line], new: list[str], now: tuple[int, int]) -> list[Line]:
    """Lines at both ends that stay keep who wrote them; of the rest, so does each one that is still there."""
    head = 0
    while head < min(len(old), len(new)) and old[head][0] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[len(old) - 1 - tail][0] == new[len(new) - 1 - tail]:
        tail += 1
    rest = old[head : len(old) - tail]
    middle: list[Line] = []
    for word in new[head : len(new) - tail]:
        known = next((line for line in rest if line[0] == word), None)
        if known is not None:
            rest.remove(known)
        middle.append(known or (word, now))
    return old[:head] + middle + old[len(old) - tail :]
