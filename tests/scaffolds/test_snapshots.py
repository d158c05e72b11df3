"""The prompts a model is sent are those under version control: a change of prompt is a visible difference."""

import prompt_snapshots
import pytest

PROMPTS = prompt_snapshots.prompts()


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_prompt_equals_its_snapshot(name):
    snapshot = (prompt_snapshots.FOLDER / name).read_text(encoding="utf-8")
    assert PROMPTS[name] + "\n" == snapshot, f"if this is meant: {prompt_snapshots.__doc__}"


def test_no_snapshot_is_left_over():
    assert {path.name for path in prompt_snapshots.FOLDER.iterdir()} == set(PROMPTS)
