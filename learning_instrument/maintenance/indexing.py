"""Cubes on demand: reports by a name that is indexed read sums in place of the executions."""

import os
from collections.abc import Callable

from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..rollups import catch_up, keys
from ..rollups.cubes import is_indexable
from ..rollups.keys import IndexedName
from ..sqlite.connection import open_for_maintenance
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase

Database = LearningDatabase | str | os.PathLike[str]


def index(database: Database, name: str, *, progress: Callable[[str, int, int], object] | None = None) -> IndexedName:
    """Keep sums by *name* and day from now on, for reports by it: some seconds for each 100,000 executions.

    Recording goes on meanwhile. After an interruption the background goes on.

    Args:
        database: the database, or its path.
        name: ``metadata.KEY``, ``model`` or ``worker_id``.
        progress: called with a label, the executions done, and their total.

    Raises:
        ConfigurationError: for another name, or one with nearly as many values as executions.
        DatabaseError: if the database cannot be written.
    """
    path = _path(database, name)
    with open_for_maintenance(path) as connection:
        keys.add_name(connection, name)
        catch_up.catch_up_fully(connection, progress or (lambda what, done, of: None))
        (found,) = (each for each in _read(path) if each.name == name)
        if found.is_stopped:
            keys.drop_name(connection, name)
            raise ConfigurationError(
                f"{name} has too many values to be indexed: nearly one for each of {found.executions:,} executions."
                " Reports read the executions for it, as before."
            )
    return found


def drop_index(database: Database, name: str) -> None:
    """Delete the sums by *name*; reports by it read the executions again.

    Raises:
        ConfigurationError: for a name that is not indexed.
        DatabaseError: if the database cannot be written.
    """
    path = _path(database, name)
    with open_for_maintenance(path) as connection:
        if not keys.drop_name(connection, name):
            names = ", ".join(each.name for each in _read(path))
            expected = f"expected one of {names}" if names else "no name is"
            raise ConfigurationError(f"{name} is not indexed: {expected}.")


def indexed(database: Database) -> list[IndexedName]:
    """Return the names that are indexed.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    return _read(absolute(database.path if isinstance(database, LearningDatabase) else database))


def _path(database: Database, name: str) -> str:
    if not isinstance(name, str) or not is_indexable(name):
        raise ConfigurationError(f"Invalid name {name!r}: expected metadata.KEY, model or worker_id.")
    if isinstance(database, LearningDatabase):
        database.flush()
        database = database.path
    return absolute(database)


def _read(path: str) -> list[IndexedName]:
    with ReadOnlyDatabase(path) as database:
        return keys.indexed_names(database)
