"""Executions whose process died, as its parent process heard: one row each, whether or not that process left a trace.

It may have stored the execution before it died, and has entered it in the table ``running`` after about a second.
"""

import json
import os
from typing import Any, Final

from ..columns import COLUMNS
from ..record import Row
from ..sqlite import read_only

_ENTERED: Final = "SELECT record FROM running WHERE process_id = :process_id AND started >= :timestamp"
#: What tells that it is the same execution, either of them.
_TELLING: Final = (("function_name",), ("task_id", "pool_type"))
_STORED: Final = (
    "SELECT 1 FROM executions WHERE timestamp >= :timestamp AND process_id = :process_id"
    " AND (function_name = :function_name OR task_id = :task_id AND pool_type = :pool_type) LIMIT 1"
)


def row_unless_known(path: str, row: Row) -> Row | None:
    """Return the *row* to store; None where its process has stored or entered it in the database at *path*.

    That process has run no other execution of this function, or of this task in the pool, since then: the parent may
    know the function by another name. The id that the process gave to this one is unknown.
    """
    if not os.path.exists(path):
        return row
    values = dict(zip(COLUMNS, row, strict=True))
    try:
        # Entries first: one that is settled meanwhile is stored before it is deleted.
        entered = read_only.query(path, _ENTERED, values)
        for entry in map(_known, entered):
            if any(all(entry.get(name) == values[name] for name in names) for names in _TELLING):
                return None
        return None if read_only.query(path, _STORED, values) else row
    except read_only.SQLITE_FAULTS:  # such as a file without tables
        return row


def _known(entry: dict[str, Any]) -> dict[str, Any]:
    try:
        record = json.loads(entry["record"])
    except read_only.VALUE_FAULTS:  # garbage, which doctor names
        return {}
    return record if isinstance(record, dict) else {}
