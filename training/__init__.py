"""From selected turns to a memory specialist: datasets, recipes, the ledger, training, serving, and their errors.

No heavy library is imported before a training begins; `training/sft_specialist.py` is also a script of its own.
"""

from __future__ import annotations


class TrainingError(ValueError):
    """A dataset, recipe, base or setting is unusable; one sentence: what, where, what to do."""


class TrainingFailure(RuntimeError):
    """The machine failed a training (disk, memory, a loss that is not a number); one sentence: what, and what to do."""
