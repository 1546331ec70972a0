"""The arguments of every question: a database, and a selection of executions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from ..errors import ConfigurationError
from ..timestamps import from_iso, iso
from .dimensions import dimension, equals

#: The dimensions that have a field of their own.
FILTERS: Final = ("repo", "pool_type", "model_tier", "task_type")

Where = Mapping[str, str] | str | Sequence[str | tuple[str, str]]
"""Conditions: name -> value, ``"NAME=VALUE"``, or several of these."""


Parameters = Sequence[Any] | Mapping[str, Any]
"""The values of a question's ``?``, in their order, or of its ``:names``."""


class Queryable(Protocol):
    """Answers questions in SQL: a :class:`LearningDatabase`, or any object with its ``query``."""

    def query(self, sql: str, parameters: Parameters = ..., /) -> list[dict[str, Any]]:
        """Return the rows, column name -> value."""
        ...


class OpenDatabase(Queryable, Protocol):
    """A database that is open to be read: a file's, or a fleet's."""

    @property
    def path(self) -> str:
        """Its path or address."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Answer all questions in this block from one state, where the engine can."""
        ...

    def has_table(self, name: str) -> bool:
        """Tell whether it has the table *name*."""
        ...


def has_table(database: Queryable, name: str) -> bool:
    """Tell whether the file has the table *name*: that of an older release may lack it."""
    return bool(database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [name]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The executions that a question is about. None: all.

    Args:
        since: the start of the window, with a time zone.
        until: its end, which is not in it.
        repo: the repository.
        pool_type: the pool that ran the task.
        model_tier: the tier of its model.
        task_type: the type of the task.
        where: further conditions, all of which hold: name -> value, or ``"NAME=VALUE"``, one or several. A name is a
            column (``model``), or ``metadata.KEY`` for a key of the task's metadata. Values are compared as text:
            numbers, ``true`` and ``false`` as JSON writes them; a missing one is ``unknown``.

    Raises:
        ConfigurationError: for a time without a time zone, an empty window, or a condition of another form.
    """

    since: datetime | None = None
    until: datetime | None = None
    repo: str | None = None
    pool_type: str | None = None
    model_tier: str | None = None
    task_type: str | None = None
    where: Where = ()

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
                raise ConfigurationError(
                    f"Invalid {name} {moment!r}: expected a datetime with a time zone, such as timezone.utc."
                )
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(
                f"Invalid window: since={_readable(self.since)} is not before until={_readable(self.until)}."
            )
        for name in FILTERS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(f"Invalid {name} {value!r}: expected text.")
        object.__setattr__(self, "where", tuple(_conditions(self.where)))
        for name, _ in self.filters:
            dimension(name)

    def __str__(self) -> str:
        """Return the window and the filters."""
        window = "..".join("" if moment is None else _readable(moment) for moment in (self.since, self.until))
        filters = [f"{name}={value}" for name, value in self.filters]
        return ", ".join(filters if filters and window == ".." else [window, *filters])

    @property
    def filters(self) -> tuple[tuple[str, str], ...]:
        """The filters that are set, each a dimension and its value."""
        fields = tuple((name, value) for name in FILTERS if (value := getattr(self, name)) is not None)
        return (*fields, *_conditions(self.where))

    def narrowed(self, where: Where) -> "Selection":
        """Return the executions of it for which *where* holds as well."""
        return replace(self, where=(*_conditions(self.where), *_conditions(where)))

    def filter_condition(self, column: Callable[[str], str] = dimension) -> tuple[str, dict[str, Any]]:
        """Return the condition of the filters alone, and its named parameters.

        Args:
            column: dimension -> its SQL.
        """
        terms = [equals(column(name), name, f":filter{number}") for number, (name, _) in enumerate(self.filters)]
        return " AND ".join(terms) or "1", {f"filter{n}": value for n, (_, value) in enumerate(self.filters)}

    def condition(self, moment: str = "timestamp") -> tuple[str, dict[str, Any]]:
        """Return the condition after WHERE in a question to ``executions``, and its named parameters.

        Args:
            moment: the SQL of the time; ``+timestamp`` keeps SQLite from its index.
        """
        condition, parameters = self.filter_condition()
        for name, sign, limit in (("since", ">=", self.since), ("until", "<", self.until)):
            if limit is not None:
                condition = f"{moment} {sign} :{name} AND {condition}"
                parameters[name] = iso(limit)
        return condition, parameters


def newest(database: Queryable, selection: Selection, most: int, table: str = "executions") -> Selection:
    """Return *selection* of the time in which its newest executions began.

    Args:
        database: the one to ask.
        selection: which executions.
        most: so many of them; fewer are all.
        table: that has them.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    condition, parameters = selection.condition()
    found = database.query(
        f"SELECT timestamp FROM {table} WHERE {condition} ORDER BY timestamp DESC LIMIT 1 OFFSET {most - 1}", parameters
    )
    return replace(selection, since=from_iso(found[0]["timestamp"])) if found else selection


def _conditions(where: Any) -> Iterator[tuple[str, str]]:
    given = where.items() if isinstance(where, Mapping) else [where] if isinstance(where, str | bytes) else where
    if not isinstance(given, Iterable):
        raise _invalid(given)
    for each in given:
        if isinstance(each, str) and each.partition("=")[1]:
            name, _, value = each.partition("=")
        elif isinstance(each, tuple) and len(each) == 2 and all(isinstance(part, str) for part in each):
            name, value = each
        else:
            raise _invalid(each)
        yield name, value


def _invalid(condition: Any) -> ConfigurationError:
    return ConfigurationError(
        f"Invalid condition {condition!r}: expected NAME=VALUE, both text, such as model=gpt-4o or"
        " metadata.customer=acme."
    )


def _readable(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")
