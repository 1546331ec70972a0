"""What users say of executions: a history, of which the execution itself shows the latest."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from ..errors import ConfigurationError, UnknownExecutionError
from ..record import ExecutionRecord
from ..safety.redaction import redact
from ..sqlite.connection import Execute
from ..sqlite.executions import EXACTLY
from ..sqlite.selection import Queryable
from ..timestamps import from_iso, iso

VISIBILITIES: Final = ("private", "team", "public")
_RATINGS: Final = range(1, 6)
_COMMENT_CHARACTERS: Final = 1000
_SOURCE_CHARACTERS: Final = 100

# The rules of should_ask_for_feedback().
_TOO_SHORT_SECONDS: Final = 10.0
_LONG_SECONDS: Final = 120.0
_MOST_RATINGS: Final = 5
_RATINGS_WINDOW: Final = timedelta(hours=1)
_CI: Final = (
    "CI",
    "BUILD_NUMBER",
    "BUILDKITE",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
)
#: What a task may call it in its metadata that nobody chose the model by hand.
_AUTO_SELECTED: Final = ("model_auto_selected", "auto_selected")


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said of one execution, once. None: not said."""

    feedback_id: int | None
    execution_id: str
    timestamp: datetime
    accepted: bool | None
    rating: int | None
    comment: str | None
    source: str | None
    visibility: str


def checked(
    execution_id: str,
    accepted: bool | None,
    rating: int | None,
    comment: str | None,
    source: str | None,
    visibility: str,
) -> Feedback:
    """Return the feedback that these values are, with secrets taken out of the comment.

    Raises:
        ConfigurationError: for a value that is none, or if nothing is said at all.
    """
    if accepted is not None and not isinstance(accepted, bool):
        raise ConfigurationError(f"accepted={accepted!r} is neither True nor False.")
    if rating is not None and (type(rating) is not int or rating not in _RATINGS):
        raise ConfigurationError(f"rating={rating!r} is not a whole number from 1 to 5.")
    for name, text in (("comment", comment), ("source", source)):
        if text is not None and not isinstance(text, str):
            raise ConfigurationError(f"{name}={text!r} is not a text.")
    if visibility not in VISIBILITIES:
        raise ConfigurationError(f"visibility={visibility!r} is none of {', '.join(VISIBILITIES)}.")
    comment = _stored(comment, _COMMENT_CHARACTERS)
    if accepted is None and rating is None and comment is None:
        raise ConfigurationError("The feedback says nothing; give accepted, a rating, or a comment.")
    now = datetime.now(timezone.utc)
    return Feedback(None, execution_id, now, accepted, rating, comment, _stored(source, _SOURCE_CHARACTERS), visibility)


def add(execute: Execute, feedback: Feedback) -> Feedback:
    """Store *feedback* of the execution, or of the last execution of the task, that it names.

    Args:
        execute: runs a statement within a transaction.
        feedback: what :func:`checked` gave.

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
    """Store what was said elsewhere, each piece once, of executions that are here; return how many pieces were new.

    Args:
        execute: runs a statement within a transaction.
        said: what :func:`checked` gave, with the moment at which it was said.
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
    """Delete what was said of one execution, or of the last execution of a task; return how much it was.

    Raises:
        UnknownExecutionError: if there is no such execution.
    """
    execution_id = _known(execute, identifier)
    ((count,),) = execute("SELECT count(*) FROM feedback WHERE execution_id = ?", (execution_id,))
    execute("DELETE FROM feedback WHERE execution_id = ?", (execution_id,))
    _show_latest(execute, execution_id)
    return int(count)


def clear(execute: Execute) -> int:
    """Delete what was said of any execution; return how much it was."""
    ((count,),) = execute("SELECT count(*) FROM feedback")
    execute(
        "UPDATE executions SET user_accepted = NULL, user_rating = NULL"
        " WHERE execution_id IN (SELECT execution_id FROM feedback)"
    )
    execute("DELETE FROM feedback")
    return int(count)


def history(database: Queryable, execution_id: str) -> list[Feedback]:
    """Return what was said of one execution, the oldest first."""
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'feedback'"):
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


def ratings_within_an_hour(database: Queryable) -> int:
    """Return how often an execution was rated within the last hour."""
    since = iso(datetime.now(timezone.utc) - _RATINGS_WINDOW)
    rows = database.query(
        "SELECT count(*) AS ratings FROM feedback WHERE timestamp >= ? AND rating IS NOT NULL", [since]
    )
    return int(rows[0]["ratings"])


def should_ask_for_feedback(
    record: ExecutionRecord,
    database: Queryable | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    is_interactive: bool | None = None,
) -> bool:
    """Tell whether it is worth asking the user what they think of an execution.

    Never under 10 s, nor after 5 ratings within an hour, nor in CI, nor without a terminal. Else where it took more
    than 2 minutes, failed, used a swarm, or ran on a model that was chosen automatically: one with a routing
    confidence, or ``model_auto_selected`` in the task's metadata.

    Args:
        record: the execution.
        database: where the ratings of the last hour are counted; without, they are not.
        environment: by default ``os.environ``.
        is_interactive: whether somebody is there to answer; by default whether input and output are a terminal.
    """
    if record.duration_seconds < _TOO_SHORT_SECONDS or _is_ci(os.environ if environment is None else environment):
        return False
    if not (_is_terminal() if is_interactive is None else is_interactive):
        return False
    if database is not None and ratings_within_an_hour(database) >= _MOST_RATINGS:
        return False
    return (
        record.duration_seconds > _LONG_SECONDS
        or not record.success
        or bool(record.swarm_topology)
        or _is_auto_selected(record)
    )


def _is_auto_selected(record: ExecutionRecord) -> bool:
    if "routing_confidence" not in record.defaulted:
        return True
    task = record.metadata.get("task")
    return isinstance(task, Mapping) and any(task.get(name) is True for name in _AUTO_SELECTED)


def _is_ci(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name, "").strip().lower() not in ("", "0", "false", "no") for name in _CI)


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _known(execute: Execute, identifier: str) -> str:
    found = execute(EXACTLY, [identifier] * 3)
    if not found:
        raise UnknownExecutionError(f"There is no execution or task {identifier!r} to say anything of.")
    return str(found[0][0])


def _show_latest(execute: Execute, execution_id: str) -> None:
    """Have the execution's own columns show what was said last: of each, for a comment takes no rating back."""
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
    """Return *text* as it is stored: without secrets, valid UTF-8, and not longer than that. None for an empty one."""
    if text is None or not text.strip():
        return None
    return redact(text.encode("utf-8", "replace").decode("utf-8"))[:characters]
