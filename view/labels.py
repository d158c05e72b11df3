"""Tags and a note that a person gives a run: labels.json in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from graphs.settings import SettingsError
from traces import TraceFailure
from traces.plain_json import read_file, write_file

FILE = "labels.json"
TAGS, TAG, NOTE = 20, 40, 4_000
"""Tags of a run, characters of a tag and of a note."""


class Labels(TypedDict):
    """What is kept."""

    tags: list[str]
    note: str


def read_labels(run: Path) -> Labels:
    """The labels of a run; none where there is no file, or one that cannot be read."""
    try:
        found = read_file(run / FILE)
        return checked(found)
    except (TraceFailure, SettingsError):
        return {"tags": [], "note": ""}


def write_labels(run: Path, given: Any) -> Labels:
    """Keep these labels in place of the others. SettingsError for what are none, TraceFailure for a disk error."""
    labels = checked(given)
    write_file(run / FILE, labels)
    return labels


def checked(given: Any) -> Labels:
    """The labels in `given`, tags without spaces around them, each once. SettingsError for anything else."""
    tags = given.get("tags", []) if isinstance(given, dict) else None
    note = given.get("note", "") if isinstance(given, dict) else None
    if not isinstance(tags, list) or not isinstance(note, str) or not all(isinstance(one, str) for one in tags):
        raise SettingsError("Labels are a list of tags and a note, all of them texts.")
    tags = list(dict.fromkeys(one.strip() for one in tags if one.strip()))
    if len(tags) > TAGS or any(len(one) > TAG or not one.isprintable() for one in tags):
        raise SettingsError(f"A run has at most {TAGS} tags of at most {TAG} characters each, without line breaks.")
    if len(note) > NOTE:
        raise SettingsError(f"A note has at most {NOTE:,} characters, not {len(note):,}.")
    return {"tags": tags, "note": note}
