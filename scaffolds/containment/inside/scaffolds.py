"""`scaffolds` as contained code imports it: the names that hooks.py and operations.py are written with."""

from scaffolds.hooks import Decision, Repair, Send, Veto, View
from scaffolds.notebook_view import NotebookView
from scaffolds.operations import operation, refused

__all__ = ["Decision", "NotebookView", "Repair", "Send", "Veto", "View", "operation", "refused"]
