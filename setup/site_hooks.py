"""Hooks of the site (mkdocs.yml): the tutorial as a page, and the README files of other folders that pages link to."""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]

OTHERS = {
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "findings/README.md": "findings.md",
    "scaffolds/README.md": "scaffold-reference.md",
    "training/README.md": "training.md",
}
"""Files outside of docs/ that the site holds, by their page."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made from other files."""
    files.append(File.generated(config, "tutorial.md", content=as_markdown(ROOT / "docs" / "tutorial.ipynb")))
    for source, page in OTHERS.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_plain_links(text, Path(source).parent)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links to other folders to their page; where the site has none, the path is shown as text."""
    if page.file.generated_by and page.file.src_uri != "tutorial.md":
        return markdown
    markdown = _plain_links(markdown, Path("docs"))
    markdown = re.sub(r"<!-- fields ([\w.]+):(\w+) -->", lambda found: fields(found[1], found[2]), markdown)
    return markdown.replace("](tutorial.ipynb)", "](tutorial.md)")


def fields(module: str, name: str) -> str:
    """A table of the fields of a TypedDict or dataclass, as their annotations describe them."""
    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    kind = getattr(import_module(module), name)
    rows = ["| field | type | |", "|---|---|---|"]
    for field, hint in get_type_hints(kind, include_extras=True).items():
        while get_origin(hint) not in (Annotated, None) and get_origin(hint).__name__ in ("NotRequired", "Required"):
            (hint,) = get_args(hint)
        plain, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        words = next((one.description for one in said if getattr(one, "description", None)), "")
        shown = plain.__name__ if isinstance(plain, type) and not get_args(plain) else str(plain)
        shown = shown.replace("typing.", "").replace("|", "\\|")
        rows.append(f"| `{field}` | {shown} | {words} |")
    return "\n".join(rows)


def as_markdown(notebook: Path) -> str:
    """The notebook as a page: its texts, its code, and what each cell printed and drew."""
    parts = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if "text" in output:
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            elif picture := output.get("data", {}).get("image/png"):
                parts.append(f"![What this cell draws](data:image/png;base64,{picture})")
    return "\n\n".join(parts) + "\n"


def _plain_links(markdown: str, folder: Path) -> str:
    def led(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if target.startswith("https://"):
            return found[0]
        path = Path(*_resolved(folder / target))
        if path.as_posix() in OTHERS:
            return f"[{text}]({OTHERS[path.as_posix()]}{anchor})"
        if path.parts[0] == "docs":
            return f"[{text}]({path.relative_to('docs').as_posix()}{anchor})"
        return f"{text} (`{path.as_posix()}`)" if text != path.as_posix() else f"`{text}`"

    return re.sub(r"\[([^\]\n]+)\]\((?!data:)([^)#\s]+)(#[^)]*)?\)", led, markdown)


def _resolved(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return parts
