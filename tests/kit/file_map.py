"""The map of the graphs: graphs/README.md, made of the first sentence of every file's docstring.

PYTHONPATH=. .venv/bin/python tests/kit/file_map.py    writes it
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "graphs" / "README.md"
FOLDERS = ("", "agent", "inner_agent", "evaluation", "reviewer", "reviewer/trace_tools", "curator", "doctor", "served")
HEAD = """# graphs: who does what, when

`inner_agent` plays one episode, `evaluation` a protocol's; `reviewer` (loop 1) and `curator` (loop 2) are built around
them and do not import each other. In each folder start with `graph.py`: its docstring is the picture, its nodes are in
`nodes.py` or the files `*_nodes.py`, and a node's return type names where it can go next. Made of docstrings
(`PYTHONPATH=. .venv/bin/python tests/kit/file_map.py`); a test compares them.
"""


def file_map() -> str:
    """The page as it should be."""
    parts = [HEAD]
    for folder in FOLDERS:
        files = sorted((ROOT / "graphs" / folder).glob("*.py"))
        parts.append(f"## {folder or 'shared by all graphs'}\n")
        parts += [f"- `{file.stem}`: {_sentence(file)}" for file in files if file.stem != "__init__"]
        parts.append("")
    return "\n".join(parts)


def _sentence(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n")[0]


if __name__ == "__main__":
    TARGET.write_text(file_map())
