"""Faults of hooks.py are found when the scaffold is loaded, by either runner, and said with file and line."""

import pytest

from scaffolds import Scaffold, ScaffoldError


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
def test_a_fault_in_hooks_is_found_when_loading(make_scaffold, trusted, code, line, says):
    folder = make_scaffold({"hooks.py": code})
    with pytest.raises(ScaffoldError) as caught:
        Scaffold.load(folder, trust_code=trusted)
    assert str(caught.value).startswith(f"{folder / 'hooks.py'}:" + (f"{line}: " if line else " "))
    assert says in str(caught.value)
