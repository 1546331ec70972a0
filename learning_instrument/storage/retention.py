"""Automatic retention: old rows out, in slices short enough that no writer waits for them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..errors import ConfigurationError
from ..sqlite.connection import WriteConnection

_SLICE_ROWS: Final = 500
_SLICES: Final = 20
_PAGES: Final = 500
_UNITS: Final = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, in days, and how large the database may grow, in bytes. None: without limit."""

    days: float | None = None
    max_bytes: int | None = None


def retention(days: float | None, max_size: int | str | None) -> Retention:
    """Return the checked limits. *max_size* is a number of bytes, or a text such as ``"500MB"``.

    Raises:
        ConfigurationError: for a limit that is none.
    """
    if days is not None and not (isinstance(days, (int, float)) and days > 0):
        raise ConfigurationError(f"retention_days={days!r} is not a number of days above 0.")
    return Retention(days, None if max_size is None else size_in_bytes(max_size))


def trim(connection: WriteConnection, limits: Retention) -> bool:
    """Delete a bounded number of the oldest rows beyond *limits*; tell whether there is more to do."""
    for _ in range(_SLICES):
        condition = _excess(connection.execute, limits)
        if condition is None:
            return False
        where, parameters, rows = condition
        oldest = f"SELECT rowid FROM executions {where} ORDER BY timestamp LIMIT {rows}"
        connection.execute(f"DELETE FROM executions WHERE rowid IN ({oldest})", parameters)
        connection.vacuum(_PAGES)
    return True


def _excess(
    execute: Callable[[str, tuple[Any, ...]], list[Any]], limits: Retention
) -> tuple[str, tuple[Any, ...], int] | None:
    """Return the condition of the rows to delete next, and how many; None where nothing is beyond the limits."""
    if limits.days is not None:
        oldest = (datetime.now(timezone.utc) - timedelta(days=limits.days)).isoformat(timespec="microseconds")
        if execute("SELECT 1 FROM executions WHERE timestamp < ? LIMIT 1", (oldest,)):
            return "WHERE timestamp < ?", (oldest,), _SLICE_ROWS
    if limits.max_bytes is not None:
        (pages,), (free,), (size,) = (
            execute(f"PRAGMA {name}", ())[0] for name in ("page_count", "freelist_count", "page_size")
        )
        excess = pages - free - limits.max_bytes // size
        if excess > 0 and execute("SELECT 1 FROM executions LIMIT 1", ()):
            # A row is smaller than a page, as a rule, so that this deletes no more than it must.
            return "", (), min(excess, _SLICE_ROWS)
    return None


def size_in_bytes(size: int | str) -> int:
    """Return the bytes that *size* means: a number, or a text such as ``"500MB"``.

    Raises:
        ConfigurationError: if it means none.
    """
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B)?\s*", size, re.I) if isinstance(size, str) else None
    if match is None or float(match[1]) <= 0:
        raise ConfigurationError(f"max_size={size!r} is no size; give bytes, or a text such as '500MB' or '2GB'.")
    return int(float(match[1]) * (_UNITS | {"B": 1})[(match[2] or "").upper()])
