"""Failures of a fleet by masked message: sums of hours that are rolled up, and the executions of the other hours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..analytics.sources.failures import PLACES, Failures, message_of
from ..rollups.error_counts import KIND, MESSAGE_TEXT
from ..sqlite.dimensions import dimension
from ..sqlite.selection import FILTERS, Selection
from .arrivals import wait_more_than
from .clean_hours import VALID, hours_of
from .client import Client
from .dialect import translated

#: The name of these sums among those that are kept of an hour.
KEPT: Final = "failures"
_KEYS: Final = ("error_type", "exception_type", "message", "is_masked")
_SUMS: Final = ("executions", "first_seen", "last_seen", "newest")
#: The columns of the sums in their table, but for the generation.
COLUMNS: Final = ("bucket", *_KEYS, *FILTERS, *_SUMS)
#: While no more arrivals than that wait for refresh, their failures are told apart by messages that are masked here.
_MOST_WAITING: Final = 200_000
_LEFT_OUT: Final = "not masked yet: run learning-instrument fleet refresh"

_MASKED: Final = f"{KIND}, coalesce(message_template, {{otherwise}}) AS message, {{is_masked}} AS is_masked"
#: Of an execution that failed: :data:`_KEYS`.
_TOLD_APART: Final = _MASKED.format(otherwise=MESSAGE_TEXT, is_masked="message_template IS NOT NULL")
_NOT_TOLD_APART: Final = _MASKED.format(otherwise=f"'{_LEFT_OUT}'", is_masked="1")
_OF_EXECUTIONS: Final = (
    "SELECT {keys}, count(*) AS executions, min(timestamp) AS first_seen, max(timestamp) AS last_seen,"
    " max(rowid) AS newest FROM executions WHERE NOT success AND {condition} GROUP BY ALL"
)
_OF_SUMS: Final = (
    "SELECT {keys}, sum(executions) AS executions, min(first_seen) AS first_seen, max(last_seen) AS last_seen,"
    " max(newest) AS newest FROM ({sums}) GROUP BY ALL"
)

_Key = tuple[str, str, str]


def columns(client: Client) -> str:
    """Return SQL of four columns of a failure: error type, exception class, message, and whether that is masked.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    return _NOT_TOLD_APART if wait_more_than(client, _MOST_WAITING) else _TOLD_APART


def sums(condition: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL of the sums of the executions for which *condition* holds, and its parameters.

    Args:
        condition: in SQLite's SQL, over ``executions``.
        parameters: those of the condition.
    """
    filters = (f"{dimension(name)} AS {name}" for name in FILTERS)
    keys = ", ".join((f"{dimension('hour')} AS bucket", _TOLD_APART, *filters))
    return translated(_OF_EXECUTIONS.format(keys=keys, condition=condition), parameters)


def failures(client: Client, selection: Selection) -> list[Failures]:
    """Return the failures until the end of *selection* that pass its filters; the places are of its time alone.

    Raises:
        DatabaseError: if the fleet cannot answer.
    """
    told = columns(client)
    days = _found(client, selection, ("day",), told)
    if selection.since is not None:
        days += _found(client, replace(selection, since=None, until=selection.since), ("day",), told)
    of_days: defaultdict[_Key, list[tuple[str, str, int]]] = defaultdict(list)
    for row in days:
        of_days[message_of(row)].append((row["first_seen"], row["last_seen"], row["newest"]))
    of_places: defaultdict[_Key, list[tuple[Any, ...]]] = defaultdict(list)
    for row in _found(client, selection, PLACES, told):
        of_places[message_of(row)].append((row["executions"], *(row[name] for name in PLACES)))
    return [Failures(*key, min(first for first, _, _ in seen), seen, of_places[key]) for key, seen in of_days.items()]


def _found(client: Client, selection: Selection, by: Sequence[str], told: str) -> list[dict[str, Any]]:
    """Return the failures of *selection*, by message and the dimensions *by*. There may be several rows of the same.

    Args:
        client: the fleet.
        selection: which executions.
        by: dimensions.
        told: the columns that tell failures of executions apart.
    """
    condition, values = selection.condition()
    found: list[dict[str, Any]] = []
    if all(name in FILTERS for name, _ in selection.filters):
        hours = hours_of(client, KEPT, selection)
        of_others, ends = hours.of_others()
        condition, values = f"{of_others} AND {condition}", {**values, **ends}
        if hours.clean:
            filters, named = selection.filter_condition(str)
            stored, given = translated(f"SELECT * FROM learning_instrument_failures WHERE {filters}", named)
            keys = ", ".join((*_KEYS, *("substr(bucket, 1, 10) AS day" if name == "day" else name for name in by)))
            sql = _OF_SUMS.format(keys=keys, sums=f"{stored} AND {VALID}")
            found += client.rows(sql, {**given, **hours.generations()})
    keys = ", ".join((told, *(f"{dimension(name)} AS {name}" for name in by)))
    sql = _OF_EXECUTIONS.format(keys=keys, condition=condition)
    return found + client.rows(*translated(sql, values))
