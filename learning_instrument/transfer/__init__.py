"""Executions out of a database, as files that others read; and into it, from such files and other databases."""

from .exporting import FORMATS, STDOUT, ExportAnswer, export_executions
from .importing import ImportAnswer, Refusal, import_executions

__all__ = [
    "FORMATS",
    "STDOUT",
    "ExportAnswer",
    "ImportAnswer",
    "Refusal",
    "export_executions",
    "import_executions",
]
