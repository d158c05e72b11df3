"""Code of scaffolds that this repository does not ship runs here: in a process of its own, under bubblewrap.

It can reach nothing but a pipe to us. Over it come calls of hooks and operations, and go requests for notebook
operations, which we carry out on the episode's notebook: journalled, and within what the code may write.
"""

from scaffolds.containment.loading import Declared, declared
from scaffolds.containment.runner import ContainedHooks
from scaffolds.containment.wire import Bounds

__all__ = ["Bounds", "ContainedHooks", "Declared", "declared"]
