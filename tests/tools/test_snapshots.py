"""What models are shown, compared with committed snapshots: a change of a schema or a form is a visible diff.

To accept a change: .venv/bin/python tests/tools/test_snapshots.py --update
"""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "to accept the change run: .venv/bin/python tests/tools/test_snapshots.py --update"


def final_forms() -> dict[str, str]:
    """File name to text: the tool schemas, tag forms and expressions of a first scaffold's vocabularies."""
    from tool_vocabularies import LOG, PLAN

    from tools import dialect

    files = {}
    for vocabulary in (LOG, PLAN):
        name = vocabulary.routine.lower()
        files[f"{name}_tools.json"] = json.dumps(dialect("functions").tools(vocabulary), indent=2) + "\n"
        for spoken in ("tags", "functions"):
            forms = dialect(spoken).forms(vocabulary)
            files[f"{name}_{spoken}.txt"] = "".join(f"{form}  {text}\n" for form, text in forms)
        files[f"{name}_regex.txt"] = vocabulary.regex() + "\n"
        files[f"{name}_reply_regex.txt"] = vocabulary.reply_regex() + "\n"
    return files


@pytest.mark.parametrize("name", sorted(path.name for path in SNAPSHOTS.glob("*.*")))
def test_what_models_are_shown_is_as_committed(name: str) -> None:
    assert final_forms().get(name) == (SNAPSHOTS / name).read_text(encoding="utf-8"), UPDATE


def test_everything_shown_has_a_snapshot() -> None:
    assert sorted(final_forms()) == sorted(path.name for path in SNAPSHOTS.glob("*.*")), UPDATE


def update() -> None:
    """Write the snapshots anew and remove those that are no longer made."""
    SNAPSHOTS.mkdir(exist_ok=True)
    files = final_forms()
    for path in SNAPSHOTS.glob("*.*"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (SNAPSHOTS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(f"usage: {sys.argv[0]} --update")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "kit")]
    update()
