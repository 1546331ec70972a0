"""Users' feedback on executions: a history, of which the columns of the execution have the latest."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Final, Literal, get_args

from ..errors import ConfigurationError, UnknownExecutionError
from ..safety.redaction import redact
from ..sqlite.connection import Execute
from ..sqlite.selection import Queryable, has_table
from ..sqlite.task_lookup import EXACTLY
from ..timestamps import from_iso, iso

Visibility = Literal["private", "team", "public"]
"""Who may see a feedback."""

VISIBILITIES: Final = get_args(Visibility)
_RATINGS: Final = range(1, 6)
_COMMENT_CHARACTERS: Final = 1000
_SOURCE_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback on one execution. None: not given."""

    feedback_id: int | None
    execution_id: str
    timestamp: datetime
    accepted: bool | None
    rating: int | None
    comment: str | None
    source: str | None
    visibility: str


def check_visibility(visibility: object) -> None:
    """Raise a ConfigurationError for anything but one of :data:`VISIBILITIES`."""
    if visibility not in VISIBILITIES:
        raise ConfigurationError(f"Invalid visibility {visibility!r}: expected one of {', '.join(VISIBILITIES)}.")


def checked(
    execution_id: str,
    accepted: bool | None,
    rating: int | None,
    comment: str | None,
    source: str | None,
    visibility: str,
) -> Feedback:
    """Return the feedback of these values, with secrets removed from the comment.

    Raises:
        ConfigurationError: for an invalid value, or without accepted, rating and comment.
    """
    if accepted is not None and not isinstance(accepted, bool):
        raise ConfigurationError(f"Invalid accepted {accepted!r}: expected True or False.")
    if rating is not None and (type(rating) is not int or rating not in _RATINGS):
        raise ConfigurationError(f"Invalid rating {rating!r}: expected a whole number from 1 to 5.")
    for name, text in (("comment", comment), ("source", source)):
        if text is not None and not isinstance(text, str):
            raise ConfigurationError(f"Invalid {name} {text!r}: expected text.")
    check_visibility(visibility)
    comment = _stored(comment, _COMMENT_CHARACTERS)
    if accepted is None and rating is None and comment is None:
        raise ConfigurationError("Empty feedback: expected accepted, a rating or a comment.")
    now = datetime.now(timezone.utc)
    return Feedback(None, execution_id, now, accepted, rating, comment, _stored(source, _SOURCE_CHARACTERS), visibility)


def add(execute: Execute, feedback: Feedback) -> Feedback:
    """Store *feedback* on the execution, or on the last execution of the task, that it names.

    Args:
        execute: runs a statement within a transaction.
        feedback: the result of :func:`checked`.

    Raises:
        UnknownExecutionError: if there is no such execution.
    """
    execution_id = _known(execute, feedback.execution_id)
    values = (feedback.accepted, feedback.rating, feedback.comment, feedback.source, feedback.visibility)
    execute(
        "INSERT INTO feedback (execution_id, timestamp, accepted, rating, comment, source, visibility)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (execution_id, iso(feedback.timestamp), *values),
    )
    ((feedback_id,),) = execute("SELECT last_insert_rowid()")
    _show_latest(execute, execution_id)
    return replace(feedback, feedback_id=feedback_id, execution_id=execution_id)


def restore(execute: Execute, said: Iterable[Feedback]) -> int:
    """Store imported feedback on executions of this database, each once; return the number of new ones.

    Args:
        execute: runs a statement within a transaction.
        said: results of :func:`checked`, with the original timestamps.
    """
    columns = "execution_id, timestamp, accepted, rating, comment, source, visibility"
    is_the_same = " AND ".join(f"{column} IS ?" for column in columns.split(", "))
    touched = []
    for feedback in said:
        values = (
            *(feedback.execution_id, iso(feedback.timestamp), feedback.accepted, feedback.rating),
            *(feedback.comment, feedback.source, feedback.visibility),
        )
        execute(
            f"INSERT INTO feedback ({columns}) SELECT ?, ?, ?, ?, ?, ?, ?"
            " WHERE EXISTS (SELECT 1 FROM executions WHERE execution_id = ?)"
            f" AND NOT EXISTS (SELECT 1 FROM feedback WHERE {is_the_same})",
            (*values, feedback.execution_id, *values),
        )
        ((is_new,),) = execute("SELECT changes()")
        if is_new:
            touched.append(feedback.execution_id)
    for execution_id in set(touched):
        _show_latest(execute, execution_id)
    return len(touched)


def delete(execute: Execute, identifier: str) -> int:
    """Delete the feedback on one execution, or on the last execution of a task; return the number deleted.

    Raises:
        UnknownExecutionError: if there is no such execution.
    """
    execution_id = _known(execute, identifier)
    ((count,),) = execute("SELECT count(*) FROM feedback WHERE execution_id = ?", (execution_id,))
    execute("DELETE FROM feedback WHERE execution_id = ?", (execution_id,))
    _show_latest(execute, execution_id)
    return int(count)


def clear(execute: Execute) -> int:
    """Delete the feedback on all executions; return the number deleted."""
    ((count,),) = execute("SELECT count(*) FROM feedback")
    execute(
        "UPDATE executions SET user_accepted = NULL, user_rating = NULL"
        " WHERE execution_id IN (SELECT execution_id FROM feedback)"
    )
    execute("DELETE FROM feedback")
    return int(count)


def history(database: Queryable, execution_id: str) -> list[Feedback]:
    """Return the feedback on one execution, the oldest first."""
    if not has_table(database, "feedback"):
        return []  # an older release wrote the file
    rows = database.query(
        "SELECT * FROM feedback WHERE execution_id = ? ORDER BY timestamp, feedback_id", [execution_id]
    )
    return [
        Feedback(
            **{
                **row,
                "timestamp": from_iso(row["timestamp"]),
                "accepted": None if row["accepted"] is None else bool(row["accepted"]),
            }
        )
        for row in rows
    ]


def _known(execute: Execute, identifier: str) -> str:
    found = execute(EXACTLY, {"id": identifier})
    if not found:
        raise UnknownExecutionError(f"There is no execution or task {identifier!r}: expected the id of a stored one.")
    return str(found[0][0])


def _show_latest(execute: Execute, execution_id: str) -> None:
    """Set the columns of the execution to its latest acceptance and latest rating; a comment resets neither."""
    latest = {
        column: f"(SELECT {column} FROM feedback WHERE execution_id = ? AND {column} IS NOT NULL"
        " ORDER BY timestamp DESC, feedback_id DESC LIMIT 1)"
        for column in ("accepted", "rating")
    }
    execute(
        f"UPDATE executions SET user_accepted = {latest['accepted']}, user_rating = {latest['rating']}"
        " WHERE execution_id = ?",
        [execution_id] * 3,
    )


def _stored(text: str | None, characters: int) -> str | None:
    """Return *text* as stored: without secrets, valid UTF-8, cut to *characters*. None for an empty one."""
    if text is None or not text.strip():
        return None
    return redact(text.encode("utf-8", "replace").decode("utf-8"))[:characters]
