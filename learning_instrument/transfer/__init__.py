"""Exports executions to files, and imports them from files and other databases. Public.

Reads and writes through ``sqlite/`` and ``storage/``; never runs a task's code.
"""

from .conflicts import Conflict
from .exporting import FORMATS, STDOUT, ExportAnswer, export_executions
from .importing import ImportAnswer, Refusal, UnreadFile, import_executions

__all__ = [
    "FORMATS",
    "STDOUT",
    "Conflict",
    "ExportAnswer",
    "ImportAnswer",
    "Refusal",
    "UnreadFile",
    "export_executions",
    "import_executions",
]
