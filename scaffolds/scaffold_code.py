"""Python files of a scaffold: read, run in a module of their own, and blamed by file and line when they break."""

import itertools
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from memory_fs import NotebookFailure
from scaffolds.faults import HookFailure, ScaffoldError

_RUNS = itertools.count(1)


class ScaffoldCode:
    """One Python file of a scaffold, compiled once. Reading it runs nothing and writes no `__pycache__`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.source = path.read_text(encoding="utf-8")
            self._code: CodeType = compile(self.source, str(path), "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ScaffoldError(f"this is no Python: {error.msg}", path, error.lineno) from error
        except (OSError, ValueError) as error:  # unreadable, not UTF-8, or NUL characters in it
            raise ScaffoldError(f"this file cannot be read: {error}", path) from error

    def run(self) -> ModuleType:
        """A fresh module of this code, sharing nothing with earlier runs. ScaffoldError if it breaks."""
        module = ModuleType(f"automem_scaffold_{next(_RUNS)}_{self.path.stem}")
        module.__file__ = str(self.path)
        sys.modules[module.__name__] = module  # only while it runs: class decorators look their module up by name
        try:
            exec(self._code, module.__dict__)  # noqa: S102 (running it is what it is for; Scaffold.load asks for trust)
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
        except NotebookFailure:  # the disk's fault, whoever wrote
            raise
        except (Exception, SystemExit) as error:
            line = self.line_in(error)
            place = f"{self.path}:{line}" if line else str(self.path)
            what = str(error) if isinstance(error, BrokenPromise) else f"{type(error).__name__}: {error}"
            raise HookFailure(f"{place}: {doing}: {what}") from error

    def line_in(self, error: BaseException) -> int | None:
        """The line of this file at which the error passed last, if it did."""
        frames = traceback.extract_tb(error.__traceback__)
        return next((frame.lineno for frame in reversed(frames) if frame.filename == str(self.path)), None)

    def is_home_of(self, value: object) -> bool:
        """Whether `value` is a function written in this file."""
        return isinstance(value, FunctionType) and value.__code__.co_filename == str(self.path)


class BrokenPromise(Exception):
    """Scaffold code returned, or asked for, something its protocol does not allow."""
