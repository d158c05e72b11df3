"""Runs the code of scaffolds that this repository does not ship: in a process of its own, under bubblewrap.

The process reaches nothing but a pipe to its parent. The parent sends calls of hooks and operations; the process asks
for notebook operations, which the parent carries out, journalled, on the files that the code may write.
"""

from scaffolds.containment.loading import Declared, declared
from scaffolds.containment.runner import ContainedHooks
from scaffolds.containment.wire import Bounds

__all__ = ["Bounds", "ContainedHooks", "Declared", "declared"]
