"""Failures of a fleet by masked message: those whose message refresh has masked, and the others, masked here."""

from collections import defaultdict
from dataclasses import replace
from typing import Any, Final

from ..analytics.sources.failures import KIND, PLACES, Failures, message_of
from ..rollups.error_counts import MESSAGE_TEXT
from ..sqlite.selection import Queryable, Selection
from ..timestamps import iso

#: The message as refresh has masked it, if it has.
COLUMNS: Final = (
    f"{KIND}, coalesce(message_template, {MESSAGE_TEXT}) AS message, message_template IS NOT NULL AS is_masked"
)
_FAILURES: Final = f"SELECT {COLUMNS}, {{columns}} FROM executions WHERE NOT success AND {{condition}}"
_SEEN: Final = "min(timestamp) AS first_seen, max(timestamp) AS last_seen, max(rowid) AS newest"
_BY: Final = " GROUP BY 1, 2, 3, 4, "

_Key = tuple[str, str, str]


def failures(database: Queryable, selection: Selection) -> list[Failures]:
    """Return the failures until the end of *selection* that pass its filters; the places are of its time alone."""
    condition, parameters = replace(selection, since=None).condition()
    parameters["cut"] = "" if selection.since is None else iso(selection.since)  # a day that it cuts is two
    days = database.query(
        _FAILURES.format(
            columns=f"substr(timestamp, 1, 10) AS day, timestamp >= :cut AS is_selected, {_SEEN}", condition=condition
        )
        + _BY
        + "5, 6",
        parameters,
    )
    condition, parameters = selection.condition()
    names = ", ".join(f"coalesce({name}, 'unknown') AS {name}" for name in PLACES)
    places = database.query(
        _FAILURES.format(columns=f"{names}, count(*) AS executions", condition=condition) + _BY + "5, 6, 7", parameters
    )
    of_days: defaultdict[_Key, list[tuple[str, str, int]]] = defaultdict(list)
    for row in days:
        of_days[message_of(row)].append((row["first_seen"], row["last_seen"], row["newest"]))
    of_places: defaultdict[_Key, list[tuple[Any, ...]]] = defaultdict(list)
    for row in places:
        of_places[message_of(row)].append((row["executions"], *(row[name] for name in PLACES)))
    return [Failures(*key, min(first for first, _, _ in seen), seen, of_places[key]) for key, seen in of_days.items()]
