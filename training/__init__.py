"""From selected turns to a memory specialist: datasets, recipes, the ledger, training, serving, and their errors.

No heavy library is imported before a training begins; `training/sft_specialist.py` is also a script of its own.
"""

from __future__ import annotations

import errno
import sys


class TrainingError(ValueError):
    """A dataset, recipe, base or setting is unusable; one sentence: what, where, what to do."""


class TrainingFailure(RuntimeError):
    """The machine failed a training (disk, memory, a loss that is not a number); one sentence: what, and what to do."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory, of this machine or of a GPU."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    torch = sys.modules.get("torch")  # an error of torch comes from a torch that is there
    known = torch is not None and isinstance(error, torch.OutOfMemoryError)
    return known or "allocate memory" in str(error)
