"""What stops a search without ending it, and what makes an attempt lose: the machine's failures, and a candidate's."""

from __future__ import annotations

from graphs.evaluation.causes import players_own
from graphs.evaluation.playing import Halted
from scaffolds import ScaffoldError
from tools import UnknownDialect, VocabularyError

CANDIDATE_ERRORS = (ScaffoldError, UnknownDialect, VocabularyError)
"""What playing a candidate raises where its files, which passed the check, turn out not to do."""

SearchHalted = Halted
"""The machine failed a search: nothing was decided, and it can be gone on with."""

candidates_own = players_own
"""Whether a failed episode is the candidate's doing: its code broke, hung or flooded, or its prompts grew too long."""
