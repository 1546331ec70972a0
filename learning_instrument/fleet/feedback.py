"""Feedback on executions of a fleet: its history, and the latest of it in a newer version of the execution's row."""

from dataclasses import replace
from typing import Final

from ..columns import COLUMNS
from ..errors import UnknownExecutionError
from ..sqlite.selection import Queryable
from ..sqlite.task_lookup import EXACTLY
from ..storage.feedback import Feedback
from ..timestamps import iso
from .client import Client

_TABLE: Final = "learning_instrument_feedback"
_GIVEN: Final = ("execution_id", "timestamp", "accepted", "rating", "comment", "source", "visibility")
_LATEST: Final = {
    f"user_{column}": f"(SELECT argMax({column}, (timestamp, feedback_id)) FROM feedback"
    f" WHERE execution_id = {{id:String}} AND {column} IS NOT NULL) AS user_{column}"
    for column in ("accepted", "rating")
}
_KEPT: Final = (*(name for name in COLUMNS if name not in _LATEST), "message_template")
_SHOW_LATEST: Final = (
    f"INSERT INTO learning_instrument_executions ({', '.join((*_KEPT, *_LATEST))}, version)"
    f" SELECT {', '.join((*_KEPT, *_LATEST.values()))}, toUnixTimestamp64Micro(now64(6)) FROM executions"
    " WHERE execution_id = {id:String}"
)
_NONE: Final = ", ".join(f"NULL AS {name}" for name in _LATEST)
_SHOW_NONE: Final = (
    f"INSERT INTO learning_instrument_executions ({', '.join((*_KEPT, *_LATEST))}, version)"
    f" SELECT {', '.join(_KEPT)}, {_NONE}, toUnixTimestamp64Micro(now64(6)) FROM executions"
    " WHERE user_accepted IS NOT NULL OR user_rating IS NOT NULL"
)


def add(database: Queryable, client: Client, feedback: Feedback) -> Feedback:
    """Store *feedback* on the execution, or on the last execution of the task, that it names.

    Args:
        database: the one to ask.
        client: the same, to write to.
        feedback: checked.

    Raises:
        UnknownExecutionError: if there is no such execution.
        DatabaseError: if the fleet cannot be read or written.
    """
    execution_id = _known(database, feedback.execution_id)
    said = replace(feedback, execution_id=execution_id)
    client.insert(_TABLE, _GIVEN, [[execution_id, iso(said.timestamp), *(getattr(said, name) for name in _GIVEN[2:])]])
    client.execute(_SHOW_LATEST, {"id": execution_id})
    return said


def delete(database: Queryable, client: Client, identifier: str) -> int:
    """Delete the feedback on one execution, or on the last execution of a task; return the number deleted.

    Raises:
        UnknownExecutionError: if there is no such execution.
        DatabaseError: if the fleet cannot be read or written.
    """
    execution_id = _known(database, identifier)
    (found,) = database.query("SELECT count(*) AS number FROM feedback WHERE execution_id = ?", [execution_id])
    client.execute(f"DELETE FROM {_TABLE} WHERE execution_id = {{id:String}}", {"id": execution_id})
    client.execute(_SHOW_LATEST, {"id": execution_id})
    return int(found["number"])


def clear(database: Queryable, client: Client) -> int:
    """Delete the feedback on all executions; return the number deleted.

    Raises:
        DatabaseError: if the fleet cannot be read or written.
    """
    (found,) = database.query("SELECT count(*) AS number FROM feedback")
    client.execute(f"TRUNCATE TABLE {_TABLE}")
    client.execute(_SHOW_NONE)
    return int(found["number"])


def _known(database: Queryable, identifier: str) -> str:
    found = database.query(EXACTLY, {"id": identifier})
    if not found:
        raise UnknownExecutionError(f"There is no execution or task {identifier!r}: expected the id of a stored one.")
    return str(found[0]["execution_id"])
