"""Hooks and operations while an episode runs: one suite for both runners, trusted code and contained code."""

import pytest

from memory_fs import MemoryFS, NotebookFailure, Outcome
from scaffolds import HookFailure, Repair, Scaffold, Send, Veto, View
from scaffolds.scaffold_code import ScaffoldCode
from worlds import make_world

VIEW = View(
    step=7,
    observation={"long": "l", "short": "s"},
    action=None,
    actions=("Noop", "Do"),
    world="crafter",
    task="default",
)
IMPORTS = "from scaffolds import NotebookView, Repair, Send, Veto, View\n\n\n"
KEPT_BY_HOOKS = ("[files.\"strategy.md\"]\n", "[files.\"strategy.md\"]\nmaintained_by = \"hooks\"\n")  # fmt: skip
MARKING = 'return notebook.upsert("map_notes.md", key=place, text=f"{how} x{times}")'
OPERATION = f'''from typing import Literal
from memory_fs import MemoryResult
from scaffolds import NotebookView, operation, refused


@operation(kind="record")
def mark(notebook: NotebookView, place: str, times: int, how: Literal["big", "small"]) -> MemoryResult:
    """Mark a place."""
    {MARKING}
'''
LISTED = {
    "record": ('"create", "done"]', '"create", "mark", "done"]'),
    "recall": ('"count", "act"]', '"count", "mark", "act"]'),
}


@pytest.fixture
def hooks_of(make_scaffold, begin, trusted):
    """The runner of the given methods of class Hooks, which may write strategy.md."""

    def make(*methods: str, name: str = "mine"):
        lines = "".join(f"    {line}\n" for method in methods for line in method.split("\n"))
        if "def maintain" not in lines:
            lines += "    def maintain(self, view, notebook): ...\n"
        folder = make_scaffold(
            {"hooks.py": f"{IMPORTS}class Hooks:\n{lines}", "scaffold.toml": KEPT_BY_HOOKS}, name=name
        )
        return begin(Scaffold.load(folder, trust_code=trusted))

    return make


@pytest.fixture
def run(make_scaffold, begin, trusted, tmp_path):
    """Runs the operation `mark` with another `body` on a notebook and returns its result and what was written."""

    def run_mark(body: str = "", kind: str = "record", **arguments: object):
        code = OPERATION.replace("record", kind)
        code = code.replace(MARKING, body) if body else code
        folder = make_scaffold({"operations.py": code, "scaffold.toml": LISTED[kind]})
        scaffold = Scaffold.load(folder, trust_code=trusted)
        hooks = None if trusted else begin(scaffold)
        actions = make_world("crafter").actions
        mark = scaffold.vocabulary("LOG" if kind == "record" else "PLAN", actions, hooks=hooks).get("mark")
        with MemoryFS(tmp_path / "notebook", scaffold.memory_limits()) as notebook:
            notebook.append("a.md", "one\ntwo")
            given = {"place": "1,2", "times": 3, "how": "big", **arguments}
            return mark.run(notebook, mark.arguments(**given)), notebook.at(notebook.revision)

    return run_mark


def test_code_outside_the_repository_is_contained_unless_trusted(make_scaffold, trusted, begin):
    code = "class Hooks:\n    def observe(self, view):\n        import os\n        return [str(os.getpid())]\n"
    scaffold = Scaffold.load(make_scaffold({"hooks.py": code}), trust_code=trusted)
    assert scaffold.contained is not trusted
    assert (begin(scaffold).observe(VIEW) == ["1"]) is not trusted


def test_state_lives_for_one_episode(make_scaffold, begin, trusted):
    code = "SEEN = []\n\n\nclass Hooks:\n    def observe(self, view):\n"
    code += "        SEEN.append(view.step)\n        return [str(SEEN)]\n"
    scaffold = Scaffold.load(make_scaffold({"hooks.py": code}), trust_code=trusted)
    first, second = begin(scaffold), begin(scaffold)
    assert first.observe(VIEW) == ["[7]"]
    assert first.observe(VIEW) == ["[7, 7]"]
    assert second.observe(VIEW) == ["[7]"], "module globals are no way from one episode to another"


def test_a_hook_sees_the_whole_view(hooks_of):
    hooks = hooks_of("def observe(self, view):\n    return [repr(view), type(view.actions).__name__]")
    assert hooks.observe(VIEW) == [repr(VIEW), "tuple"]


def test_text_of_any_kind_passes_unchanged(hooks_of):
    text = "a\u2028b\r\n\t\x00\x1b\U0001f40d|{{ }}\\\"'"
    hooks = hooks_of("def act(self, action, view):\n    return Veto(action)")
    assert hooks.act(text, VIEW) == Veto(text)


def test_entry_points_that_are_not_there_change_nothing(hooks_of):
    hooks = hooks_of("pass")
    assert hooks.observe(VIEW) == []
    assert hooks.act("anything", VIEW) == Send("anything")
    hooks.close()


def test_dataclasses_with_text_annotations_work_in_hooks(make_scaffold, begin, trusted):
    code = "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n"
    code += "@dataclass\nclass State:\n    seen: int = 0\n\n\n"
    code += "class Hooks:\n    def observe(self, view):\n        return [str(State())]\n"
    hooks = begin(Scaffold.load(make_scaffold({"hooks.py": code}), trust_code=trusted))
    assert hooks.observe(VIEW) == ["State(seen=0)"]


def test_printing_and_reading_input_disturb_nothing(hooks_of, trusted):
    if trusted:
        pytest.skip("trusted code prints where we do")
    hooks = hooks_of(
        "def observe(self, view):\n    import sys\n    print('{}', flush=True)\n    print('x', file=sys.stderr)\n"
        "    return [sys.stdin.read()]"
    )
    assert hooks.observe(VIEW) == hooks.observe(VIEW) == [""]


def test_maintain_writes_only_the_files_declared_for_hooks(hooks_of, tmp_path):
    hooks = hooks_of("def maintain(self, view, notebook):\n    notebook.write('strategy.md', f'step {view.step}')")
    other = hooks_of("def maintain(self, view, notebook):\n    notebook.append('map_notes.md', 'x')", name="other")
    with MemoryFS(tmp_path / "notebook") as notebook:
        notebook.mark(7, "HOOKS")
        hooks.maintain(VIEW, notebook)
        assert notebook.at(notebook.revision) == {"strategy.md": "step 7"}
        assert notebook.read("strategy.md").provenance == ((7, 1),)
        with pytest.raises(
            HookFailure, match=r"hooks\.py:6: maintain, step 7: 'map_notes\.md' may not be written here"
        ):
            other.maintain(VIEW, notebook)
        assert "map_notes.md" not in notebook.index()


def test_catching_the_refusal_of_a_forbidden_write_does_not_undo_the_attempt(hooks_of, tmp_path):
    hooks = hooks_of(
        "def maintain(self, view, notebook):\n    try:\n        notebook.append('map_notes.md', 'x')\n"
        "    except Exception:\n        pass"
    )
    with MemoryFS(tmp_path / "notebook") as notebook:
        with pytest.raises(HookFailure, match=r"hooks\.py: maintain, step 7: 'map_notes\.md' may not be written here"):
            hooks.maintain(VIEW, notebook)
        assert notebook.index() == {}


def test_maintain_reads_everything(hooks_of, tmp_path):
    method = (
        "def maintain(self, view, notebook):\n"
        "    found = [notebook.search('a.md', 'x').total, notebook.count('a.md', 'x').total]\n"
        "    found.append(notebook.index()['a.md'])\n"
        "    found += [notebook.read('a.md').text, notebook.tail('a.md', 1).text]\n"
        "    notebook.create('strategy.md')\n"
        "    notebook.upsert('strategy.md', 'k', str(found[:3]))"
    )
    hooks = hooks_of(method)
    with MemoryFS(tmp_path / "notebook") as notebook:
        notebook.append("a.md", "x\ny\nx x")
        hooks.maintain(VIEW, notebook)
        assert notebook.at(notebook.revision)["strategy.md"] == "k: [2, 2, 3]\n"


def test_results_of_the_notebook_arrive_whole(hooks_of, tmp_path):
    hooks = hooks_of(
        "def maintain(self, view, notebook):\n    self.seen = [notebook.search('a.md', 'x'), notebook.read('../a')]",
        "def observe(self, view):\n    return [repr(result) for result in self.seen]",
    )
    with MemoryFS(tmp_path / "notebook") as notebook:
        notebook.mark(3, "LOG")
        notebook.append("a.md", "x\ny\nx x")
        hooks.maintain(VIEW, notebook)
        assert hooks.observe(VIEW) == [repr(notebook.search("a.md", "x")), repr(notebook.read("../a"))]


@pytest.mark.parametrize(
    ("method", "call", "says"),
    [
        ("def observe(self, view):\n    return 1 / 0", "observe", r"hooks\.py:6: observe, step 7: ZeroDivisionError: "),
        (
            "def observe(self, view):\n    raise SystemExit(3)",
            "observe",
            r"hooks\.py:6: observe, step 7: SystemExit: 3",
        ),
        ("def observe(self, view):\n    return 'one'", "observe", "must return a list of texts, not 'one'"),
        ("def observe(self, view):\n    return [1]", "observe", r"must return a list of texts, not \[1\]"),
        ("def observe(self, view):\n    return ['x' * 16_001]", "observe", "may return 16,000 characters, not 16,001"),
        ("def observe(self, view):\n    view.step = 8", "observe", "FrozenInstanceError"),
        ("def observe(self, view):\n    return self.observe(view)", "observe", r"hooks\.py:6: .*RecursionError"),
        ("def maintain(self, view, notebook):\n    return 1", "maintain", "must return None, not 1"),
        ("def maintain(self, view, notebook):\n    notebook.rewind(0)", "maintain", r"hooks\.py:6: .*AttributeError"),
        ("def maintain(self, view, notebook):\n    notebook.read(1)", "maintain", r"hooks\.py:6: maintain, step 7: "),
        ("def act(self, action, view):\n    return action", "act", r"act\('do'\), step 7: .* not 'do'"),
        ("def act(self, action, view):\n    return None", "act", "must return Send, Repair or Veto, not None"),
        ("def act(self, action, view):\n    return Send('Do')", "act", r"use Repair\(action, why\)"),
        ("def act(self, action, view):\n    return Repair('Dance', 'fun')", "act", r"Repair\('Dance'\) is no action"),
        ("def act(self, action, view):\n    return Repair('Do', '')", "act", "needs a reason"),
        ("def act(self, action, view):\n    return Veto(' ')", "act", "needs a reason"),
        ("def act(self, action, view):\n    return Veto('x' * 16_001)", "act", "may have 16,000 characters"),
    ],
)
def test_a_broken_promise_is_the_machines_failure_with_file_and_line(hooks_of, tmp_path, method, call, says):
    hooks = hooks_of(method)
    with MemoryFS(tmp_path / "notebook") as notebook:
        arguments = {"observe": (VIEW,), "maintain": (VIEW, notebook), "act": ("do", VIEW)}[call]
        with pytest.raises(HookFailure, match=says) as caught:
            getattr(hooks, call)(*arguments)
        assert caught.value.kind == "hooks"


def test_hooks_that_cannot_be_made_fail_the_episode(make_scaffold, begin, trusted):
    code = "class Hooks:\n    def __init__(self):\n        1 / 1\n\n    def observe(self, view):\n        return []\n"
    scaffold = Scaffold.load(make_scaffold({"hooks.py": code}), trust_code=trusted)
    path = scaffold.code["hooks.py"].path
    scaffold.code["hooks.py"] = ScaffoldCode(path, code.replace("1 / 1", "1 / 0"))  # as if it failed now and then
    with pytest.raises(HookFailure, match=r"hooks\.py:3: Hooks\(\): ZeroDivisionError"):
        begin(scaffold)


def test_the_notebooks_own_failure_stays_the_notebooks(hooks_of, tmp_path):
    hooks = hooks_of("def maintain(self, view, notebook):\n    notebook.write('strategy.md', 'x')")
    notebook = MemoryFS(tmp_path / "notebook")
    notebook.close()
    with pytest.raises(NotebookFailure):
        hooks.maintain(VIEW, notebook)


def test_a_hook_cannot_change_what_others_see(hooks_of):
    hooks = hooks_of("def observe(self, view):\n    view.observation['long'] = 'mine'\n    return []")
    hooks.observe(VIEW)
    assert VIEW.observation == {"long": "l", "short": "s"}


@pytest.mark.parametrize("answer", [Send("Do"), Repair("Do", "near"), Veto("no table")])
def test_decisions_come_back_as_they_were_made(hooks_of, answer):
    hooks = hooks_of(f"def act(self, action, view):\n    return {answer!r}")
    assert hooks.act("Do", VIEW) == answer


def test_an_operation_answers_and_writes(run):
    result, files = run()
    assert (result.operation, result.outcome, result.revision) == ("mark", Outcome.WRITTEN, 2)
    assert files == {"a.md": "one\ntwo\n", "map_notes.md": "1,2: big x3\n"}


def test_a_refusal_is_an_answer_to_the_model(run):
    result, _ = run('return refused("At least once.")', times=0)
    assert (result.outcome, result.text, result.revision) == (Outcome.REJECTED, "At least once.", 1)


def test_a_result_keeps_what_the_notebook_said_of_it(run, tmp_path):
    result, _ = run('return notebook.search("a.md", "o")', kind="recall")
    assert (result.operation, result.lines, result.total) == ("mark", (1, 2), 2)
    assert result.provenance == ((0, 1), (0, 1))


def test_a_result_is_no_longer_than_any_other(run):
    result, _ = run('return refused("x" * 20_000)')
    assert len(result.text) == 16_000
    assert result.text.endswith("x\n… (cut here)")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 0 / 0", r"operations\.py:9: operation mark: ZeroDivisionError"),
        ("return 'done'", r"operations\.py: operation mark: it must return a MemoryResult, not 'done'"),
    ],
)
def test_what_breaks_in_an_operation_is_the_machines_failure(run, body, says):
    with pytest.raises(HookFailure, match=says):
        run(body)


def test_a_recall_cannot_write(run, tmp_path):
    with pytest.raises(HookFailure, match=r"'map_notes\.md' may not be written here: mark is of kind \"recall\""):
        run(kind="recall")
    with MemoryFS(tmp_path / "notebook") as notebook:
        assert notebook.index() == {"a.md": 2}


@pytest.mark.parametrize("name", ["../evil.md", "/etc/evil.md", "a/../../evil.md", "./.hidden", "a\\b", "evil\0.md"])
def test_the_notebook_refuses_names_that_lead_out_of_it(run, tmp_path, name):
    result, files = run(f"return notebook.append({name!r}, 'x')")
    assert result.outcome is Outcome.REJECTED
    assert files == {"a.md": "one\ntwo\n"}
    assert not list(tmp_path.rglob("*evil*"))
