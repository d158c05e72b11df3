"""docs/tutorial.ipynb run in this process: `python tests/kit/tutorial.py` writes its outputs into the file.

No kernel is started: the cells are plain Python, and what they print and draw is all that the page needs.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"


def read(path: Path = NOTEBOOK) -> dict[str, Any]:
    """The notebook as its file holds it."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run(notebook: dict[str, Any]) -> list[tuple[str, bytes | None]]:
    """What each code cell prints, and the figure it leaves as PNG, run in the present folder."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names: dict[str, Any] = {"__name__": "__main__"}
    outputs = []
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)  # noqa: S102
        picture = None
        if pyplot.get_fignums():
            drawn = io.BytesIO()
            pyplot.savefig(drawn, format="png", dpi=110, metadata={"Software": None})
            pyplot.close("all")
            picture = drawn.getvalue()
        outputs.append((printed.getvalue(), picture))
    return outputs


def keep(notebook: dict[str, Any], outputs: list[tuple[str, bytes | None]]) -> None:
    """Put the outputs into the cells that made them."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, (printed, picture)) in enumerate(zip(cells, outputs, strict=True), 1):
        cell["execution_count"] = number
        cell["outputs"] = []
        if printed:
            text = printed.splitlines(keepends=True)
            cell["outputs"].append({"name": "stdout", "output_type": "stream", "text": text})
        if picture:
            data = {"image/png": base64.b64encode(picture).decode()}
            cell["outputs"].append({"output_type": "display_data", "metadata": {}, "data": data})


if __name__ == "__main__":
    tutorial = read()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        keep(tutorial, run(tutorial))
    NOTEBOOK.write_text(json.dumps(tutorial, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
