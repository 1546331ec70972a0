"""Finds executions by id or selection, the newest first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..columns import COLUMNS
from ..costs.model_calls import PARTIAL, UNPRICED
from ..errors import UnknownExecutionError
from ..record import ExecutionRecord
from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable, Selection
from ..sqlite.task_lookup import BETWEEN, EXACTLY
from ..timestamps import from_iso, iso
from .group_totals import has_cube, totals

_AT_ONCE = 500
_LAST: Final = datetime.max.replace(tzinfo=timezone.utc)
_INSTANT: Final = timedelta.resolution
_AFTER: Final = (
    " AND (timestamp < :place OR (timestamp = :place"
    " AND rowid < coalesce((SELECT rowid FROM executions WHERE execution_id = :place_id), 0)))"
)


def execution_ids(database: Queryable, rowids: Sequence[int]) -> dict[int, str]:
    """Return the execution ids of those of *rowids* that are still there."""
    found: dict[int, str] = {}
    for start in range(0, len(rowids), _AT_ONCE):
        some = rowids[start : start + _AT_ONCE]
        rows = database.query(
            f"SELECT rowid AS id, execution_id FROM executions WHERE rowid IN {placeholders(some)}", some
        )
        found |= {row["id"]: row["execution_id"] for row in rows}
    return found


def executions_of(database: Queryable, ids: Sequence[str]) -> dict[str, ExecutionRecord]:
    """Return those of the executions with these ids that there are, id -> execution."""
    found = database.query(f"SELECT {_COLUMNS} FROM executions WHERE execution_id IN {placeholders(ids)}", ids)
    return {execution.execution_id: execution for execution in _records(found)}


_COLUMNS: Final = ",".join(COLUMNS)
#: The executions that are in memory at a time.
_PAGE: Final = 1000
#: The executions of a bookmark.
_MARKED: Final = 100
#: How many of the executions that an ambiguous id may mean are named.
_NAMED: Final = 3
#: And how much more of each than was given.
_MORE_CHARACTERS: Final = 14


def latest(
    database: Queryable,
    selection: Selection,
    limit: int | None = None,
    failed: bool = False,
    after: tuple[datetime, str] | None = None,
) -> Iterator[ExecutionRecord]:
    """Yield the last *limit* executions that started, the newest first, a page of them in memory at a time.

    Args:
        database: where to look.
        selection: which executions.
        limit: how many at the most; None: all.
        failed: only those that did not succeed.
        after: only those that come after this one: when it started, and its id.
    """
    left = limit
    if after is not None:
        end = min(after[0], _LAST - _INSTANT) + _INSTANT
        selection = replace(selection, until=min(end, selection.until or end))
    for part in _parts(database, selection, failed):
        condition, parameters = part.condition()
        condition += " AND NOT success" if failed else ""
        if after is not None:
            condition += _AFTER
            parameters |= {"place": iso(after[0]), "place_id": after[1]}
        earlier = ""
        while left is None or left > 0:
            page = _PAGE if left is None else min(left, _PAGE)
            found = database.query(
                f"SELECT rowid AS row, {_COLUMNS} FROM executions WHERE {condition}{earlier}"
                " ORDER BY timestamp DESC, rowid DESC LIMIT :page",
                {**parameters, "page": page},
            )
            if found:
                parameters |= {"last": found[-1]["timestamp"], "last_row": found[-1]["row"]}
                earlier = " AND timestamp <= :last AND (timestamp < :last OR rowid < :last_row)"
            for columns in found:
                del columns["row"]
            yield from _records(found)
            left = None if left is None else left - len(found)
            if len(found) < page:
                break


def _parts(database: Queryable, selection: Selection, failed: bool) -> Iterator[Selection]:
    """Yield the parts of *selection* to look in, the newest first: where roll-ups count them, the days that have any.

    Else all executions would be read where few or none are selected.
    """
    if not (selection.filters or failed) or not has_cube(database, ("day",), selection):
        yield selection
        return
    for (day,), of_day in reversed(totals(database, ("day",), selection, ("succeeded",)).items()):
        if of_day.count("executions") > (of_day.count("succeeded") if failed else 0):
            start = from_iso(f"{day}T00:00:00+00:00")
            since = max(start, selection.since or start)
            end = start + min(timedelta(days=1), _LAST - start)
            yield replace(selection, since=since, until=min(end, selection.until or end))


Bookmark = tuple[tuple[int, str], ...]
"""The rowids and ids of the executions that were stored last. A rowid alone is soon that of another execution: SQLite
gives those of deleted newest rows to new ones."""


def bookmark(database: Queryable) -> Bookmark:
    """Return the place after the executions stored so far."""
    found = database.query("SELECT rowid AS row, execution_id FROM executions ORDER BY rowid DESC LIMIT ?", [_MARKED])
    return tuple((each["row"], each["execution_id"]) for each in reversed(found))


def stored_after(
    database: Queryable, selection: Selection, place: Bookmark, failed: bool = False, limit: int = 1000
) -> tuple[list[ExecutionRecord], Bookmark]:
    """Return the executions stored after *place*, the oldest first, and the place to go on from.

    They are those above the newest execution of *place* that is still there; where none is, the table was emptied or
    its rows were replaced, and all are new.
    """
    condition, parameters = selection.condition()
    marks = {f"row{number}": row for number, (row, _) in enumerate(place)}
    rows = ",".join(f":row{number}" for number in range(len(place)))
    marked = ",".join(f"(:row{number},:id{number})" for number in range(len(place))) or "(0,'')"
    found = database.query(
        f"SELECT rowid AS row, {_COLUMNS} FROM executions WHERE rowid > coalesce((SELECT max(rowid) FROM executions"
        f" WHERE rowid IN ({rows}) AND (rowid, execution_id) IN (VALUES {marked})), 0)"
        f" AND {condition}{' AND NOT success' if failed else ''} ORDER BY rowid LIMIT :limit",
        {**parameters, **marks, **{f"id{number}": each for number, (_, each) in enumerate(place)}, "limit": limit},
    )
    added = tuple((columns.pop("row"), columns["execution_id"]) for columns in found)
    return _records(found), (*place, *added)[-_MARKED:]


def execution_id_of(database: Queryable, identifier: str) -> str:
    """Return the id of the execution that *identifier* means.

    Args:
        database: where to look.
        identifier: an execution's id, a task's id (its last execution), or the beginning of either.

    Raises:
        UnknownExecutionError: if it means none, or several.
    """
    exact = database.query(EXACTLY, {"id": identifier})
    if exact:
        return str(exact[0]["execution_id"])
    if not identifier:
        raise UnknownExecutionError(
            "Invalid execution id '': expected an id or its beginning; learning-instrument list shows them."
        )
    between = {"first": identifier, "last": identifier + "\U0010ffff", "most": _NAMED + 1}
    begun = [str(row["execution_id"]) for row in database.query(BETWEEN, between)]
    if not begun:
        raise UnknownExecutionError(f"Unknown execution {identifier!r}; learning-instrument list shows the ids.")
    if len(begun) > 1:
        shown = len(identifier) + _MORE_CHARACTERS
        named = ", ".join(name[:shown] for name in begun[:_NAMED]) + (", ..." if len(begun) > _NAMED else "")
        raise UnknownExecutionError(
            f"Ambiguous execution id {identifier!r}: it begins several ids ({named}); give more characters."
        )
    return begun[0]


def is_selected(database: Queryable, execution_id: str, selection: Selection) -> bool:
    """Tell whether the execution is among those selected."""
    condition, parameters = selection.condition("+timestamp")
    found = database.query(
        f"SELECT 1 FROM executions WHERE execution_id = :id AND {condition}", {**parameters, "id": execution_id}
    )
    return bool(found)


def measured_seconds(execution: ExecutionRecord) -> float | None:
    """Return how long *execution* took; None where a stand-in is stored, such as the length of its whole batch."""
    return None if "duration_seconds" in execution.defaulted else execution.duration_seconds


def is_cost_known(execution: ExecutionRecord) -> bool:
    """Tell whether the actual cost of *execution* is known; otherwise a stand-in is stored."""
    return "actual_cost" not in execution.defaulted and execution.cost_source != UNPRICED


def is_cost_partial(execution: ExecutionRecord) -> bool:
    """Tell whether the actual cost of *execution* is a lower bound: a part of it is unknown."""
    return is_cost_known(execution) and execution.cost_source == PARTIAL


def reported_values(execution: ExecutionRecord) -> dict[str, Any]:
    """Return the columns of *execution* in JSON types; an unknown cost, for which a 0 is stored, is None."""
    values = execution.to_dict()
    if not is_cost_known(execution):
        values["actual_cost"] = None
        if "cost_estimate" in execution.defaulted:
            values["cost_estimate"] = None  # it stands for the actual cost
    return values


@dataclass(frozen=True, slots=True)
class Relatives:
    """An execution with its children and model calls."""

    execution: ExecutionRecord
    children: tuple[ExecutionRecord, ...]
    model_calls: tuple[dict[str, Any], ...]


def relatives(database: Queryable, execution_id: str, limit: int = -1) -> Relatives:
    """Return the execution with that id, the executions within it, and its model calls.

    Args:
        database: where to look.
        execution_id: its whole id.
        limit: how many of each at the most; -1: all.

    Raises:
        UnknownExecutionError: if there is none.
    """
    found = database.query(
        # A fleet may have several, of which the start of one was edited.
        f"SELECT {_COLUMNS} FROM executions WHERE execution_id = ? ORDER BY timestamp DESC LIMIT 1",
        [execution_id],
    )
    if not found:
        raise UnknownExecutionError(f"Unknown execution {execution_id!r}.")
    (execution,) = _records(found)
    children = database.query(
        f"SELECT {_COLUMNS} FROM executions WHERE parent_execution_id = ? ORDER BY timestamp LIMIT ?",
        [execution_id, limit],
    )
    return Relatives(execution, tuple(_records(children)), tuple(_model_calls(database, execution_id, limit)))


def _model_calls(database: Queryable, execution_id: str, limit: int) -> list[dict[str, Any]]:
    columns = [row["name"] for row in database.query("SELECT name FROM pragma_table_info('model_calls')")]
    if "execution_id" not in columns:  # an older release wrote the file
        return []
    return database.query(
        f"SELECT {', '.join(columns)} FROM model_calls WHERE execution_id = ? ORDER BY rowid LIMIT ?",
        [execution_id, limit],
    )


def _records(rows: Sequence[Mapping[str, Any]]) -> list[ExecutionRecord]:
    # The outcome decides: another program may have changed one of them.
    return [ExecutionRecord.from_dict({**row, "success": None}) for row in rows]
