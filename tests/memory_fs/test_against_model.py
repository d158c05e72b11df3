"""Random sequences of operations mean the same to the notebook and to the plain model, however often it is reopened."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from effort import effort
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_model import NotebookModel

from memory_fs import Limits, MemoryFS, Outcome, files_at

NAMES = st.sampled_from(["notes.md", "map.md", "levels/mines.md"])
WORDS = st.sampled_from(
    ["tree", "Tree at 3,4", "", "ß", "STRASSE", "3,4: water", "3,4: lava", "naïve ÅÄÖ", "a\tb", "x" * 90, "\u0130 😀"]
)
TEXTS = st.builds("".join, st.lists(st.one_of(WORDS, st.just("\n")), max_size=6))
KEYS = st.sampled_from(["3,4", "goal", "a:b"])
KEYWORDS = st.sampled_from(["tree", "TREE", "ss", "3,4", "", "å", ": ", "xxxx", "nowhere", "e\nT", "i\u0307", "\ud83d"])
NUMBERS = st.integers(min_value=0, max_value=99)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), NAMES, TEXTS),
        st.tuples(st.just("append"), NAMES, WORDS),
        st.tuples(st.just("write"), NAMES, TEXTS),
        st.tuples(st.just("create"), NAMES),
        st.tuples(st.just("upsert"), NAMES, KEYS, st.sampled_from(["tree", "water", "lava", "ä", ""])),
        st.tuples(st.just("search"), NAMES, KEYWORDS),
        st.tuples(st.sampled_from(["restore", "rewind", "fork"]), NUMBERS),
        st.tuples(st.just("reopen")),
    ),
    max_size=40,
)


class Pair:
    """A notebook and its model, given the same steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.forks = 0
        self.fs = MemoryFS(folder / "memory")
        self.model = NotebookModel()

    def do(self, step: tuple[object, ...]) -> None:
        name, *arguments = step
        own: Callable[..., None] | None = getattr(self, str(name), None)
        if own is not None:
            own(*arguments)
            return
        result = getattr(self.fs, str(name))(*arguments)
        assert result.outcome == getattr(self.model, str(name))(*arguments)
        assert result.revision == self.fs.revision == self.model.revision

    def search(self, name: str, keyword: str) -> None:
        result, expected = self.fs.search(name, keyword), self.model.search(name, keyword)
        if expected is None:
            assert result.outcome is Outcome.MISSING
            return
        assert result.outcome is (Outcome.HIT if expected else Outcome.EMPTY)
        assert list(result.lines) == expected
        assert result.total == len(expected) == self.fs.count(name, keyword).total
        assert list(result.provenance) == [self.model.files[name].lines[i - 1][1] for i in expected]

    def restore(self, number: int) -> None:
        revision = number % (self.model.revision + 1)
        assert self.fs.restore(revision).outcome == self.model.restore(revision)

    def rewind(self, number: int) -> None:
        revision = number % (self.model.revision + 1)
        self.fs.rewind(revision)
        self.model.rewind(revision)

    def fork(self, number: int) -> None:
        revision = number % (self.model.revision + 1)
        self.forks += 1
        fork = self.fs.fork(revision, self.folder / f"fork{self.forks}")
        assert self.fs.at(self.model.revision) == self.model.texts()
        self.fs.close()
        self.fs = fork
        self.model.rewind(revision)

    def reopen(self) -> None:
        self.fs = MemoryFS(self.fs.root)

    def on_disk(self) -> dict[str, str]:
        root = self.fs.root
        return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}

    def check(self) -> None:
        """The files on disk, the facts in memory and every earlier revision are the model's."""
        assert self.on_disk() == self.model.texts()
        assert self.fs.index() == {name: len(self.model.files[name].lines) for name in sorted(self.model.files)}
        for name, file in self.model.files.items():
            result = self.fs.read(name)
            assert list(result.provenance) == [source for _, source in file.lines]
        for revision in range(self.model.revision + 1):
            assert self.fs.at(revision) == self.model.texts(revision)
            assert files_at(self.fs.root.with_name(self.fs.root.name + ".journal.jsonl"), revision) == self.fs.at(
                revision
            )


@settings(derandomize=True, deadline=None, max_examples=effort(120, 400), database=None)
@given(STEPS)
def test_any_sequence_of_operations_means_what_the_model_says(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder))
        for number, step in enumerate(steps, 1):
            pair.fs.mark(number, "LOG")
            pair.model.step = number
            pair.do(step)
        pair.check()
        pair.reopen()
        pair.check()
        assert not (Path(folder) / "memory.found").exists()
        pair.fs.close()


def random_step(rng: random.Random) -> tuple[object, ...]:
    """A step over so few texts that they meet again and again."""
    name = rng.choice(["notes.md", "map.md"])
    text = "".join(rng.choice(["a: x", "a: y", "b: x", "", "\n", "\n", "\n"]) for _ in range(rng.randrange(9)))
    line = rng.choice(["a: x", "b", "a: y\nb", "c\n"])
    return rng.choice(
        [
            ("append", name, text),
            ("append", name, line),
            ("write", name, text),
            ("write", name, text.removesuffix("\n")),
            ("upsert", name, rng.choice("abc"), rng.choice("xyz")),
            ("upsert", name, rng.choice("abc"), rng.choice("xyz")),
            ("search", name, rng.choice(["x", "Y", "a:", "", "zz"])),
            ("restore", rng.randrange(100)),
            ("reopen",),
        ]
    )


def edited_a_little(pair: Pair, rng: random.Random) -> tuple[object, ...]:
    """Write a file again with one line changed, moved or its last newline gone: what a small splice must get right."""
    name = rng.choice(["notes.md", "map.md"])
    lines = pair.model.files[name].words if name in pair.model.files else []
    lines = [*lines]
    if lines and rng.random() < 0.7:
        lines[rng.randrange(len(lines))] = rng.choice(["a: x", "b: x", "c: y", "", *lines])
    return ("write", name, "\n".join(lines) + rng.choice(["", "\n"]))


@pytest.mark.parametrize("seed", range(6))
def test_long_runs_over_few_texts_keep_files_and_model_equal_after_every_step(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    pair = Pair(tmp_path)
    for number in range(1, 251):
        pair.fs.mark(number, "LOG")
        pair.model.step = number
        pair.do(edited_a_little(pair, rng) if rng.random() < 0.4 else random_step(rng))
        assert pair.on_disk() == pair.model.texts()
        pair.search("notes.md", rng.choice(["x", "a: ", "b", ""]))
    pair.check()


@settings(derandomize=True, deadline=None, max_examples=effort(15, 30), database=None)
@given(st.lists(st.tuples(NAMES, TEXTS, st.booleans()), max_size=12), st.integers(min_value=1, max_value=40))
def test_quotas_hold_and_a_refused_record_leaves_no_trace(records: list[tuple[str, str, bool]], most: int) -> None:
    limits = Limits(max_file_bytes=most, max_total_bytes=2 * most, max_files=2, max_file_lines=5)
    with tempfile.TemporaryDirectory() as folder, MemoryFS(Path(folder) / "memory", limits) as fs:
        for name, text, whole in records:
            before, revision = fs.at(fs.revision), fs.revision
            result = fs.write(name, text) if whole else fs.append(name, text)
            after = fs.at(fs.revision)
            assert len(after) <= 2
            assert all(len(kept.encode()) <= most and kept.count("\n") <= 5 for kept in after.values())
            assert sum(len(kept.encode()) for kept in after.values()) <= 2 * most
            if result.outcome is Outcome.REJECTED:
                assert result.code
                assert (after, fs.revision) == (before, revision)
