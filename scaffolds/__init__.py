"""What loop 1 edits: one folder per world and version; and the code that loads, checks and runs it."""

from scaffolds.comparison import Area, Change, Comparison, compare
from scaffolds.faults import HookFailure, ScaffoldError
from scaffolds.folder import SHIPPED, shipped_scaffolds
from scaffolds.hooks import Decision, HooksRunner, NotebookView, Repair, Send, Veto, View
from scaffolds.operations import operation, refused
from scaffolds.prompts import VARIABLES, Prompts
from scaffolds.scaffold import NotebookMode, Routine, Scaffold
from scaffolds.settings import FileSpec, Settings

__all__ = [
    "SHIPPED",
    "VARIABLES",
    "Area",
    "Change",
    "Comparison",
    "Decision",
    "FileSpec",
    "HookFailure",
    "HooksRunner",
    "NotebookMode",
    "NotebookView",
    "Prompts",
    "Repair",
    "Routine",
    "Scaffold",
    "ScaffoldError",
    "Send",
    "Settings",
    "Veto",
    "View",
    "compare",
    "operation",
    "refused",
    "shipped_scaffolds",
]
