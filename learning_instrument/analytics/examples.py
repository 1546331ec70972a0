"""Examples of what an answer counts: executions by their rowids."""

from collections.abc import Sequence

from ..selection import Queryable

_AT_ONCE = 500


def execution_ids(database: Queryable, rowids: Sequence[int]) -> dict[int, str]:
    """Return the execution ids of those of *rowids* that are still there."""
    found: dict[int, str] = {}
    for start in range(0, len(rowids), _AT_ONCE):
        some = rowids[start : start + _AT_ONCE]
        rows = database.query(
            f"SELECT rowid AS id, execution_id FROM executions WHERE rowid IN ({','.join('?' * len(some))})", some
        )
        found |= {row["id"]: row["execution_id"] for row in rows}
    return found
