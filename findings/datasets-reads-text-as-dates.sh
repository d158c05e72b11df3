#!/usr/bin/env bash
# datasets 5.2.0: text of a JSON Lines file that looks like a date is no longer text.
# Guess: a JSON string is loaded as a string; "content" of a conversation stays what was written.
# Seen: where every value of a column looks like a date or a time, the column becomes timestamps, inside of nested messages
#   too, and "2026-11-28" comes back as datetime(2026, 11, 28, 0, 0). One row of other text, and all stay strings.
#   `Dataset.from_list` with the same rows leaves them as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" - 2>log <<'PYTHON'
import json
from importlib.metadata import version
from pathlib import Path

from datasets import Dataset, load_dataset

rows = [{"messages": [{"role": "user", "content": text}]} for text in ("2026-11-28", "2026-11-29T01:02:03")]
Path("dates.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
mixed = [*rows, {"messages": [{"role": "user", "content": "hello"}]}]
Path("mixed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mixed))


def contents(loaded: Dataset) -> list[object]:
    return [row["messages"][0]["content"] for row in loaded]


found = {name: contents(load_dataset("json", data_files=f"{name}.jsonl", split="train")) for name in ("dates", "mixed")}
print("datasets", version("datasets"))
for name, values in found.items():
    print(f"  {name}.jsonl:", values)
print("  from_list:", contents(Dataset.from_list(rows)))
assert [type(value).__name__ for value in found["dates"]] == ["datetime", "datetime"]
assert found["mixed"] == ["2026-11-28", "2026-11-29T01:02:03", "hello"]
assert contents(Dataset.from_list(rows)) == ["2026-11-28", "2026-11-29T01:02:03"]
PYTHON
