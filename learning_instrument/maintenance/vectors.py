"""Vectors of descriptions that questions have stored: how many there are, and their removal."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..sqlite.connection import open_for_maintenance
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Queryable, has_table
from ..storage import vectors
from ..storage.retention import give_space_back


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors by one model."""

    model: str
    descriptions: int
    #: Of the vectors, without the descriptions.
    bytes: int


def stored_vectors(database: Queryable) -> list[StoredVectors]:
    """Return what is stored by each model, by name.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    if not has_table(database, "vector_models"):
        return []  # an older release wrote the file
    rows = database.query(
        "SELECT m.model, count(vector) AS descriptions, coalesce(sum(length(vector)), 0) AS bytes FROM vector_models"
        " AS m LEFT JOIN description_vectors AS v ON v.model = m.model GROUP BY 1 ORDER BY 1"
    )
    return [StoredVectors(**row) for row in rows]


def delete_vectors(
    database: LearningDatabase | str | os.PathLike[str],
    embed_model: str,
    *,
    progress: Callable[[str, int, int], object] | None = None,
) -> StoredVectors:
    """Delete the vectors by one model, and give the space back; return what there was.

    Recording goes on meanwhile. An interruption keeps the others, and another call deletes them.

    Args:
        database: the database, or its path.
        embed_model: the name of the model.
        progress: called with a label, the vectors deleted, and their total.

    Raises:
        ConfigurationError: for a name without vectors.
        DatabaseError: if the database cannot be written.
    """
    tell = progress or (lambda what, done, of: None)
    path = absolute(database.path if isinstance(database, LearningDatabase) else database)
    with ReadOnlyDatabase(path) as questions:
        known = {each.model: each for each in stored_vectors(questions)}
    if embed_model not in known:
        expected = f"expected {' or '.join(map(repr, known))}" if known else "there are none"
        raise ConfigurationError(f"No vectors are stored by {embed_model!r}: {expected}.")
    found, done = known[embed_model], 0
    with open_for_maintenance(path) as connection:
        while deleted := connection.transact(lambda execute: vectors.delete(execute, embed_model)):
            done += deleted
            tell("Deleting vectors", done, found.descriptions)
        give_space_back(connection, lambda given, of: tell("Giving space back", given, of))
    return found
