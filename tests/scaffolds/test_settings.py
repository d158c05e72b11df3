"""Every fault of a scaffold.toml is named with its line and what to do."""

from pathlib import Path

import pytest

from scaffolds import Scaffold, ScaffoldError
from scaffolds.settings import line_of

PLAN = 'plan = ["search", "read", "tail", "count", "act"]'
LOG = 'log = ["search", "read", "tail", "count", "append", "write", "create", "done"]'


def line_with(path: Path, text: str) -> int:
    """The line on which the text stands, found without the code under test."""
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("edit", "at", "says"),
    [
        pytest.param(("[turns]", "[turn]"), "[turn]", "no setting 'turn', did you mean 'turns'?", id="unknown table"),
        pytest.param(("log = 10", "lgo = 10"), "lgo = 10", "'turns.lgo', did you mean 'log'?", id="unknown key"),
        pytest.param(("log = 10", 'log = "10"'), 'log = "10"', "valid integer, not '10'", id="wrong type"),
        pytest.param(("log = 10", "log = true"), "log = true", "valid integer, not True", id="bool is no number"),
        pytest.param(("log = 10", "log = 0"), "log = 0", "greater than or equal to 1, not 0", id="out of range"),
        pytest.param(("log = 10", "log ="), "log =", "no TOML", id="no TOML"),
        pytest.param(('world = "crafter"\n', ""), "# The paper's", "'world' is missing", id="missing key"),
        pytest.param(('world = "crafter"', 'world = "crafte"'), 'world = "crafte"', "mean 'crafter'?", id="world"),
        pytest.param(('"tags"', '"tag"'), '"tag"', "did you mean 'tags'?", id="unknown dialect"),
        pytest.param(('act = "gameplay"', 'act = "game"'), '"game"', "'memory' or 'gameplay'", id="unknown role"),
        pytest.param((PLAN + "\n", ""), "[vocabulary]", "'vocabulary.plan' is missing", id="no plan vocabulary"),
        pytest.param((PLAN, PLAN.replace("read", "raed")), "raed", "did you mean 'read'?", id="unknown operation"),
        pytest.param((PLAN, PLAN.replace("read", "search")), PLAN[:14], "listed twice", id="operation twice"),
        pytest.param((PLAN, PLAN.replace('"act"', '"act", "append"')), "plan = [", "PLAN records nothing", id="record"),
        pytest.param((PLAN, PLAN.replace('"act"', '"act", "done"')), "plan = [", "PLAN ends with act", id="done"),
        pytest.param((PLAN, 'plan = ["act"]'), "plan = [", "plan needs one of: search", id="plan without recall"),
        pytest.param((PLAN, 'plan = ["read"]'), "plan = [", "plan needs one of: act", id="plan without act"),
        pytest.param((LOG, 'log = ["read", "done"]'), "log = [", "log needs one of: append", id="log without record"),
        pytest.param((LOG, 'log = ["append", "done"]'), "log = [", "log needs one of: search", id="log without recall"),
        pytest.param((LOG, 'log = ["read", "append"]'), "log = [", "log needs one of: done", id="log without done"),
        pytest.param((LOG, LOG.replace('"done"', '"done", "act"')), "log = [", "LOG sends no action", id="act in log"),
        pytest.param(
            ('[files."strategy.md"]', '[files."../strategy.md"]'), '[files."../', "leaves the notebook", id="file name",
        ),
        pytest.param(
            ('[files."strategy.md"]\npurpose = ', '[files."strategy.md"]\npurpos = '),
            '[files."strategy', "purpose' is missing", id="no purpose",
        ),
        pytest.param(
            ('[files."strategy.md"]\n', '[files."strategy.md"]\nmaintained_by = "hooks"\n'),
            'maintained_by = "hooks"', "no hook `maintain`", id="hooks file without hooks",
        ),
    ],
)  # fmt: skip
def test_a_fault_names_file_line_and_remedy(make_scaffold, edit, at, says):
    folder = make_scaffold({"scaffold.toml": edit})
    toml = folder / "scaffold.toml"
    with pytest.raises(ScaffoldError) as caught:
        Scaffold.load(folder)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{toml}:{line_with(toml, at)}: ")
    assert "\n" not in str(caught.value)


def test_several_faults_are_counted(make_scaffold):
    folder = make_scaffold({"scaffold.toml": ("log = 10\nplan = 10", "log = 0\nplan = 0")})
    with pytest.raises(ScaffoldError, match=r"\(and 1 more\)"):
        Scaffold.load(folder)


def test_a_missing_or_unreadable_file_is_named(make_scaffold):
    folder = make_scaffold()
    (folder / "scaffold.toml").write_bytes(b'world = "\xff"')
    with pytest.raises(ScaffoldError, match="UTF-8"):
        Scaffold.load(folder)
    (folder / "scaffold.toml").unlink()
    with pytest.raises(ScaffoldError, match=r"no scaffold\.toml"):
        Scaffold.load(folder)
    with pytest.raises(ScaffoldError, match="did you mean 'crafter/v0'"):
        Scaffold.load("scaffolds/crafter/v00")


TOML = '''# a comment
world = "w"
turns = { log = 1 }

[vocabulary]
# before the array

log = [
    "read", # one
    "append",
]
plan = ["act"]

[files."a.md"]
# b
purpose = """
[turns]
log = 2
"""
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("world",), 2),
        (("turns", "log"), 3),
        (("turns", "plan"), 3),
        (("vocabulary",), 5),
        (("vocabulary", "log"), 8),
        (("vocabulary", "log", 0), 9),
        (("vocabulary", "log", 1), 10),
        (("vocabulary", "plan", 0), 12),
        (("vocabulary", "nothing"), 5),
        (("files", "a.md"), 14),
        (("files", "a.md", "purpose"), 16),
        (("nothing",), 1),
    ],
)
def test_lines_are_found_through_comments_arrays_and_long_texts(location, line):
    assert line_of(TOML, location) == line
