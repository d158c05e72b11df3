"""What one server cannot take, learned from its refusals, and the requests changed accordingly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chat_models.failures import error_of

KEPT = frozenset(
    {
        *("model", "messages", "tools", "tool_choice", "response_format", "max_tokens", "max_completion_tokens"),
        *("structured_outputs", "regex", "grammar", "top_k", "top_p", "min_p"),
    }
)
"""Fields that no request goes without: a reply would mean something else."""
LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_SAMPLING = frozenset({"temperature"})
"""Fields that can be refused for their value, too: these are left out only where the field itself is refused."""
_REFUSED = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra (input|field)"
    r"|not (permitted|allowed|implemented)|invalid (field|parameter|argument)|additional propert"
)
_SYSTEM = re.compile(
    r"system.{0,12}role.{0,40}(not |un)(support|allow|known)|(not |un)(support|allow|known).{0,40}system"
    r"|only user and assistant roles|system messages? (is|are) not|(?<!system message, )conversation roles must"
)
"""How servers and chat templates say that a conversation cannot open with a system message."""


class Adaptation:
    """How the requests to one server are changed. Shared by threads; what is learned is only added to."""

    def __init__(self) -> None:
        self._left_out: list[str] = []
        self._renamed: dict[str, str] = {}
        self.folds_system = False
        """Whether the system's text opens the first user message."""

    @property
    def changes(self) -> list[str]:
        """What is changed, one sentence each."""
        said = [f"The server refuses {name}: requests are sent without it." for name in self._left_out]
        said += [f"The server refuses {old}: the limit is sent as {new}." for old, new in self._renamed.items()]
        if self.folds_system:
            said.append("The server refuses the system role: the system text opens the first user message.")
        return said

    def apply(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The request as the server takes it."""
        changed = {self._renamed.get(name, name): value for name, value in payload.items()}
        for name in self._left_out:
            changed.pop(name, None)
        if self.folds_system:
            changed["messages"] = folded(changed["messages"])
        return changed

    def learn(self, sent: Mapping[str, Any], status: int, body: object) -> bool:
        """Whether a refusal of the request `sent` says what to change; it is changed from then on."""
        if status not in (400, 422, 500):
            return False
        message, code = error_of(body)
        words = f"{message} {code}".lower()
        if sent["messages"][0]["role"] == "system" and _SYSTEM.search(words):
            self.folds_system = True
            return True
        if status == 500:
            return False
        for name in sent:
            if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words):
                continue
            refused = _REFUSED.search(words) is not None
            if name in LIMITS and refused and LIMITS[name] not in self._renamed:
                self._renamed[name] = LIMITS[name]
                return True
            if name not in KEPT and (refused or name not in _SAMPLING):
                if name not in self._left_out:
                    self._left_out.append(name)
                return True
        return False


def folded(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the system's text at the beginning of the first user message."""
    if messages[0]["role"] != "system":
        return messages
    system, *rest = messages
    if not rest or rest[0]["role"] != "user":
        return [{**system, "role": "user"}, *rest]
    return [{**rest[0], "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]
