"""From selected turns to a memory specialist: datasets, recipes, the ledger, training and serving; and how they fail.

No heavy library is imported before a training begins; `training/sft_specialist.py` is also a script of its own.
"""

from __future__ import annotations


class TrainingError(ValueError):
    """A dataset, recipe, base or setting that cannot be trained with; one sentence: what, where, what to do."""


class TrainingFailure(RuntimeError):
    """The machine failed a training (disk, memory, a loss that is no number); one sentence: what, and what to do."""
