"""Python files of a scaffold: read, run in a module of their own, with file and line of what breaks in them."""

import itertools
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Self

from memory_fs import NotebookFailure
from scaffolds.faults import HookFailure, ScaffoldError

_RUNS = itertools.count(1)


class ScaffoldCode:
    """One Python file of a scaffold, compiled once. Reading it runs nothing and writes no `__pycache__`."""

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self.source = source

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file. ScaffoldError if it is not text."""
        try:
            return cls(path, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ScaffoldError(f"this file cannot be read as UTF-8 text: {error}", path) from error

    @cached_property
    def _code(self) -> CodeType:
        try:
            return compile(self.source, str(self.path), "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ScaffoldError(f"this is no Python: {error.msg}", self.path, error.lineno) from error
        except (ValueError, RecursionError, MemoryError) as error:  # NUL characters in it, or brackets without end
            raise ScaffoldError(f"this is no Python: {str(error) or type(error).__name__}", self.path) from error

    def run(self) -> ModuleType:
        """A fresh module of this code, sharing nothing with earlier runs. ScaffoldError if it breaks."""
        module = ModuleType(f"automem_scaffold_{next(_RUNS)}_{self.path.stem}")
        module.__file__ = str(self.path)
        code = self._code
        sys.modules[module.__name__] = module  # only while it runs: class decorators look their module up by name
        try:
            exec(code, module.__dict__)  # noqa: S102 (Scaffold.load runs only trusted or contained code)
        except (Exception, SystemExit) as error:
            line = self.line_in(error)
            raise ScaffoldError(f"running this file raised {type(error).__name__}: {error}", self.path, line) from error
        finally:
            del sys.modules[module.__name__]
        return module

    @contextmanager
    def blamed(self, doing: str) -> Iterator[None]:
        """Turn what breaks in here into a HookFailure that names this file, the line and what was being done."""
        try:
            yield
        except NotebookFailure:  # a fault of the disk, not of the code
            raise
        except (Exception, SystemExit) as error:
            line = self.line_in(error)
            place = f"{self.path}:{line}" if line else str(self.path)
            what = str(error) if isinstance(error, BrokenPromise) else f"{type(error).__name__}: {error}"
            raise HookFailure(f"{place}: {doing}: {what}", what=what, line=line) from error

    def line_in(self, error: BaseException) -> int | None:
        """The line of this file at which the error passed last, if it did."""
        lines = [
            line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(self.path)
        ]
        return lines[-1] if lines else None

    def is_home_of(self, value: object) -> bool:
        """Whether `value` is a function written in this file."""
        return isinstance(value, FunctionType) and value.__code__.co_filename == str(self.path)


class BrokenPromise(Exception):
    """Scaffold code returned, or asked for, something its protocol does not allow."""
