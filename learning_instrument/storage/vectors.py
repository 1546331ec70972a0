"""Vectors of task descriptions, by the name of the model that made them.

They are made for questions (:mod:`learning_instrument.analytics.vectors`); triggers delete a vector with the last
execution of its description. For that, descriptions have an index as long as there are vectors.
"""

from collections.abc import Mapping
from typing import Final

from ..sqlite.connection import Execute

#: Vectors deleted in one transaction, which holds the lock for a few milliseconds.
SLICE_ROWS: Final = 500


def add(execute: Execute, model: str, probe: bytes, vectors: Mapping[str, bytes]) -> None:
    """Store *vectors* of the descriptions that executions still have.

    Args:
        execute: runs a statement within a transaction.
        model: the name of the model.
        probe: what it makes of the probe. If the name is taken by a model with another one, nothing is stored.
        vectors: description -> its vector.
    """
    execute(
        "CREATE INDEX IF NOT EXISTS idx_executions_description ON executions (task_description)"
        " WHERE task_description <> ''"
    )
    execute("INSERT OR IGNORE INTO vector_models (model, probe) VALUES (?, ?)", (model, probe))
    for description, vector in vectors.items():
        execute(
            "INSERT OR IGNORE INTO description_vectors (task_description, model, vector) SELECT ?, ?, ?"
            " WHERE EXISTS (SELECT 1 FROM vector_models WHERE model = ? AND probe = ?)"
            " AND EXISTS (SELECT 1 FROM executions WHERE task_description = ? AND task_description <> '')",
            (description, model, vector, model, probe, description),
        )


def delete(execute: Execute, model: str) -> int:
    """Delete some of the vectors by *model*, and its name with the last; return the number deleted."""
    execute(
        "DELETE FROM description_vectors WHERE rowid IN"
        " (SELECT rowid FROM description_vectors WHERE model = ? LIMIT ?)",
        (model, SLICE_ROWS),
    )
    ((deleted,),) = execute("SELECT changes()")
    if deleted < SLICE_ROWS:
        execute("DELETE FROM vector_models WHERE model = ?", (model,))
        if not execute("SELECT 1 FROM vector_models"):
            execute("DROP INDEX IF EXISTS idx_executions_description")
    return int(deleted)
