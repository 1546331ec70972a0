"""Attributes model calls to executions, in the database: it follows the links from each span to its parent.

Spans arrive in any order and in several exports. A call whose chain of parents has a gap waits for the missing span,
as a row without an execution; the arrival of that span takes it further.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from ..safety.clocks import time
from ..sqlite.connection import Connection
from ..sqlite.executions import placeholders
from .model_calls import ModelCall

#: Links kept: the newest, and for how long; and the last ones, whose times show whether this process's clock is ahead.
_LINKS: Final = 200_000
_LAST_LINKS: Final = 1000
_LINK_SECONDS: Final = 3600
#: Calls kept that wait for an execution.
_WAITING_CALLS: Final = 100_000
#: A chain of parents this long is a cycle.
_LONGEST_CHAIN: Final = 1000

_INSERT: Final = (
    f"INSERT INTO model_calls ({','.join(ModelCall._fields)}) VALUES {placeholders(ModelCall._fields)}"
    " ON CONFLICT (trace_id, span_id) DO UPDATE SET execution_id = excluded.execution_id, path = excluded.path,"
    " awaited_span_id = NULL WHERE execution_id IS NULL AND excluded.execution_id IS NOT NULL"
)
#: Whether any call waits; and the spans of executions that one waits for, of the rows above a number.
_WAITS: Final = "SELECT 1 FROM model_calls WHERE execution_id IS NULL LIMIT 1"
_AWAITED: Final = (
    "SELECT DISTINCT e.trace_id, e.span_id, NULL, e.execution_id"
    # By row number: for DISTINCT, SQLite would read all of another index.
    " FROM executions AS e NOT INDEXED CROSS JOIN model_calls AS c"
    " ON c.trace_id = e.trace_id AND c.awaited_span_id = e.span_id"
    " WHERE c.execution_id IS NULL AND e.rowid > (SELECT max(rowid) FROM executions) - ?"
)


class SpanLink(NamedTuple):
    """A span and its parent."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    #: The execution whose span it is.
    execution_id: str | None = None


class _Waiting(NamedTuple):
    trace_id: str
    span_id: str
    path: str
    awaited_span_id: str | None


def store_model_calls(connection: Connection, calls: Sequence[ModelCall], links: Sequence[SpanLink]) -> set[str]:
    """Store *calls* and *links* within a transaction, each once; return the executions that got a call.

    Raises:
        sqlite3.Error: if they cannot be stored.
    """
    now = int(time.time())
    connection.executemany("INSERT OR IGNORE INTO span_links VALUES (?, ?, ?, ?, ?)", [(*link, now) for link in links])
    touched = set()
    for call in calls:
        if connection.execute(_INSERT, call).rowcount and call.execution_id is not None:
            touched.add(call.execution_id)
    return touched | _attribute(connection, _waiting(connection, calls, links))


def awaited_links(execute: Callable[..., Iterable[Any]], last: int) -> list[SpanLink]:
    """Return the links, to none above them, of executions whose rows are stored, but whose spans no exporter brought.

    Args:
        execute: executes a statement.
        last: how many of the last executions are looked at.

    Raises:
        sqlite3.Error: if the database cannot be read.
    """
    return [SpanLink(*row) for row in execute(_AWAITED, (last,))] if list(execute(_WAITS)) else []


def delete_old(connection: Connection) -> None:
    """Delete old links, and calls whose execution never came."""
    connection.execute(
        "DELETE FROM span_links WHERE rowid <= (SELECT max(rowid) FROM span_links) - ? OR seen <"
        " min(?, (SELECT min(seen) FROM span_links WHERE rowid > (SELECT max(rowid) FROM span_links) - ?)) - ?",
        (_LINKS, int(time.time()), _LAST_LINKS, _LINK_SECONDS),
    )
    connection.execute(
        "DELETE FROM model_calls WHERE execution_id IS NULL AND rowid <= (SELECT max(rowid) FROM model_calls) - ?",
        (_WAITING_CALLS,),
    )


def delete_of_spans(connection: Connection, spans: Sequence[tuple[str, str]], traces: Collection[str]) -> None:
    """Delete within a transaction the links and the waiting calls of deleted executions.

    Args:
        connection: the connection to write with.
        spans: trace and span of each execution.
        traces: those of these traces that have no other execution: all of them goes.

    Raises:
        sqlite3.Error: if the database cannot be written.
    """
    for trace_id, span_id in spans:
        if trace_id in traces:
            connection.execute("DELETE FROM span_links WHERE trace_id = ?", (trace_id,))
            connection.execute("DELETE FROM model_calls WHERE execution_id IS NULL AND trace_id = ?", (trace_id,))
        else:
            key = (trace_id, span_id)
            connection.execute("DELETE FROM span_links WHERE trace_id = ? AND span_id = ?", key)
            connection.execute(
                "DELETE FROM model_calls WHERE execution_id IS NULL AND trace_id = ? AND awaited_span_id = ?", key
            )


def _waiting(connection: Connection, calls: Iterable[ModelCall], links: Iterable[SpanLink]) -> set[_Waiting]:
    """Return those of *calls* that have no execution, and the earlier ones that wait for a span of *links*."""
    if not connection.execute(_WAITS).fetchone():
        return set()
    question = "SELECT trace_id, span_id, path, awaited_span_id FROM model_calls WHERE execution_id IS NULL AND"
    new = [
        row
        for call in calls
        if call.execution_id is None
        # As stored: a repeated call may have been taken further up before.
        for row in connection.execute(f"{question} trace_id = ? AND span_id = ?", (call.trace_id, call.span_id))
    ]
    earlier = [
        row
        for link in links
        for row in connection.execute(f"{question} trace_id = ? AND awaited_span_id = ?", (link.trace_id, link.span_id))
    ]
    return {_Waiting(*row) for row in (*new, *earlier)}


def _attribute(connection: Connection, calls: Iterable[_Waiting]) -> set[str]:
    """Follow the links of each of *calls*; return the executions reached."""
    reached = set()
    where = "WHERE execution_id IS NULL AND trace_id = ? AND span_id = ?"
    for call in calls:
        key = (call.trace_id, call.span_id)
        path, awaited, execution_id = _follow_parents(connection, call)
        if execution_id is None and awaited is None:  # a root span, and no execution below it
            connection.execute(f"DELETE FROM model_calls {where}", key)
            continue
        changed = connection.execute(
            f"UPDATE model_calls SET execution_id = ?, path = ?, awaited_span_id = ? {where}",
            (execution_id, path, awaited, *key),
        ).rowcount
        if changed and execution_id is not None:
            reached.add(execution_id)
    return reached


def _follow_parents(connection: Connection, call: _Waiting) -> tuple[str, str | None, str | None]:
    """Return the path of *call*, the missing span if any, and the execution if one was reached."""
    path, awaited = call.path.split(), call.awaited_span_id
    for _ in range(_LONGEST_CHAIN):
        if awaited is None:
            break
        link = connection.execute(
            "SELECT parent_span_id, execution_id FROM span_links WHERE trace_id = ? AND span_id = ?",
            (call.trace_id, awaited),
        ).fetchone()
        if link is None:
            return " ".join(path), awaited, None
        parent_span_id, execution_id = link
        if execution_id is not None:
            return " ".join(path), None, execution_id
        path.append(awaited)
        awaited = parent_span_id
    return "", None, None
