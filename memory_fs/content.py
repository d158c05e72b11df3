"""From a text written by a model to lines that may stand in a file, or a refusal."""

from __future__ import annotations

import re

from memory_fs.limits import Limits
from memory_fs.results import Refused, RejectionCode

UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters other than newline and tab, and halves of surrogate pairs, which UTF-8 cannot hold."""


def check_text(text: str, limits: Limits) -> None:
    """Raise `Refused` for a text that no file may hold."""
    if len(text) > limits.max_file_bytes:
        raise Refused(RejectionCode.FILE_FULL, f"The text is too long; a file holds {limits.max_file_bytes} bytes.")
    unfit = UNFIT.search(text)
    if unfit is None:
        return
    code = ord(unfit.group())
    where = f"U+{code:04X} at character {unfit.start() + 1}"
    if code >= 0xD800:
        raise Refused(RejectionCode.NOT_UNICODE, f"The text holds half a character ({where}); leave it out.")
    raise Refused(RejectionCode.CONTROL_CHARACTER, f"The text holds a control character ({where}); leave it out.")


def keyed_line(key: str, text: str, limits: Limits) -> tuple[str, str]:
    """Return the key and its one line `key: text`; line breaks in the text become spaces."""
    check_text(key, limits)
    check_text(text, limits)
    key = key.strip()
    if not key or ": " in key or "\n" in key:
        raise Refused(RejectionCode.BAD_KEY, "A key is a short text on one line without ': ' in it, such as 3,4.")
    return key, f"{key}: {text.strip()}".replace("\n", " ")
