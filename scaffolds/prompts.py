"""A scaffold's prompts: five Jinja2 templates, checked when loaded, cheap to fill in.

A template is a page with places, not a program. It may print variables, choose (`if`) and repeat (`for`, two deep at
most) over what it is given; nothing else of Jinja2 is let through (no `set`, macro, include, call, `range`, `~`, `*`),
so that every rendering ends, in time and length bounded by the page and its data. What has to be computed belongs in
hooks.py. The values filled in are data: markup or template syntax in them is not interpreted.
"""

import itertools
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from jinja2 import StrictUndefined, Template, TemplateError, TemplateRuntimeError, TemplateSyntaxError, Undefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from scaffolds.faults import ScaffoldError, nearest

TemplateName = Literal["system", "log", "plan", "results", "handoff"]

VARIABLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "system": frozenset(
            ["world", "task", "actions", "log_forms", "plan_forms", "files", "turns", "notebook", "dialect"]
        ),
        "log": frozenset(["step", "action", "previous", "observation", "notices", "files"]),
        "plan": frozenset(["step", "action", "observation", "notices", "files"]),
        "results": frozenset(["replies", "routine", "turns_left", "note"]),
        "handoff": frozenset(["step", "note"]),
    }
)
"""The variables of each template, all of them always given; README.md of this folder describes each."""

MAX_TEMPLATE_CHARS = 65_536
"""A longer template is a mistake: it alone would fill half the context of today's open models."""

FILTERS = ("capitalize", "count", "d", "default", "first", "join", "last", "length", "lower", "title", "trim", "upper")
_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Const, nodes.Getattr),
    *(
        nodes.Getitem,
        nodes.Slice,
        nodes.Compare,
        nodes.Operand,
        nodes.And,
        nodes.Or,
        nodes.Not,
        nodes.Test,
        nodes.Filter,
    ),
    *(nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Neg, nodes.List, nodes.Tuple, nodes.Keyword),
)


class Prompts:
    """The five templates of a `prompts/` folder. ScaffoldError (file, line) for whatever is wrong with one."""

    def __init__(self, folder: Path) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, finalize=_printable
        )
        self._environment.globals.clear()
        self._environment.filters = {name: self._environment.filters[name] for name in FILTERS}
        names = [f"{name}.md" for name in VARIABLES]
        for path in sorted(folder.glob("*")):
            if path.name not in names and not path.name.startswith((".", "__pycache__")):
                raise ScaffoldError(f"there is no such prompt, {nearest(path.name, names)}", path)
        self._paths = {name: folder / f"{name}.md" for name in VARIABLES}
        self.sources = {name: _read(path) for name, path in self._paths.items()}
        self._templates = {name: self._compile(name) for name in VARIABLES}
        for name in VARIABLES:
            for sample in _samples(name):
                self.render(name, **sample)

    def render(self, template: str, /, **variables: object) -> str:
        """The filled-in page, without the newlines it begins or ends with.

        ValueError if the variables are not exactly those of the template (VARIABLES); ScaffoldError if the page cannot
        be filled in with them.
        """
        expected = VARIABLES.get(template)
        if expected is None:
            raise ValueError(f"There is no prompt {template!r}: {nearest(template, VARIABLES)}")
        if variables.keys() != expected:
            missing, extra = sorted(expected - variables.keys()), sorted(variables.keys() - expected)
            raise ValueError(f"Prompt {template!r} takes {sorted(expected)}: missing {missing}, too many {extra}.")
        try:
            return self._templates[template].render(variables).strip("\n")
        except (TemplateError, TypeError, LookupError, ArithmeticError, AttributeError, ValueError) as error:
            path = self._paths[template]
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
            raise ScaffoldError(f"this cannot be filled in: {error}", path, lines[-1] if lines else None) from error

    def _compile(self, name: str) -> Template:
        path = self._paths[name]
        try:
            tree = self._environment.parse(self.sources[name], name, str(path))
            _check(tree, name, path)
            code = self._environment.compile(tree, name, str(path))
        except TemplateSyntaxError as error:
            raise ScaffoldError(f"the template cannot be read: {error.message}", path, error.lineno) from error
        except (RecursionError, SyntaxError) as error:  # Python's own limits on the program made from the page
            raise ScaffoldError("the template is nested too deeply", path) from error
        return Template.from_code(self._environment, code, {})


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScaffoldError(
            "this prompt is missing; a scaffold has system, log, plan, results and handoff", path
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"this prompt cannot be read as UTF-8 text: {error}", path) from error
    if len(text) > MAX_TEMPLATE_CHARS:
        raise ScaffoldError(f"this prompt has {len(text)} characters; the most is {MAX_TEMPLATE_CHARS}", path)
    return text


def _check(tree: nodes.Template, name: str, path: Path) -> None:
    for node, depth in _walk(tree, 0):
        if isinstance(node, nodes.For) and (node.recursive or depth > 1):
            raise ScaffoldError("loops may be two deep and not recursive; compute this in hooks.py", path, node.lineno)
        if not isinstance(node, _ALLOWED) and isinstance(node, nodes.Stmt | nodes.Expr):
            what = type(node).__name__
            advice = "a template only prints, chooses (if) and repeats (for); compute the rest in hooks.py"
            raise ScaffoldError(f"{what} is not available in prompts: {advice}", path, node.lineno)
        if (
            isinstance(node, nodes.Filter)
            and node.name == "join"
            and not all(isinstance(a, nodes.Const) for a in node.args)
        ):
            raise ScaffoldError("join takes a fixed separator", path, node.lineno)
    unknown = find_undeclared_variables(tree) - VARIABLES[name]
    for used in tree.find_all(nodes.Name):
        if used.name in unknown:
            known = sorted(VARIABLES[name])
            raise ScaffoldError(
                f"{name}.md has no variable {used.name!r}, {nearest(used.name, known)}", path, used.lineno
            )


def _walk(node: nodes.Node, depth: int) -> Iterator[tuple[nodes.Node, int]]:
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _walk(child, depth + isinstance(node, nodes.For))


def _printable(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Undefined):
        return str(value)  # StrictUndefined raises, naming what is undefined; an `if` without `else` comes out empty
    raise TemplateRuntimeError(f"a prompt prints texts and numbers, this is {type(value).__name__}: name a part of it")


def _samples(name: str) -> Iterator[dict[str, object]]:
    """Data of every shape a template meets: everything there, nothing there, and each notebook and dialect."""
    view = {"long": "You see a tree.", "short": "health: 9/9"}
    full: dict[str, Any] = {
        **{
            "world": "a_world",
            "task": "a_task",
            "actions": [("Wait", "do nothing")],
            "dialect": "tags",
            "notebook": "on",
        },
        **{"log_forms": [("<|DONE|>", "end")], "plan_forms": [("<|ACTION|>action<|END|>", "act")], "routine": "LOG"},
        **{"step": 2, "action": "Wait", "previous": view, "observation": view, "notices": ["night is near"]},
        **{"turns": {"log": 10, "plan": 10, "consult": 10}, "turns_left": 9, "note": "a note"},
        "files": [("map.md", "places")] if name == "system" else [("map.md", 12)],
        "replies": [{"title": "READ map.md", "text": "a tree", "ok": True, "call_id": None}],
    }
    empty: dict[str, Any] = {
        **full,
        **{"actions": [], "log_forms": [], "files": [], "replies": [], "notices": [], "note": "", "turns_left": 0},
    }
    if name == "plan":
        empty["action"] = None
    for data, notebook, dialect, routine in itertools.product(
        (full, empty), ("on", "off", "frozen"), ("tags", "functions"), ("LOG", "PLAN")
    ):
        sample = {**data, "notebook": notebook, "dialect": dialect, "routine": routine}
        yield {key: value for key, value in sample.items() if key in VARIABLES[name]}
