"""Contained code that fills the notebook's history: it may write at any time, but not without end."""

from dataclasses import replace

import pytest
from processes import alive

from memory_fs import MemoryFS
from scaffolds import HookFailure, Scaffold, View
from worlds import make_world

VIEW = View(step=1, observation={"long": "l", "short": "s"}, action=None, actions=("Do",), world="w", task="t")
WRITES = (
    "def maintain(self, view, notebook):\n"
    "    if view.step > {quiet}:\n        notebook.write('strategy.md', f'{{view.step}} ' * {words})"
)


@pytest.fixture
def notebook(tmp_path):
    with MemoryFS(tmp_path / "notebook") as opened:
        yield opened


def play(hooks, notebook, steps, first=1):
    for step in range(first, first + steps):
        hooks.observe(replace(VIEW, step=step))
        hooks.maintain(replace(VIEW, step=step), notebook)


def test_a_flood_into_the_notebooks_history_is_stopped_whenever_it_begins(attack, notebook):
    hooks = attack(WRITES.format(quiet=30, words=300_000))
    with pytest.raises(
        HookFailure, match=r"maintain, step 3\d: it has written [\d,]+ bytes into the notebook"
    ) as caught:
        play(hooks, notebook, 100)
    assert caught.value.kind == "output"
    assert not alive(hooks.pid)
    assert notebook.journal_bytes < 8 * 1024 * 1024


def test_steps_replayed_when_an_episode_is_taken_up_again_allow_no_flood(attack, notebook):
    hooks = attack(WRITES.format(quiet=0, words=150_000))
    for step in range(1, 1_001):
        hooks.observe(replace(VIEW, step=step))
    with pytest.raises(HookFailure, match="it has written"):
        play(hooks, notebook, 20, first=1_001)


def test_writing_that_keeps_pace_with_the_steps_is_no_flood(attack, notebook):
    hooks = attack(WRITES.format(quiet=0, words=200), journal_bytes=1, step_journal_bytes=1_000)
    play(hooks, notebook, 100)
    assert notebook.journal_bytes > 60_000


def test_a_flood_by_an_operation_is_stopped_too(make_scaffold, begin, needs_containment, notebook):
    code = "from memory_fs import MemoryResult\nfrom scaffolds import NotebookView, operation\n\n\n"
    code += (
        '@operation(kind="record")\ndef mark(notebook: NotebookView, place: str) -> MemoryResult:\n    """Mark."""\n'
    )
    code += "    return notebook.write('map_notes.md', place * 1_000)\n"
    listed = ('"create", "done"]', '"create", "mark", "done"]')
    scaffold = Scaffold.load(make_scaffold({"operations.py": code, "scaffold.toml": listed}))
    hooks = begin(scaffold, journal_bytes=20_000, step_journal_bytes=0)
    mark = scaffold.vocabulary("LOG", make_world("crafter").actions, hooks=hooks).get("mark")
    mark.run(notebook, mark.arguments(place="0123456789"))
    with pytest.raises(HookFailure, match=r"operations\.py: operation mark: it has written 20,\d+ bytes") as caught:
        mark.run(notebook, mark.arguments(place="9876543210"))
    assert caught.value.kind == "output"
