"""The house stays as it was drawn: floors, sizes, names, and a README that tells the truth."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import file_map
import pytest

from worlds import extra_data
from worlds.registry import BUILT_IN

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (
    *("memory_fs", "worlds", "tools", "scaffolds", "chat_models", "traces", "training", "graphs"),
    *("cluster", "lab", "view", "cli"),
)
"""Bottom up: a room imports only from rooms before it."""
BESIDE = {("worlds", "memory_fs"), ("memory_fs", "worlds"), ("traces", "chat_models"), ("chat_models", "traces")}
"""Rooms that stand side by side and know nothing of each other."""
GRAPHS = ("inner_agent", "evaluation", "reviewer", "curator")
FILE_LINES, FUNCTION_LINES = 400, 60
LONGER = dict.fromkeys(
    (
        "cli/controls.py:controls",
        "cli/counterfactual.py:counterfactual",
        *(f"cli/{name}.py:{name}" for name in ("evolve", "specialize")),
        "cli/evaluate.py:evaluate",
    ),
    "half of it is its options, one a line, as Typer wants them",
)
"""Exceptions to the two stops: file or file:function, and why."""


def sources(*folders: str) -> Iterator[Path]:
    """Our Python files, scaffolds' own included."""
    for folder in folders or (*FLOORS, "tests", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Modules a file imports anywhere in it, for type checking too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_imports_upward() -> None:
    wrong = []
    for path in sources(*FLOORS):
        room = path.relative_to(ROOT).parts[0]
        for module in imports(path):
            target = module.split(".")[0]
            if target in FLOORS and (FLOORS.index(target) > FLOORS.index(room) or (room, target) in BESIDE):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_a_graph_knows_nothing_of_the_graphs_around_it_and_the_loops_nothing_of_each_other() -> None:
    known = {"inner_agent": (), "evaluation": ("inner_agent",)}
    for graph in GRAPHS:
        others = set(GRAPHS) - {graph, *known.get(graph, ("inner_agent", "evaluation"))}
        for path in sources(f"graphs/{graph}"):
            wrong = [module for module in imports(path) for other in others if module.startswith(f"graphs.{other}")]
            assert not wrong, path


def test_no_file_imports_in_a_circle() -> None:
    """Imports for type checking and inside functions count; a package's face is a file like any other."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources(*FLOORS)}
    files = {name.removesuffix(".__init__"): path for path, name in names.items()}
    edges: dict[str, set[str]] = {}
    for name, path in files.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= ({f"{node.module}.{alias.name}" for alias in node.names} & files.keys()) or {node.module}
        edges[name] = (found & files.keys()) - {name}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in edges.get(name, ()):
                visit(target, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in sources():
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        if text.count("\n") > FILE_LINES and name not in LONGER:
            long.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES and f"{name}:{node.name}" not in LONGER:
                    long.append(f"{name}:{node.name}: {lines} lines")
    assert long == []


ROOM_LINES = {
    **{"memory_fs": 1_850, "worlds": 6_150, "tools": 1_900, "scaffolds": 3_550, "chat_models": 5_000, "traces": 6_700},
    **{"training": 4_660, "graphs": 15_200, "cluster": 1_850, "lab": 950, "view": 3_050, "cli": 8_400},
}
"""How large a room may become. A bound is raised in the commit that needs it, which says why."""


def test_no_room_grows_unnoticed() -> None:
    lines = {room: sum(path.read_text().count("\n") for path in sources(room)) for room in ROOM_LINES}
    assert {room: count for room, count in lines.items() if count > ROOM_LINES[room]} == {}


def test_only_worlds_and_scaffold_data_know_a_game() -> None:
    names = {entry.name for entry in BUILT_IN} | extra_data().keys()
    names |= {module for entry in BUILT_IN for module in entry.modules}
    games = re.compile("|".join([*map(re.escape, sorted(names)), r"\bnle\b"]), re.IGNORECASE)
    rooms = list(
        sources("memory_fs", "tools", "chat_models", "traces", "training", "graphs", "cluster", "lab", "view", "cli")
    )
    rooms += [*sorted((ROOT / "scaffolds").glob("*.py")), *sources("scaffolds/containment")]
    assert [str(path) for path in rooms if games.search(_strip_documentation(path.read_text()))] == []


def _strip_documentation(text: str) -> str:
    """The code without comments and docstrings, which may name a game as an example."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    return ast.unparse(tree)


def test_importing_a_room_only_defines_things() -> None:
    program = (
        "import sys; import memory_fs, worlds, tools, scaffolds, chat_models, traces, cli.commands as c; "
        "[c.load(name) for name in c.COMMANDS]; "
        "print(sorted({'torch', 'transformers', 'nle', 'minihack', 'crafter', 'openai'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout == "[]\n"
    assert ended.stderr == ""


def test_langgraph_json_names_graphs_that_exist() -> None:
    for reference in json.loads((ROOT / "langgraph.json").read_text())["graphs"].values():
        module, _, name = reference.partition(":")
        assert callable(getattr(import_module(module), name)), reference


def test_the_readme_names_every_folder_and_every_graph() -> None:
    readme = (ROOT / "README.md").read_text()
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    folders = sorted({line.split("/")[0] + "/" for line in tracked.splitlines() if "/" in line and line[0] != "."})
    assert [folder for folder in folders if f"{folder}" not in readme] == []
    assert [graph for graph in GRAPHS if f"{graph}/" not in readme] == []


def test_the_map_of_the_graphs_says_what_the_files_say() -> None:
    assert file_map.TARGET.read_text() == file_map.file_map()


def test_every_command_in_the_readme_is_known() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make (\w+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


@pytest.mark.parametrize("name", ["LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".env.example", "constraints.txt"])
def test_the_root_holds_what_a_newcomer_looks_for(name: str) -> None:
    assert (ROOT / name).read_text().strip()


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 130


def walks() -> dict[str, list[tuple[str, list[str]]]]:
    """By heading, the steps of the walks in CONTRIBUTING.md: a file, and the names it is said to hold."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.split("\n## Three walks\n")[1].split("\n## ")[0]
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for part in section.split("\n### ")[1:]:
        heading, _, body = part.partition("\n")
        items = re.findall(r"^\d+\. (.*(?:\n {3}.*)*)", body, re.MULTILINE)
        quoted = [re.findall(r"`([^`]+)`", item) for item in items]
        found[heading] = [(names[0], names[1:]) for names in quoted]
    return found


@pytest.mark.parametrize("heading", walks())
def test_a_walk_names_files_and_what_is_in_them_and_meets_none_twice(heading: str) -> None:
    files = [file for file, _ in walks()[heading]]
    assert 2 <= len(files) == len(set(files))
    for file, names in walks()[heading]:
        text = (ROOT / file).read_text()
        missing = [name for name in names if not re.search(rf"\b{name.rpartition('.')[2]}\b", text)]
        assert not missing, f"{file} does not hold {missing}"
