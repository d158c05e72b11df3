"""Hooks: what they get, what they may answer, and how it is said when they break their promise."""

import json
import sys
from dataclasses import asdict

import pytest

from memory_fs import MemoryFS, NotebookFailure
from scaffolds import HookFailure, Repair, Scaffold, ScaffoldError, Send, Veto, View
from scaffolds.hooks import decision

VIEW = View(
    step=7,
    observation={"long": "l", "short": "s"},
    action=None,
    actions=("Noop", "Do"),
    world="crafter",
    task="default",
)
IMPORTS = "from scaffolds import NotebookView, Repair, Send, Veto, View\n\n\n"
STATUS = ("[files.\"strategy.md\"]\n", "[files.\"strategy.md\"]\nmaintained_by = \"hooks\"\n")  # fmt: skip


@pytest.fixture
def hooks_of(make_scaffold):
    """The runner of the given methods of class Hooks, which may write strategy.md."""

    def make(*methods: str, name: str = "mine"):
        lines = "".join(f"    {line}\n" for method in methods for line in method.split("\n"))
        if "def maintain" not in lines:
            lines += "    def maintain(self, view, notebook): ...\n"
        code = f"{IMPORTS}class Hooks:\n{lines}"
        folder = make_scaffold({"hooks.py": code, "scaffold.toml": STATUS}, name=name)
        hooks = Scaffold.load(folder, trust_code=True).hooks()
        assert hooks is not None
        return hooks

    return make


def test_a_scaffold_without_hooks_has_no_runner():
    assert Scaffold.load("crafter/v0").hooks() is None


def test_state_lives_for_one_episode(make_scaffold):
    code = "SEEN = []\n\n\nclass Hooks:\n    def observe(self, view):\n"
    code += "        SEEN.append(view.step)\n        return [str(SEEN)]\n"
    scaffold = Scaffold.load(make_scaffold({"hooks.py": code}), trust_code=True)
    first, second = scaffold.hooks(), scaffold.hooks()
    assert first.observe(VIEW) == ["[7]"]
    assert first.observe(VIEW) == ["[7, 7]"]
    assert second.observe(VIEW) == ["[7]"], "module globals are no way from one episode to another"


def test_entry_points_that_are_not_there_change_nothing(hooks_of, tmp_path):
    hooks = hooks_of("pass")
    assert hooks.observe(VIEW) == []
    assert hooks.act("anything", VIEW) == Send("anything")
    hooks.close()


def test_reading_code_leaves_no_trace(hooks_of, tmp_path):
    before = set(sys.modules)
    hooks_of("def observe(self, view): return []").observe(VIEW)
    assert not list(tmp_path.rglob("__pycache__"))
    assert not [name for name in set(sys.modules) - before if "hooks" in name]


def test_dataclasses_with_text_annotations_work_in_hooks(make_scaffold):
    code = "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n"
    code += "@dataclass\nclass State:\n    seen: int = 0\n\n\n"
    code += "class Hooks:\n    def observe(self, view):\n        return [str(State())]\n"
    hooks = Scaffold.load(make_scaffold({"hooks.py": code}), trust_code=True).hooks()
    assert hooks.observe(VIEW) == ["State(seen=0)"]


def test_maintain_writes_only_the_files_declared_for_hooks(hooks_of, tmp_path):
    hooks = hooks_of("def maintain(self, view, notebook):\n    notebook.write('strategy.md', f'step {view.step}')")
    other = hooks_of("def maintain(self, view, notebook):\n    notebook.append('map_notes.md', 'x')", name="other")
    with MemoryFS(tmp_path / "notebook") as notebook:
        notebook.mark(7, "HOOKS")
        hooks.maintain(VIEW, notebook)
        assert notebook.at(notebook.revision) == {"strategy.md": "step 7"}
        with pytest.raises(
            HookFailure, match=r"hooks\.py:6: maintain, step 7: 'map_notes\.md' may not be written here"
        ):
            other.maintain(VIEW, notebook)
        assert "map_notes.md" not in notebook.index()


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
        ("def observe(self, view):\n    view.step = 8", "observe", "FrozenInstanceError"),
        ("def maintain(self, view, notebook):\n    return 1", "maintain", "must return None, not 1"),
        ("def maintain(self, view, notebook):\n    notebook.rewind(0)", "maintain", r"hooks\.py:6: .*AttributeError"),
        ("def act(self, action, view):\n    return action", "act", r"act\('do'\), step 7: .* not 'do'"),
        ("def act(self, action, view):\n    return None", "act", "must return Send, Repair or Veto, not None"),
        ("def act(self, action, view):\n    return Send('Do')", "act", r"use Repair\(action, why\)"),
        ("def act(self, action, view):\n    return Repair('Dance', 'fun')", "act", r"Repair\('Dance'\) is no action"),
        ("def act(self, action, view):\n    return Repair('Do', '')", "act", "needs a reason"),
        ("def act(self, action, view):\n    return Veto(' ')", "act", "needs a reason"),
    ],
)
def test_a_broken_promise_is_the_machines_failure_with_file_and_line(hooks_of, tmp_path, method, call, says):
    hooks = hooks_of(method)
    with MemoryFS(tmp_path / "notebook") as notebook:
        arguments = {"observe": (VIEW,), "maintain": (VIEW, notebook), "act": ("do", VIEW)}[call]
        with pytest.raises(HookFailure, match=says):
            getattr(hooks, call)(*arguments)


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


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("class Hooks:\n    def observe(self, view)\n", 2, "no Python: expected ':'"),
        ("import nothing_like_this\n", 1, "raised ModuleNotFoundError"),
        ("x = 1\n\n\nclass Hook: ...\n", None, "must define `class Hooks`"),
        ("class Hooks:\n    pass\n", None, "has none of observe, maintain, act"),
        ("class Hooks:\n    def observ(self, view): ...\n", 2, "no hook 'observ', did you mean 'observe'?"),
        ("class Hooks:\n    x = 1\n    def act(self, action): ...\n", 3, "written act(self, action, view)"),
        ("class Hooks:\n    async def act(self, action, view): ...\n", 2, "not async"),
        ("class Hooks:\n    def __init__(self):\n        0 / 0\n\n    def act(self, action, view): ...\n", 3, "Zero"),
        ("class Hooks:\n    def __init__(self, a): ...\n    def act(self, action, view): ...\n", None, "TypeError"),
        ("raise SystemExit\n", 1, "SystemExit"),
        ("\0", None, "null bytes"),
    ],
)  # fmt: skip
def test_a_fault_in_hooks_is_found_when_loading(make_scaffold, code, line, says):
    folder = make_scaffold({"hooks.py": code})
    with pytest.raises(ScaffoldError) as caught:
        Scaffold.load(folder, trust_code=True)
    assert str(caught.value).startswith(f"{folder / 'hooks.py'}:" + (f"{line}: " if line else " "))
    assert says in str(caught.value)


@pytest.mark.parametrize("answer", [Send("Do"), Repair("Do", "near"), Veto("no table")])
def test_requests_and_answers_survive_a_pipe_of_json(answer):
    view = View(**json.loads(json.dumps(asdict(VIEW))))
    assert asdict(view) | {"actions": list(VIEW.actions)} == asdict(VIEW) | {"actions": list(VIEW.actions)}
    assert decision(json.loads(json.dumps(asdict(answer)))) == answer


def test_what_is_no_decision_is_refused():
    with pytest.raises(KeyError):
        decision({"kind": "sent", "action": "Do", "why": "?"})
