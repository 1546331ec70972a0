"""The values that executions have under a name, and which conditions of a selection no execution meets."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..columns import UNKNOWN, metadata_key
from ..sqlite.dimensions import column_names, dimension, is_equal, nearest
from ..sqlite.selection import Queryable, Selection
from .group_totals import has_cube, totals

#: Executions that are read where no roll-up has the name.
_NEWEST: Final = 50_000
#: Values that are kept, and of these, how many are named in a sentence, and how much of each.
_MOST: Final = 10_000
_NAMED: Final = 5
_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Values:
    """The values that executions have under one name."""

    name: str
    #: Value -> how many executions have it, the most frequent first.
    executions: Mapping[str, int]
    #: Of how many executions, the last ones stored; None: of all.
    newest: int | None = None

    def __iter__(self) -> Iterator[dict[str, str | int]]:
        """Yield each value, and how many executions have it."""
        return ({"value": value, "executions": count} for value, count in self.executions.items())


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A condition that no execution meets."""

    name: str
    value: str
    #: What may have been meant: a value, or a name where no execution has any value under this one. None: unknown.
    nearest: str | None
    values: Values
    #: The keys of metadata that there are, the most frequent first; only where no execution has a value under the name.
    keys: tuple[str, ...] = ()

    @property
    def is_name_unknown(self) -> bool:
        """Whether no execution has a value under the name, which is then likely to be mistyped."""
        return metadata_key(self.name) is not None and self.values.executions.keys() <= {UNKNOWN}

    def __str__(self) -> str:
        """Return what no execution has, what may have been meant, and what there is."""
        newest = self.values.newest
        none = "No execution has" if newest is None else f"None of the newest {newest:,} executions has"
        meant = "" if self.nearest is None else f" Did you mean {_written(self.nearest)}?"
        if self.is_name_unknown:
            keys = [_written(key) for key in self.keys[:_NAMED]]
            what = f"{metadata_key(self.name)!r} in its task's metadata"
            return f"{none} {what}.{meant} {_listed('keys of metadata', keys, len(self.keys))}"
        counts = self.values.executions
        named = [f"{_written(value)} ({count:,})" for value, count in itertools.islice(counts.items(), _NAMED)]
        return f"{none} {self.name}={_written(self.value)}.{meant} {_listed('values', named, len(counts))}"


def values_of(database: Queryable, name: str) -> Values:
    """Return the values that executions have under *name*.

    Roll-ups answer for what they have; for other names the last 50,000 executions are read. At most 10,000 values.

    Args:
        database: the one to ask.
        name: a column, or ``metadata.KEY``.

    Raises:
        ConfigurationError: for another name.
        DatabaseError: if the database cannot be read.
    """
    sql = dimension(name, "name")
    if has_cube(database, (name,), Selection()):
        groups = totals(database, (name,), Selection(), ())
        counts = {value: of_group.count("executions") for (value,), of_group in groups.items()}
        newest = None
    else:
        rows = database.query(
            f"SELECT value, count(*) AS executions FROM (SELECT {sql} AS value FROM executions ORDER BY rowid DESC"
            " LIMIT ?) GROUP BY 1 ORDER BY 1",
            [_NEWEST],
        )
        counts = {row["value"]: row["executions"] for row in rows}
        newest = _NEWEST if sum(counts.values()) == _NEWEST else None
    frequent = sorted(counts.items(), key=lambda item: -item[1])[:_MOST]
    return Values(name, dict(frequent), newest)


def metadata_keys(database: Queryable) -> list[str]:
    """Return the keys of metadata that the last 50,000 executions have, the most frequent first.

    Without those that no ``metadata.KEY`` names: an empty one, say.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    document = "CASE WHEN json_valid(metadata) THEN metadata ELSE '{}' END"
    places = " UNION ALL ".join(
        f"SELECT key FROM newest, json_each(newest.metadata, '{place}') WHERE typeof(key) = 'text'"
        for place in ("$.task", "$")
    )
    rows = database.query(
        f"WITH newest AS (SELECT {document} AS metadata FROM executions ORDER BY rowid DESC LIMIT ?)"
        f" SELECT key FROM ({places}) WHERE key <> 'task' GROUP BY key ORDER BY count(*) DESC, key LIMIT ?",
        [_NEWEST, _MOST],
    )
    return [row["key"] for row in rows if metadata_key(f"metadata.{row['key']}") is not None]


def unmatched(database: Queryable, selection: Selection) -> tuple[Unmatched, ...]:
    """Return the filters of *selection* that no execution meets, each by itself, at any time.

    Each says, as text, what may have been meant and what there is. Where there are none although the selection is
    empty, its filters hold together for no execution.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    found = []
    for name, value in selection.filters:
        values = values_of(database, name)
        if not any(is_equal(name, each, value) for each in values.executions):
            found.append(_unmatched(database, name, value, values))
    return tuple(found)


def _unmatched(database: Queryable, name: str, value: str, values: Values) -> Unmatched:
    if metadata_key(name) is None or values.executions.keys() - {UNKNOWN}:
        return Unmatched(name, value, nearest(value, values.executions), values)
    keys = metadata_keys(database)
    return Unmatched(name, value, _nearest_name(name, keys), values, tuple(keys))


def _nearest_name(name: str, keys: list[str]) -> str | None:
    """Return the column or ``metadata.KEY`` that *name* is most like."""
    names = {key: f"metadata.{key}" for key in keys} | {column: column for column in column_names()}
    found = nearest(metadata_key(name) or name, names)
    return None if found is None else names[found]


def _listed(what: str, named: Sequence[str], count: int) -> str:
    """Return a sentence with the first of *count* names."""
    if not named:
        return f"There are no {what}."
    more = f" and {count - len(named):,} more" if count > len(named) else ""
    return f"The {what}: {', '.join(named)}{more}."


def _written(value: str) -> str:
    """Return *value* as it is named in a sentence: quoted where its ends could not be seen, cut where it is long."""
    short = value if len(value) <= _CHARACTERS else f"{value[:_CHARACTERS]}..."
    return short if short.isprintable() and short and not set(short) & set(", ()") else repr(short)
