"""Which hooks a change of hooks.py reaches: `observe`, `maintain`, `act`, each with all the code it may depend on.

The code of an entry point is what can be followed from it by name within the file: functions, classes and variables it
mentions, and what Hooks keeps (`self.…`), with every method that may set or alter that. A name stands for whatever
bears it, so that rather too much is followed than too little. Where names do not tell (`getattr`, `globals`, `exec`,
`self` handed on, a `Hooks` with bases or decorators, an entry point that is no plain `def` in it, …) every entry point
counts as changed: the honest answer to "may it?".
"""

from __future__ import annotations

import ast

ENTRY_POINTS = ("observe", "maintain", "act")
REWORDED = "worded anew"
"""Only comments, docstrings or layout differ."""

_DYNAMIC_NAMES = frozenset(
    [
        *("getattr", "setattr", "delattr", "hasattr", "exec", "eval", "compile", "globals", "locals", "vars"),
        *("dir", "type", "super", "__import__", "importlib", "sys", "inspect", "gc", "builtins", "operator"),
        *("ctypes", "__builtins__", "Hooks"),
    ]
)
_DYNAMIC_ATTRIBUTES = frozenset(
    [
        *("__dict__", "__class__", "__getattr__", "__getattribute__", "__setattr__", "__subclasses__"),
        *("__globals__", "__code__", "__new__"),
    ]
)
"""Ways to reach code or data that no name in the file tells of."""
_LOOKS = frozenset(
    [
        *("get", "items", "keys", "values", "index", "count", "copy", "lower", "upper", "strip", "split"),
        *("splitlines", "startswith", "endswith", "join", "format", "replace", "find", "search", "match"),
        *("fullmatch", "findall", "finditer", "sub", "group", "groups", "isdigit", "title", "capitalize"),
        *("partition", "removeprefix"),
    ]
)
"""Methods of Python's own types that alter nothing."""
_LOOKING = frozenset(
    [
        *("len", "str", "int", "float", "bool", "repr", "sum", "any", "all", "isinstance", "abs", "round", "range"),
    ]
)
"""Functions that alter nothing they are given, and hand on nothing of it that could be altered."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def behaviour(source: str) -> str:
    """The program without its comments and docstrings."""
    return ast.dump(_bare(ast.parse(source)))


def changed_entry_points(before: str, after: str) -> dict[str, str]:
    """What became of each entry point that differs: `added`, `removed`, `changed`, or `worded anew`."""
    if before == after:
        return {}
    old, new = _Code(before), _Code(after)
    there = [point for point in ENTRY_POINTS if point in old.points | new.points or old.unnamed or new.unnamed]
    follow = not (old.dynamic or new.dynamic)
    found: dict[str, str] = {}
    for point in there:
        if point in new.points - old.points:
            found[point] = "added"
        elif point in old.points - new.points:
            found[point] = "removed"
        elif (old.reached(point) != new.reached(point)) if follow else (old.whole != new.whole):
            found[point] = "changed"
    return found or dict.fromkeys(there, REWORDED)


class _Code:
    """A hooks.py: its definitions by name, and who may alter what."""

    def __init__(self, source: str) -> None:
        tree = _bare(ast.parse(source))
        self.whole = ast.dump(tree)
        self.hooks: dict[str, _Function] = {}
        self._names: dict[str, list[ast.AST]] = {}
        """Definitions at the top of the file, and for variables what may alter them."""
        self._variables: set[str] = set()
        self._methods: dict[str, list[ast.AST]] = {}
        """Methods of all classes."""
        self._state: dict[str, list[ast.AST]] = {}
        """What sets or may alter an attribute of Hooks."""
        self._always: list[ast.AST] = []
        """Code that runs whatever is called."""
        self.unnamed = any(_is_dynamic(node) and not _is_hooks(node) for node in ast.walk(tree))
        """Whether an entry point may be made by a name that is nowhere written out."""
        self.dynamic = any(map(_is_dynamic, ast.walk(tree))) or _binds_otherwise(tree)
        for node in tree.body:
            self._read(node)
        functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
        for function in functions:
            self._follow_variables(function)
        self.dynamic = self.dynamic or (bool(source) and not self.hooks)
        self.points = set(self.hooks)
        """Entry points that the file has, or may have."""
        if self.dynamic:
            self.points = {point for point in ENTRY_POINTS if point in source} or set(ENTRY_POINTS)

    def reached(self, point: str) -> set[str]:
        """All code that the entry point may depend on."""
        reached: dict[int, ast.AST] = {}
        waiting: list[ast.AST] = [self.hooks[point], *self._always]
        while waiting:
            node = waiting.pop()
            if id(node) in reached:
                continue
            reached[id(node)] = node
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    waiting += self._names.get(inner.id, ())
                elif isinstance(inner, ast.Attribute):
                    waiting += self._methods.get(inner.attr, ())
                    waiting += self._state.get(inner.attr, ()) if isinstance(inner.value, ast.Name) else ()
        return {ast.dump(node) for node in reached.values()}

    def _read(self, node: ast.stmt) -> None:
        if isinstance(node, ast.ClassDef) and node.name == "Hooks":
            self.dynamic = self.dynamic or bool(node.bases or node.keywords or node.decorator_list)
            for one in node.body:
                self._read_hooks(one)
        elif isinstance(node, ast.ClassDef | _Function):
            self._names.setdefault(node.name, []).append(node)
            for method in ast.walk(node):
                if isinstance(method, _Function) and method is not node:
                    self._methods.setdefault(method.name, []).append(method)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                self._names.setdefault((alias.asname or alias.name).split(".")[0], []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and (names := _targets(node)):
            for name in names:
                self._names.setdefault(name, []).append(node)
            self._variables |= set(names)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            self._always.append(node)

    def _read_hooks(self, node: ast.stmt) -> None:
        if isinstance(node, _Function) and node.name == "__init__":
            for one in node.body:
                if _sets_attributes(one):  # found by the attribute's name
                    self._follow_state(node, one)
                else:
                    self._always.append(one)
        elif isinstance(node, _Function):
            if node.name in ENTRY_POINTS:
                self.hooks[node.name] = node
            self._methods.setdefault(node.name, []).append(node)
            self._follow_state(node, node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and (names := _targets(node)):
            for name in names:
                self._state.setdefault(name, []).append(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            self._always.append(node)

    def _follow_state(self, method: _Function, code: ast.AST) -> None:
        """Note which attributes of Hooks the code of a method may alter."""
        own = [argument.arg for argument in [*method.args.posonlyargs, *method.args.args]][:1]
        parents = _parents(code)
        for node in ast.walk(code):
            if isinstance(node, ast.Name) and node.id in own:
                mention = parents.get(node)
                if not isinstance(mention, ast.Attribute):  # handed on: whoever gets it may do anything
                    self.dynamic = True
                elif _may_alter(mention, parents):
                    self._state.setdefault(mention.attr, []).append(code)

    def _follow_variables(self, function: _Function) -> None:
        """Note which variables of the file, or attributes of its classes, a function may alter."""
        parents = _parents(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in self._names:
                mention = node if node.id in self._variables else parents.get(node)
                if isinstance(mention, ast.Name | ast.Attribute) and _may_alter(mention, parents):
                    self._names[node.id].append(function)


def _parents(code: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(code) for child in ast.iter_child_nodes(node)}


def _may_alter(node: ast.expr, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a mention may change what it names, or hand it on. One that only looks (compares, prints) does not."""
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return True
    parent = parents.get(node)
    if isinstance(parent, ast.Call):
        called = parent.func
        return called is not node and not (isinstance(called, ast.Name) and called.id in _LOOKING)
    if isinstance(parent, ast.Attribute):
        caller = parents.get(parent)
        if isinstance(caller, ast.Call) and caller.func is parent:
            return parent.attr not in _LOOKS
        return _may_alter(parent, parents)
    if isinstance(parent, ast.Subscript):
        return parent.value is node and _may_alter(parent, parents)
    if isinstance(parent, ast.BoolOp) or (isinstance(parent, ast.IfExp) and parent.test is not node):
        return _may_alter(parent, parents)
    looks = ast.Compare | ast.BinOp | ast.UnaryOp | ast.FormattedValue | ast.If | ast.While | ast.IfExp | ast.Expr
    return not isinstance(parent, looks)


def _is_dynamic(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _DYNAMIC_NAMES
    if isinstance(node, ast.Attribute):
        of_class = isinstance(node.value, ast.Name) and node.value.id == "cls" and not isinstance(node.ctx, ast.Load)
        return node.attr in _DYNAMIC_ATTRIBUTES or of_class
    if isinstance(node, ast.FunctionDef):
        return node.name in _DYNAMIC_ATTRIBUTES
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
        return any(module.split(".")[0] in _DYNAMIC_NAMES for module in modules)
    return isinstance(node, ast.Global)


def _is_hooks(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "Hooks"


def _binds_otherwise(tree: ast.Module) -> bool:
    """Whether Hooks, or an entry point of it, may be anything but its plain definition."""
    plain = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Hooks"]
    named = [node for node in ast.walk(tree) if "Hooks" in _bound(node)]
    if named != plain or len(plain) > 1:
        return True
    if any(not _is_plain(one) for node in plain for one in node.body):
        return True
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return any(node.attr in ENTRY_POINTS and not isinstance(node.ctx, ast.Load) for node in stored)


def _is_plain(node: ast.stmt) -> bool:
    """Whether a statement of a class makes no entry point other than as a function."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        stored = (one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
        return bool(_targets(node)) and not set(ENTRY_POINTS) & set(stored)
    return isinstance(node, _Function | ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _bound(node: ast.AST) -> list[str]:
    """The names that a node other than a plain name binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    return [str(getattr(node, "name", ""))]


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    """The plain names a statement sets; none if it sets anything else too."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _sets_attributes(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return bool(targets) and all(isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) for one in targets)


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return tree
