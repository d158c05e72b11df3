"""The errors of scaffolds: where, what is wrong, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class ScaffoldError(ValueError):
    """A scaffold that cannot be used. The message is one line: `file:line: what is wrong; what to do`."""

    def __init__(self, problem: str, path: Path | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + " ".join(problem.split()))
        self.problem = problem
        self.path = path
        self.line = line


class HookFailure(RuntimeError):
    """Code of a scaffold failed while an episode ran. The message names file, line and what happened.

    `kind` is "hooks" where the code itself failed; for contained code that was stopped, it is the reason:
    "unresponsive", "ended", "garbage", "output", "cpu", or "containment" where it could not be started.
    """

    def __init__(self, sentence: str, *, kind: str = "hooks", what: str = "", line: int | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.what = what
        self.line = line


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the known name most like `name`, or all of them when none is like it."""
    known = list(known)
    found = get_close_matches(name.lower(), [one.lower() for one in known], n=1, cutoff=0.5)
    for one in known:
        if found and one.lower() == found[0]:
            return f"did you mean {one!r}?"
    return f"known: {', '.join(known) or 'none'}"
