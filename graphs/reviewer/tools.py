"""The reviewer's tools over its virtual tree: list, read, write, edit, delete; and contained Python for analysis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from graphs.agent.tools import model_tool
from graphs.reviewer import safe_files
from graphs.reviewer.trace_tools.step_text import readable
from graphs.reviewer.workspace import MAX_READ_BYTES, FileRefused, Place, Workspace
from memory_fs.names import UNFIT
from scaffolds.containment.script import ScriptBounds, run_script

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


CHARACTERS = 12_000
"""Of one result: some 3,000 to 4,000 tokens, so that dozens of them fit into a context."""
LINE_CHARACTERS = 4_000
"""Of one line that is read or written: more would be a mistake in a prompt, and could not be read back."""
LISTED = 200
"""Entries of one listing."""

_Path = Annotated[str, Field(description="A path such as candidate/hooks.py or runs/NAME/summary.json")]


def file_tools(workspace: Workspace) -> list[BaseTool]:
    """`list_files`, `read_file`, `write_file`, `edit_file` and `delete_file` for one attempt."""
    files = _Files(workspace)
    functions = (files.list_files, files.read_file, files.write_file, files.edit_file, files.delete_file)
    return [model_tool(function, FileRefused) for function in functions]


class _Files:
    """The tools' functions; their docstrings are what the model reads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list_files(
        self, folder: Annotated[str, Field(description="For example candidate or runs/NAME/episodes")] = ""
    ) -> str:
        """List a folder of the tree with file sizes in bytes; without a folder, the tree's top."""
        name = folder.strip().strip("/")
        tops = [top for top in self._workspace.folders() if name in ("", ".") or top.startswith(name + "/")]
        if tops:
            return "\n".join(f"{top}/" for top in tops)
        if name in ("history", "runs"):
            return f"{folder.strip()} is empty."
        place = self._workspace.place(folder)
        shown = [
            f"{place.name}/{name}/" if size is None else f"{place.name}/{name}  {size:,}"
            for name, size in _entries(self._workspace, place)
        ]
        rest = len(shown) - LISTED
        if rest > 0:
            shown[LISTED:] = [f"… and {rest} more: name a folder below this one, or use the trace tools"]
        return "\n".join(shown) or f"{place.name} is empty."

    def read_file(
        self, path: _Path, first_line: Annotated[int, Field(ge=1)] = 1, lines: Annotated[int, Field(ge=1)] = 200
    ) -> str:
        """Read lines of a text file. What does not fit is named, with how to see it."""
        return _lines(self._workspace.place(path), first_line, lines)

    def write_file(self, path: _Path, content: str) -> str:
        """Write a whole file below candidate/ or notes/; what was there is replaced."""
        return _written(self._workspace, self._workspace.place_to_write(path), content)

    def edit_file(
        self,
        path: _Path,
        old: Annotated[str, Field(description="The piece as it is there, with its line breaks and spaces")],
        new: Annotated[str, Field(description="What takes its place")],
    ) -> str:
        """Replace a piece of a file below candidate/ or notes/. The piece must be in the file exactly once."""
        place = self._workspace.place_to_write(path)
        text = _text(place)
        count = text.count(old) if old else 0
        if count != 1:
            how = "is empty" if not old else "is not in it" if count == 0 else f"is in it {count} times"
            raise FileRefused(
                f"{place.name} was not changed: the old piece {how}; read the file and give a piece that is in it "
                "exactly once."
            )
        return _written(self._workspace, place, text.replace(old, new))

    def delete_file(self, path: _Path) -> str:
        """Delete a file below candidate/ or notes/."""
        place = self._workspace.place_to_write(path)
        with _refusing(place):
            safe_files.delete(place.root, place.parts)
        return f"{place.name} is deleted."


def _lines(place: Place, first_line: int, lines: int) -> str:
    """Lines of a text under a heading that says which. FileRefused where there is no such text or line."""
    if place.parts and place.parts[-1] == "steps.jsonl.zst":
        raise FileRefused(f"{place.name} is a trace: see it with episode_overview, search_trace and show_step.")
    text = _text(place)
    found = text.split("\n")[: -1 if text.endswith("\n") else None] if text else []
    if not found:
        return f"{place.name} is empty."
    if first_line > len(found):
        raise FileRefused(f"{place.name} has {len(found)} lines, there is no line {first_line}.")
    shown: list[str] = []
    room = CHARACTERS
    for line in found[first_line - 1 : first_line - 1 + lines]:
        cut = line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}… (of {len(line):,} characters)"
        if len(cut) > room and shown:
            break
        shown.append(cut)
        room -= len(cut) + 1
    last = first_line + len(shown) - 1
    heading = f"{place.name}, lines {first_line}-{last} of {len(found)}:"
    rest = [f"… {len(found) - last} lines more: read_file, first_line={last + 1}"] if last < len(found) else []
    return "\n".join([heading, *shown, *rest])


def _entries(workspace: Workspace, place: Place) -> list[tuple[str, int | None]]:
    with _refusing(place):
        return [entry for entry in safe_files.entries(place.root, place.parts) if _in_tree(workspace, place, entry[0])]


@contextmanager
def _refusing(place: Place) -> Iterator[None]:
    """FileRefused where the file or folder is not accessible."""
    try:
        yield
    except safe_files.NotAccessible as error:
        raise FileRefused(f"{place.name} {error}.") from None


def _in_tree(workspace: Workspace, place: Place, name: str) -> bool:
    try:
        workspace.place(f"{place.name}/{name}")
    except FileRefused:
        return False
    return True


def _text(place: Place) -> str:
    if not place.parts or safe_files.is_folder(place.root, place.parts):
        raise FileRefused(f"{place.name} is a folder: list_files shows what is in it.")
    try:
        return safe_files.read(place.root, place.parts, MAX_READ_BYTES).decode("utf-8", "replace")
    except safe_files.NotAccessible as error:
        advice = "; run_python can read it" if "bytes" in str(error) else ""
        raise FileRefused(f"{place.name} {error}{advice}.") from None


def _written(workspace: Workspace, place: Place, content: str) -> str:
    content = content.replace("\r\n", "\n")
    if unfit := UNFIT.search(content):
        raise FileRefused(
            f"The text holds a control character or half a character at {unfit.start() + 1}: leave it out."
        )
    longest = max(map(len, content.split("\n")))
    if longest > LINE_CHARACTERS:
        raise FileRefused(f"A line of {longest:,} characters is too long; the most is {LINE_CHARACTERS:,}: break it.")
    data = content.encode()
    workspace.check_room(place, len(data))
    with _refusing(place):
        safe_files.write(place.root, place.parts, data)
    return f"{place.name} is written: {content.count(chr(10)) + (not content.endswith(chr(10)))} lines."


OUTPUT_CHARACTERS = 12_000
"""Of what a script printed that is shown: from its beginning, and of its error the end."""
_ERROR = 3_000
_DESCRIPTION = """\
Run a Python script over the runs, contained: no network, no files but the runs (read-only at /runs/NAME) and an empty \
/tmp, {wall:.0f} s, {memory} MB. There are the standard library, numpy, and the packages of the traces:
  from pathlib import Path
  from traces import RunFolder, TraceReader, read_result
  for episode in RunFolder(Path("/runs/NAME")).episodes():  # NAME is one of: {names}
      result = read_result(episode)              # None while it is played; .progression, .metrics ...
      with TraceReader(episode) as reader:
          for step in reader.outlines():         # all but the prompts; reader.step(n) is a whole record
              step.step, step.observation["long"], step.action, step.reward, step.info["progression"]
              for each in step.conversations:    # each.routine is "LOG" or "PLAN"
                  for one in each.operations: one.operation, one.arguments, one.outcome, one.file
  traces.flags.flagged_steps(reader.outlines()) yields (step, flags): flags.unproductive is "stuck", "oscillating" \
or None
What the script prints is the result; print little."""


def analysis_tool(runs: Mapping[str, Path], *, bounds: ScriptBounds | None = None) -> BaseTool:
    """The tool `run_python` over these runs (name and run folder)."""
    bounds = bounds or ScriptBounds()
    description = _DESCRIPTION.format(wall=bounds.wall_s, memory=bounds.memory_mb, names=", ".join(runs) or "none yet")

    def run_python(
        code: Annotated[str, Field(description="The whole script; nothing is kept from one call to the next")],
    ) -> str:
        return _run(runs, bounds, code)

    return model_tool(run_python, ValueError, description=description)


def _run(runs: Mapping[str, Path], bounds: ScriptBounds, code: str) -> str:
    """Run a script. ValueError for one that is too long; CannotContain where this machine can contain nothing."""
    there = {name: path for name, path in runs.items() if path.exists()}
    result = run_script(code, there, bounds=bounds)
    shown = readable(result.output[:OUTPUT_CHARACTERS])
    parts = [shown.rstrip("\n")] if shown.strip() else []
    if len(result.output) > OUTPUT_CHARACTERS:
        more = len(result.output) - OUTPUT_CHARACTERS
        parts.append(f"… {more:,} characters more were printed: print less, or a part of it")
    if result.error.strip():
        cut = "… " if len(result.error) > _ERROR else ""
        parts.append(f"Standard error:\n{cut}{readable(result.error[-_ERROR:]).strip()}")
    parts += [result.sentence] if result.sentence else []
    return "\n".join(parts) or "It ended and printed nothing."
