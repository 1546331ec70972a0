"""What a reader asks for in the parameters of an address, and the address that asks for it."""

import re
from datetime import datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote, urlencode

from ...analytics.periods import PERIODS, Period, default_periods
from ...errors import ConfigurationError
from ...sqlite.selection import FILTERS, Queryable, Selection
from ...timestamps import iso, moment
from .server import Query

#: The parameters that choose executions; ``where`` may be given several times.
WINDOW: Final = ("since", "until")
CHOOSING: Final = (*WINDOW, *FILTERS, "where")
OVERVIEW: Final = "/"
SEARCH: Final = "/executions"
_DAYS: Final = re.compile("[1-9][0-9]{0,4}")


def end_of_minute() -> datetime:
    """Return what a page takes for the present: what is asked for within one minute has one answer."""
    return datetime.now(timezone.utc).replace(second=0, microsecond=0) + timedelta(minutes=1)


def value_of(query: Query, name: str) -> str | None:
    """Return the last value of a parameter; None where it is missing, or an empty field of a form."""
    return query.get(name, ("",))[-1] or None


def check_names(query: Query, known: tuple[str, ...]) -> None:
    """Refuse a parameter that would be ignored: what is shown would not be what was asked for.

    Raises:
        ConfigurationError: if one is not known.
    """
    for name in query:
        if name not in known:
            raise ConfigurationError(f"Invalid parameter {name!r:.100}: expected one of {', '.join(known)}.")


def selection_of(query: Query, now: datetime) -> Selection:
    """Return the executions that parameters choose.

    Raises:
        ConfigurationError: for an invalid value.
    """
    values = {name: value_of(query, name) for name in (*WINDOW, *FILTERS)}
    since, until = (None if text is None else moment(text, now) for text in map(values.pop, WINDOW))
    where = tuple(filter(None, query.get("where", ())))
    return Selection(since=since, until=until, where=where, **values)


def period_of(query: Query, now: datetime, database: Queryable) -> Period:
    """Return the period that parameters choose: from ``since`` until ``until``, else so many last ``days``.

    Raises:
        ConfigurationError: for an invalid value.
        DatabaseError: if the database cannot be read.
    """
    chosen = selection_of(query, now)
    days = _days(value_of(query, "days"))
    until = chosen.until or now
    if chosen.since is not None:
        return Period(chosen.since, until)
    if chosen.until is not None or days not in PERIODS:
        return Period.last(days, until)
    return default_periods(database, now)[PERIODS.index(days)]


def _days(text: str | None) -> int:
    if text is None:
        return PERIODS[0]
    if not _DAYS.fullmatch(text):
        raise ConfigurationError(f"Invalid days {text!r:.100}: expected a number of days, such as 30.")
    return int(text)


def address_of_rows(selection: Selection, **others: str) -> str:
    """Return the address of the list of the executions that are selected."""
    pairs = [(name, iso(limit)) for name in WINDOW if (limit := getattr(selection, name)) is not None]
    for name, value in selection.filters:
        pairs.append((name, value) if name in FILTERS else ("where", f"{name}={value}"))
    pairs += others.items()
    return f"{SEARCH}?{urlencode(pairs)}" if pairs else SEARCH


def address_of_execution(execution_id: str) -> str:
    """Return the address of one execution."""
    return f"{SEARCH}/{quote(execution_id, safe='')}"
