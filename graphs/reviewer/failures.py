"""What stops a search without ending it, and what makes an attempt lose: the machine's failures, and a candidate's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat_models.failures import FailureKind
from graphs.evaluation.causes import players_own
from graphs.evaluation.playing import Halted
from scaffolds import ScaffoldError
from tools import UnknownDialect, VocabularyError

CANDIDATE_ERRORS = (ScaffoldError, UnknownDialect, VocabularyError)
"""What playing a candidate raises where its files, which passed the check, turn out not to do."""

SearchHalted = Halted
"""The machine failed a search: nothing was decided, and it can be gone on with."""


def candidates_own(cause: Mapping[str, Any]) -> bool:
    """Whether a failed probe is the candidate's doing: its code broke, hung or flooded, or its prompts grew too long.

    So is a request that the server does not take: of the same settings and another scaffold it took every one.
    """
    return players_own(cause) or (cause["where"] == "provider" and cause["kind"] == FailureKind.BAD_REQUEST)
