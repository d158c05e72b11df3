"""Why an episode failed: the machine, or what was being played; and whether playing on can help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat_models.failures import RETRIED, FailureKind


def players_own(cause: Mapping[str, Any]) -> bool:
    """Whether a failed episode is the doing of what was played: its code broke, or its prompts grew too long.

    That containment could not be set up at all is the machine's doing.
    """
    if cause["where"] == "provider":
        return str(cause["kind"]) == FailureKind.CONTEXT_TOO_LONG
    return str(cause["where"]) == "bug" or (cause["where"] == "hooks" and cause["kind"] != "containment")


def may_pass(cause: Mapping[str, Any]) -> bool:
    """Whether playing on at once can help: a server that was away may be back."""
    return cause["where"] == "provider" and cause["kind"] in set(RETRIED)
