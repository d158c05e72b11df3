"""The prompts a model is sent are those under version control: a change of prompt is a visible difference."""

import re

import prompt_snapshots
import pytest

PROMPTS = prompt_snapshots.prompts()


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_prompt_equals_its_snapshot(name):
    snapshot = (prompt_snapshots.FOLDER / name).read_text(encoding="utf-8")
    assert PROMPTS[name] + "\n" == snapshot, f"if this is meant: {prompt_snapshots.__doc__}"


def test_no_snapshot_is_left_over():
    assert {path.name for path in prompt_snapshots.FOLDER.iterdir()} == set(PROMPTS)


PIECES = re.compile(r"[^\r\n\w]?[^\W\d_]+|\d| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+")
"""What Qwen2.5's tokenizer cuts a text into before it merges bytes: a token never spans two pieces."""
MOST_PIECES = 395
"""450 tokens: by Qwen2.5's own tokenizer 394 pieces (crafter/small) are 448 tokens, 288 (minihack/small) 340."""


@pytest.mark.parametrize("name", sorted(name for name in PROMPTS if re.match("small-.*-system-", name)))
def test_a_small_scaffold_has_a_system_prompt_of_at_most_450_tokens(name):
    assert len(PIECES.findall(PROMPTS[name])) <= MOST_PIECES
