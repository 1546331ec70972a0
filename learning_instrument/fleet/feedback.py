"""Feedback on executions of a fleet: its history, and the latest of it in a newer version of the execution's row."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ..errors import UnknownExecutionError
from ..sqlite.selection import Queryable
from ..sqlite.task_lookup import EXACTLY
from ..storage.feedback import Feedback
from ..timestamps import iso
from .arrivals import arrive_again
from .client import Client

_TABLE: Final = "learning_instrument_feedback"
_GIVEN: Final = ("execution_id", "timestamp", "accepted", "rating", "comment", "source", "visibility")
_LATEST: Final = (
    "SELECT execution_id AS said, argMaxIf(accepted, (timestamp, feedback_id), accepted IS NOT NULL) AS its_accepted,"
    " argMaxIf(rating, (timestamp, feedback_id), rating IS NOT NULL) AS its_rating"
    " FROM feedback WHERE {of_feedback} GROUP BY execution_id"
)
_NEWER: Final = (
    "INSERT INTO learning_instrument_executions SELECT * EXCEPT (said, its_accepted, its_rating) REPLACE"
    " (its_accepted AS user_accepted, its_rating AS user_rating, toUnixTimestamp64Micro(now64(6)) AS version,"
    " 1 AS is_feedback)"
    " FROM learning_instrument_executions AS e FINAL LEFT JOIN"
    f" ({_LATEST}) AS its ON execution_id = said"
    " WHERE (ifNull(e.user_accepted, 2), ifNull(e.user_rating, 0)) <> (ifNull(its_accepted, 2), ifNull(its_rating, 0))"
)
_SOME: Final = "timestamp IN {times:Array(String)} AND execution_id IN {ids:Array(String)}"
_OF_SOME: Final = _NEWER.format(of_feedback="execution_id IN {ids:Array(String)}") + f" AND {_SOME}"
_OF_ALL: Final = _NEWER.format(of_feedback="1")


def latest(client: Client, ids: Sequence[str]) -> dict[str, dict[str, int | None]]:
    """Return the latest acceptance and rating, as columns, of those of the executions *ids* that have feedback.

    Raises:
        DatabaseError: if the fleet cannot be read.
    """
    rows = client.rows(_LATEST.format(of_feedback="execution_id IN {ids:Array(String)}"), {"ids": ids})
    return {row["said"]: {"user_accepted": row["its_accepted"], "user_rating": row["its_rating"]} for row in rows}


def show_latest(client: Client, ids: Sequence[str], times: Sequence[str]) -> None:
    """Give executions the latest acceptance and rating of their feedback, where theirs are others.

    Args:
        client: the fleet.
        ids: of the executions.
        times: their timestamps, by which they are found.

    Raises:
        DatabaseError: if the fleet cannot be read or written.
    """
    which = {"ids": ids, "times": times}
    client.execute(_OF_SOME, which)
    # A refresh that ran meanwhile may have read them before, and then its row is older, and does not count.
    arrive_again(client, _SOME, which)


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
    execution_id, timestamp = _known(database, feedback.execution_id)
    said = replace(feedback, execution_id=execution_id)
    client.insert(_TABLE, _GIVEN, [[execution_id, iso(said.timestamp), *(getattr(said, name) for name in _GIVEN[2:])]])
    show_latest(client, [execution_id], [timestamp])
    return said


def delete(database: Queryable, client: Client, identifier: str) -> int:
    """Delete the feedback on one execution, or on the last execution of a task; return the number deleted.

    Raises:
        UnknownExecutionError: if there is no such execution.
        DatabaseError: if the fleet cannot be read or written.
    """
    execution_id, timestamp = _known(database, identifier)
    (found,) = database.query("SELECT count(*) AS number FROM feedback WHERE execution_id = ?", [execution_id])
    client.execute(f"DELETE FROM {_TABLE} WHERE execution_id = {{id:String}}", {"id": execution_id})
    show_latest(client, [execution_id], [timestamp])
    return int(found["number"])


def clear(database: Queryable, client: Client) -> int:
    """Delete the feedback on all executions; return the number deleted.

    Raises:
        DatabaseError: if the fleet cannot be read or written.
    """
    (found,) = database.query("SELECT count(*) AS number FROM feedback")
    client.execute(f"TRUNCATE TABLE {_TABLE}")
    arrive_again(client, "(user_accepted IS NOT NULL OR user_rating IS NOT NULL)", {})
    client.execute(_OF_ALL)
    return int(found["number"])


def _known(database: Queryable, identifier: str) -> tuple[str, str]:
    """Return the id of the execution that *identifier* means, and its timestamp."""
    for found in database.query(EXACTLY, {"id": identifier}):
        execution_id = str(found["execution_id"])
        sql = "SELECT max(timestamp) AS timestamp FROM executions WHERE execution_id = ?"
        for row in database.query(sql, [execution_id]):
            return execution_id, row["timestamp"]
    raise UnknownExecutionError(f"There is no execution or task {identifier!r}: expected the id of a stored one.")
