"""A dataset is read as a stream, written whole, and refused with file and line."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from training import TrainingError, TrainingFailure
from training.dataset import Example, Message, dataset_digest, read_dataset, write_dataset


def row(*roles: str, **more: Any) -> str:
    messages = [{"role": role, "content": f"{role} speaks"} for role in roles]
    return json.dumps({"id": "a", "messages": messages, "certificate": None, **more})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    examples = [
        Example(
            id=f"run/{n}",
            messages=(Message(role="user", content="LOG 1\n\u2028é"), Message(role="assistant", content="<|DONE|>")),
            certificate={"trace": "abc", "spans": [[0, 8]]},
        )
        for n in range(3)
    ]
    path = tmp_path / "data" / "d.jsonl"
    assert write_dataset(path, examples) == 3
    assert list(read_dataset(path)) == examples
    digest = dataset_digest(path)
    write_dataset(path, examples)
    assert dataset_digest(path) == digest


def test_a_system_message_may_come_first_and_the_certificate_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(
        row("system", "user", "assistant", "user", "assistant") + '\n\n{"id": "b", "messages": '
        '[{"role": "user", "content": ""}, {"role": "assistant", "content": "x"}]}\n'
    )
    assert [len(example.messages) for example in read_dataset(path)] == [5, 2]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Input should be an object"),
        (row(), "does not end with assistant"),
        (row("system"), "does not end with assistant"),
        (row("user", "assistant", "user"), "does not end with assistant"),
        (row("assistant"), "message 1 is of assistant, user was expected"),
        (row("user", "user", "assistant"), "message 2 is of user, assistant was expected"),
        (row("user", "assistant", "system", "assistant"), "message 3 is of system, user was expected"),
        (row("user", "tool"), "messages.1.role: Input should be 'system', 'user' or 'assistant'"),
        (row("user", "assistant", id=""), "id: String should have at least 1 character"),
        (row("user", "assistant", weight=2), "weight: Extra inputs are not permitted"),
        (row("user", "assistant", messages="no"), "messages: Input should be a valid"),
        (row("user", "assistant").replace("assistant speaks", " "), "message 2, of assistant, is empty"),
        (row("user", "assistant").replace("assistant speaks", "\\ud800"), "Invalid JSON"),
    ],
)
def test_a_line_that_is_no_example_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(row("user", "assistant", id="first") + "\n" + line + "\n")
    with pytest.raises(TrainingError) as refused:
        list(read_dataset(path))
    assert str(refused.value).startswith(f"{path}:2: not a valid example (")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(f"{row('user', 'assistant')}\n" * 2)
    with pytest.raises(TrainingError, match="'a' is already used in line 1"):
        list(read_dataset(path))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_dataset_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(content)
    with pytest.raises(TrainingError, match="is empty"):
        list(read_dataset(path))


def test_examples_are_read_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(row("user", "assistant") + "\nbroken\n")
    assert next(read_dataset(path)).id == "a"


def test_a_write_that_fails_leaves_the_dataset_of_before(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(row("user", "assistant") + "\n")
    example = next(read_dataset(path))
    (tmp_path / "d.jsonl.tmp").mkdir()
    with pytest.raises(TrainingFailure, match="cannot be written"):
        write_dataset(path, itertools.repeat(example, 2))
    assert list(read_dataset(path)) == [example]
