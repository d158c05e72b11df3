"""Contained code that speaks the protocol itself: what it says is checked as if written by a stranger."""

import pytest
from processes import alive

from memory_fs import MemoryFS
from scaffolds import HookFailure, Scaffold, View
from worlds import make_world

VIEW = View(step=3, observation={"long": "l", "short": "s"}, action=None, actions=("Do",), world="w", task="t")
NESTED = "[" * 1000 + "]" * 1000
TO_PARENT = (  # the descriptor that the protocol uses, found by trying
    "    import json, os\n    def tell(data):\n        for fd in range(3, 12):\n            try:\n"
    "                if os.write(fd, data): return\n            except OSError:\n                pass\n"
)


def garbage(data: str, then: str = "") -> str:
    """An answer of its own making to the call of `observe`, which is the second (after `begin`)."""
    return f"def observe(self, view):\n{TO_PARENT}    tell({data})\n    {then or 'return []'}\n"


GARBAGE = {
    "bytes": (r"b'\xff\xfe\x00\n'", "no JSON"),
    "no JSON": (r"b'{]\n'", "no JSON"),
    "an empty line": (r"b'\n'", "no JSON"),
    "a number": (r"b'7\n'", "no JSON object"),
    "not a number": (r"b'{\"id\": 2, \"value\": NaN}\n'", "no JSON"),
    "half a character": (r"b'{\"id\": 2, \"value\": [\"\\ud800\"]}\n'", "no JSON"),
    "endless nesting": (r"b'[' * 500_000 + b'\n'", "no JSON"),
    "nesting without a value": (r"b'{\"id\": 2, \"x\":' + b'[' * 1000 + b']' * 1000 + b'}\n'", "neither a value"),
    "a nested number": (r"b'{\"id\": ' + b'[' * 1000 + b']' * 1000 + b'}\n'", "an unknown request id"),
    "a huge line": (r"b'x' * 2_000_000", "a line of more than 1,048,576 bytes"),
    "requests it may not make": (
        r"(b'{\"id\": 2, \"ask\": \"index\", \"arguments\": []}' + b' ' * 9_999 + b'\n') * 500",
        "asked for an unknown operation",
    ),
    "nothing": (r"b'{\"id\": 2}\n'", "neither a value nor a fault"),
    "another call's number": (r"b'{\"id\": 99, \"value\": []}\n'", "an unknown request id: 99"),
    "no number": (r"b'{\"value\": []}\n'", "an unknown request id: None"),
    "a request where none may be made": (
        r"b'{\"id\": 2, \"ask\": \"write\", \"arguments\": [\"a\", \"b\"]}\n'",
        "asked for an unknown operation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GARBAGE)
def test_an_answer_that_is_none_ends_the_process(attack, other, name):
    data, says = GARBAGE[name]
    hooks = attack(garbage(data))
    with pytest.raises(HookFailure, match=says) as caught:
        hooks.observe(VIEW)
    assert caught.value.kind == "garbage"
    assert not alive(hooks.pid)
    with pytest.raises(HookFailure, match=says):
        hooks.observe(VIEW)
    assert len(other.observe(VIEW)) == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('["not", "a", "decision"]', "something invalid"),
        (NESTED, "something invalid"),
        ('{"kind": ' + NESTED + "}", "something invalid"),
        ('{"kind": "send"}', "something invalid"),
        ('{"kind": "send", "action": 7}', "something invalid"),
        ('{"kind": "launch", "action": "Do", "why": "?"}', "something invalid"),
        ('{"kind": "repair", "action": "Fly", "why": "?"}', "is no action of the world"),
        ('{"kind": "veto", "why": ""}', "needs a reason"),
    ],
)
def test_a_forged_decision_is_checked_like_any_other(attack, value, says):
    data = f'{{"id": 2, "value": {value}}}\n'.encode()
    method = f"def act(self, action, view):\n{TO_PARENT}    tell({data!r})"
    with pytest.raises(HookFailure, match=says):
        attack(method).act("Noop", VIEW)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("7", r"hooks\.py: observe, step 3: it gives no reason"),
        (NESTED, "it gives no reason"),
        ('{"what": 7, "line": "x", "file": ["y"]}', "it gives no reason"),
        ('{"what": "a\\nb", "line": -1, "file": "/etc/passwd"}', r"hooks\.py: observe, step 3: a b$"),
        ('{"what": "' + "x" * 9_000 + '", "line": 5}', r"hooks\.py:5: observe, step 3: x{500}$"),
    ],
)
def test_a_forged_fault_is_told_with_care(attack, fault, says):
    data = f'{{"id": 2, "fault": {fault}}}\n'.encode()
    with pytest.raises(HookFailure, match=says):
        attack(f"def observe(self, view):\n{TO_PARENT}    tell({data!r})").observe(VIEW)


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        NESTED,
        '{"operation": "x", "outcome": "splendid", "text": "x"}',
        '{"operation": "x", "outcome": "hit", "text": 7}',
        '{"operation": "x", "outcome": "hit", "text": "x", "code": "none"}',
        '{"operation": "x", "outcome": "hit", "text": "x", "lines": ["a"]}',
        '{"operation": "x", "outcome": "hit", "text": "x", "provenance": [[1, 2, 3]]}',
        '{"operation": "x", "outcome": "hit", "text": "x", "file": "' + "x" * 5_000 + '"}',
    ],
)
def test_a_forged_result_is_checked(make_scaffold, begin, needs_containment, tmp_path, value):
    data = f'{{"id": 2, "value": {value}}}\n'.encode()
    code = "from memory_fs import MemoryResult\nfrom scaffolds import NotebookView, operation\n\n\n"
    code += '@operation(kind="recall")\ndef look(notebook: NotebookView) -> MemoryResult:\n    """Look."""\n'
    code += f"{TO_PARENT}    tell({data!r})\n"
    toml = ('"count", "act"]', '"count", "look", "act"]')
    scaffold = Scaffold.load(make_scaffold({"operations.py": code, "scaffold.toml": toml}))
    look = scaffold.vocabulary("PLAN", make_world("crafter").actions, hooks=begin(scaffold)).get("look")
    with (
        MemoryFS(tmp_path / "notebook") as notebook,
        pytest.raises(HookFailure, match=r"operations\.py: operation look: it answered with something invalid"),
    ):
        look.run(notebook, look.arguments())


def test_speaking_before_being_asked_is_noticed(attack):
    line = r"b'{\"id\": 2, \"value\": []}\n{\"id\": 3, \"value\": [\"forged\"]}\n'"
    hooks = attack(garbage(line, then="import time; time.sleep(100)"))
    assert hooks.observe(VIEW) == []
    with pytest.raises(HookFailure, match="wrote without being called"):
        hooks.observe(VIEW)


def test_forged_requests_write_no_more_than_the_code_may(attack, tmp_path):
    forged = b'{"id": 2, "ask": "write", "arguments": ["map_notes.md", "x"]}\n{"id": 2, "value": null}\n'
    method = f"def maintain(self, view, notebook):\n{TO_PARENT}    tell({forged!r})"
    with MemoryFS(tmp_path / "notebook") as notebook:
        with pytest.raises(HookFailure, match=r"'map_notes\.md' may not be written here"):
            attack(method).maintain(VIEW, notebook)
        assert notebook.index() == {}


def test_requests_without_end_are_stopped(attack, tmp_path):
    hooks = attack("def maintain(self, view, notebook):\n    while True:\n        notebook.index()", answer_s=20.0)
    with (
        MemoryFS(tmp_path / "notebook") as notebook,
        pytest.raises(HookFailure, match="1,000 notebook requests in one call") as caught,
    ):
        hooks.maintain(VIEW, notebook)
    assert caught.value.kind == "output"
    assert not alive(hooks.pid)


def test_the_notebook_cannot_be_flooded_in_one_call(attack, tmp_path):
    method = (
        "def maintain(self, view, notebook):\n"
        "    for n in range(900):\n        notebook.write('strategy.md', str(n % 10) * 99_999)"
    )
    with MemoryFS(tmp_path / "notebook") as notebook:
        with pytest.raises(HookFailure, match="wrote more than 4,194,304 bytes in one call"):
            attack(method, answer_s=20.0).maintain(VIEW, notebook)
        assert (tmp_path / "notebook.journal.jsonl").stat().st_size < 6_000_000
