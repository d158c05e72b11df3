"""Whether an appended text says again what was lately appended, for the redundant write rate (see metrics.py)."""

import re

_TEXTS = 64  # remembered per file: enough to catch a refrain, and a bound on memory
_FILES = 64  # files whose texts are remembered
_STAMP = re.compile(r"\b(?:step|turn|t)\s*[:=#]?\s*\d+\b")
_NOT_WORDS = re.compile(r"[^\w-]+|(?<!\w)-(?!\d)")  # a minus stays: -3 is not 3


class RecentTexts:
    """The normal forms of the texts lately appended to each file, bounded in files and in texts per file."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, None]] = {}

    def repeats(self, file: str | None, text: str) -> bool:
        """Say whether `text` was lately appended to `file`, and remember it."""
        recent = self._files.pop(file or "", {})
        self._files[file or ""] = recent  # the file used last stands last
        if len(self._files) > _FILES:
            del self._files[next(iter(self._files))]
        form = normal_form(text)
        repeated = bool(form) and form in recent
        recent.pop(form, None)
        recent[form] = None
        if len(recent) > _TEXTS:
            del recent[next(iter(recent))]
        return repeated


def normal_form(text: str) -> str:
    """Return `text` without letter case, spacing, punctuation and stamps: equal forms say the same."""
    return " ".join(_NOT_WORDS.sub(" ", _STAMP.sub(" ", text.casefold())).split())
