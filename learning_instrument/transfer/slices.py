"""Reads the rows of a database in slices, each with its feedback, model calls and reported costs."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from ..columns import COLUMNS
from ..sqlite.selection import Queryable, Selection
from .nested import add_nested


class Slice(NamedTuple):
    """Rows as the table has them, with ``row`` (their number) and what is nested in them; and the progress."""

    rows: list[dict[str, Any]]
    done: int
    of: int


def slices(
    database: Queryable,
    selection: Selection,
    visibility: str,
    size: int,
    nested: Collection[str],
    rows_of: tuple[int, int] | None = None,
) -> Iterator[Slice]:
    """Yield the executions stored so far, in insertion order.

    Each slice is a query of its own: writers do not wait, and the log does not grow.

    Args:
        database: the source.
        selection: the executions.
        visibility: the most confidential feedback to include. More confidential feedback is also removed from the
            columns of its execution.
        size: the most rows of a slice.
        nested: what to add to the rows, of what the database has.
        rows_of: the number before the first of the rows, and that of the last; None: all.
    """
    condition, parameters = selection.condition()
    bounds = database.query("SELECT coalesce(min(rowid), 0) AS first, coalesce(max(rowid), 0) AS last FROM executions")
    first, last = bounds[0]["first"], bounds[0]["last"]
    row, end = (first - 1, last) if rows_of is None else rows_of
    while row < end:
        # With an index each slice would be sorted again.
        rows = database.query(
            f"SELECT rowid AS row, {','.join(COLUMNS)} FROM executions NOT INDEXED"
            f" WHERE rowid > :row AND rowid <= :last AND {condition} ORDER BY rowid LIMIT {size}",
            {**parameters, "row": row, "last": end},
        )
        if not rows:
            break
        row = rows[-1]["row"]
        add_nested(database.query, rows, nested, visibility)
        yield Slice(rows, row - first + 1, last - first + 1)
