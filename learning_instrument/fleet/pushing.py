"""Sends the executions of a file to a fleet, for machines without a collector: an import, whose target is the fleet.

Sent again, or delivered by a collector as well, each counts once. Of two rows of an execution the one with the higher
version counts:

- the row of its span has version 0;
- push reads the clock of the server, then what the fleet has. It sends a row, with that time as its version, only where
  there is none, or one of an execution that is lost there and not here. A row that refresh has worked out stays;
- model calls and feedback are sent where the fleet does not have them in the same words. For their executions, refresh
  is told of the trace: it works the costs out of all calls, those of other machines too, and writes a higher version.

So the order of span, push and refresh does not matter, nor how often each comes.
"""

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Final

from ..columns import COLUMNS
from ..costs.model_calls import ModelCall
from ..database import LearningDatabase
from ..record import Row
from ..sqlite.paths import absolute, log_of
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Queryable, Selection
from ..storage.feedback import Visibility, check_visibility
from ..timestamps import from_iso, iso
from ..transfer.conflicts import EXECUTION_ID, OUTCOME, is_text
from ..transfer.importing import Progress, Refusal
from ..transfer.nested import FEEDBACK, FEEDBACK_MEMBERS, MODEL_CALLS, add_nested, held_by
from ..transfer.reading import MOST_REFUSALS, BatchReader, Reading
from ..transfer.sources import Found, SourceBatch
from . import schema
from .address import Address
from .client import Client
from .feedback import show_latest
from .trace_costs import template_of

#: Executions that are sent at once.
_SLICE: Final = 1000
#: So many of the last rows of each table are looked at again: they change when a parent's span or a result comes late.
_AGAIN: Final = 2000
_TABLES: Final = ("executions", MODEL_CALLS, FEEDBACK)
_TIMESTAMP: Final = COLUMNS.index("timestamp")
_TRACE_ID: Final = COLUMNS.index("trace_id")
_FEEDBACK: Final = ("execution_id", *FEEDBACK_MEMBERS)
_CALL: Final = (*ModelCall._fields, "version")
#: Times that the engine has.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LATEST: Final = datetime(2262, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """The numbers of a push."""

    #: Executions looked at; of these: sent, there before, and refused for an invalid value.
    read: int = 0
    sent: int = 0
    already_there: int = 0
    refused: int = 0
    #: Pieces of feedback, and model calls, sent.
    feedback: int = 0
    model_calls: int = 0
    #: The first refusals.
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a file was pushed. The fleet keeps it, so one that was dropped and made anew gets everything."""

    #: Of each table the last row.
    executions: int = 0
    model_calls: int = 0
    feedback: int = 0
    #: The execution of that row: in another file by this name it is another.
    execution_id: str | None = None
    #: The state of the files when all was pushed, and which feedback was.
    files: str = ""
    visibility: str = "team"


def push(
    address: Address | str,
    database: LearningDatabase | str | os.PathLike[str],
    selection: Selection | None = None,
    *,
    visibility: Visibility = "team",
    progress: Progress | None = None,
) -> PushAnswer:
    """Send the executions of a file to a fleet, with their model calls and feedback. The file is only read.

    Without a *selection* it goes on where the last push was, and looks again at what changed since: new model calls and
    feedback of any execution, and all of the newest ones. With one, all that is selected is looked at. What was deleted
    in the file stays in the fleet.

    Args:
        address: the fleet's.
        database: the file.
        selection: the executions; None: all.
        visibility: the most confidential feedback to include: ``"public"``, ``"team"`` or ``"private"``.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: for an invalid address or visibility, or without the extra ``scale``.
        DatabaseError: if the file cannot be read, or the fleet cannot be written.
    """
    check_visibility(visibility)
    where = Address.parse(address)
    if isinstance(database, LearningDatabase):
        database.flush()
        database = database.path
    path = absolute(database)
    report = progress or (lambda what, done, of: None)
    with ReadOnlyDatabase(path) as source, schema.connect_to_fleet(where) as client:
        client.gather_inserts()  # of many machines, each of which has little
        target = _Fleet(client, path)
        if selection is not None and selection != Selection():
            nested = held_by(source.query)
            condition = selection.condition()
            for rows, done, of in _of_executions(source, 0, _last(source, "executions"), condition):
                add_nested(source.query, rows, nested, visibility)
                target.take(rows)
                report(path, done, of)
        else:
            _go_on(client, source, path, target, visibility, report)
    return target.answer()


def _go_on(
    client: Client, source: ReadOnlyDatabase, path: str, target: "_Fleet", visibility: Visibility, report: Progress
) -> None:
    """Send what is above the mark, and move it."""
    files = _state_of(path)  # before anything is read
    name = f"push {hashlib.sha256(f'{platform.node()} {path}'.encode(errors='surrogateescape')).hexdigest()[:32]}"
    mark = _sound(source, schema.read_state(client).get(name))
    if mark.visibility != visibility:
        mark = replace(mark, files="", visibility=visibility, feedback=0)
    if mark.files == files:
        return
    nested = held_by(source.query)
    last = {table: _last(source, table) for table in _TABLES}
    reached = {table: min(getattr(mark, table), last[table]) for table in _TABLES}
    begin = {table: max(0, reached[table] - _AGAIN) for table in _TABLES}
    if not begin["executions"]:  # all executions are looked at, with what belongs to them
        begin = {**last, "executions": 0}
        reached |= {table: last[table] for table in (MODEL_CALLS, FEEDBACK)}
    mark = replace(mark, files="", **reached)

    def send(rows: list[dict[str, Any]], done: int, of: int) -> None:
        add_nested(source.query, rows, nested, visibility)
        target.take(rows)
        report(path, done, of)

    for rows, done, of in _of_executions(source, begin["executions"], last["executions"]):
        row, execution_id = rows[-1]["row"], rows[-1]["execution_id"]
        send(rows, done, of)
        if row > mark.executions:
            mark = replace(mark, executions=row, execution_id=execution_id)
            schema.write_state(client, **{name: json.dumps(_fields(mark))})
    for table in (MODEL_CALLS, FEEDBACK):
        for rows, done, of in _of_others(source, table, begin[table], last[table], begin["executions"]):
            send(rows, done, of)
    mark = replace(mark, files=files, model_calls=last[MODEL_CALLS], feedback=last[FEEDBACK])
    schema.write_state(client, **{name: json.dumps(_fields(mark))})


def _fields(mark: _Mark) -> dict[str, Any]:
    return {name: getattr(mark, name) for name in mark.__slots__}


def _sound(source: Queryable, stored: str | None) -> _Mark:
    """Return the mark of this file, or the first one of all."""
    with contextlib.suppress(ValueError, TypeError):
        mark = _Mark(**json.loads(stored or "{}"))
        rows = source.query("SELECT execution_id FROM executions WHERE rowid = ?", [mark.executions])
        if rows and rows[0]["execution_id"] == mark.execution_id:
            return mark
    return _Mark()


def _state_of(path: str) -> str:
    """Return what changes with each commit: when the database and its log were written last."""
    found = []
    for name in (path, log_of(path)):
        with contextlib.suppress(OSError):
            state = os.stat(name)
            if state.st_size:  # a reader makes an empty log
                found.append([state.st_ino, state.st_size, state.st_mtime_ns])
    return json.dumps(found)


def _last(source: Queryable, table: str) -> int:
    if not source.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [table]):
        return 0  # an older release wrote the file
    return int(source.query(f"SELECT coalesce(max(rowid), 0) AS last FROM {table}")[0]["last"])


_Slices = Iterator[tuple[list[dict[str, Any]], int, int]]
_ALL: Final[tuple[str, dict[str, Any]]] = ("1", {})


def _of_executions(
    source: Queryable, after: int, until: int, condition: tuple[str, Mapping[str, Any]] = _ALL
) -> _Slices:
    """Yield the executions of some rows, and the progress."""
    begin = after
    while rows := source.query(
        f"SELECT rowid AS row, {', '.join(COLUMNS)} FROM executions NOT INDEXED"
        f" WHERE rowid > :after AND rowid <= :last AND {condition[0]} ORDER BY rowid LIMIT {_SLICE}",
        {**condition[1], "after": after, "last": until},
    ):
        after = rows[-1]["row"]
        yield rows, after - begin, until - begin


def _of_others(source: Queryable, table: str, after: int, until: int, last: int) -> _Slices:
    """Yield the executions up to the row *last* that some rows of another table belong to."""
    begin = after
    while found := source.query(
        f"SELECT rowid AS row FROM {table} WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT {_SLICE}", [after, until]
    ):
        rows = source.query(
            f"SELECT rowid AS row, {', '.join(COLUMNS)} FROM executions WHERE rowid <= ? AND execution_id IN"
            f" (SELECT execution_id FROM {table} WHERE rowid > ? AND rowid <= ?) ORDER BY rowid",
            [last, after, found[-1]["row"]],
        )
        after = found[-1]["row"]
        if rows:
            yield rows, after - begin, until - begin


class _Fleet:
    """Stores executions in a fleet, and counts."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self._counts = dict.fromkeys(("read", "sent", "already_there", "refused", "feedback", "model_calls"), 0)
        self._refusals: list[Refusal] = []
        #: Of the executions in a slice the times, by which the fleet finds them, and the rows that it has.
        self._times: list[str] = []
        self._stored: Mapping[str, Row] = {}
        self._reader = BatchReader(Selection(), self._find)

    def answer(self) -> PushAnswer:
        """Return the numbers."""
        return PushAnswer(**self._counts, refusals=tuple(self._refusals))

    def take(self, rows: Sequence[dict[str, Any]]) -> None:
        """Send what the fleet does not have of these executions."""
        # Before reading: a push that reads later, and so knows more, has the higher version.
        now = self._client.now()
        self._times = sorted({row["timestamp"] for row in rows if is_text(row["timestamp"])})
        reading = self._reader.read(SourceBatch([Found(f"row {row.pop('row')}", row) for row in rows], 0, 0))
        self._count(reading)
        new, known = [], [*reading.known]
        for row in reading.rows:
            before = self._stored.get(row[EXECUTION_ID])
            if before is None or (before[OUTCOME] == "lost" and row[OUTCOME] != "lost"):
                new.append(row)
            else:
                known.append(row[EXECUTION_ID])
        calls = self._new_calls(reading.calls)
        feedback = self._new_feedback(reading)
        self._counts["sent"] += len(new)
        self._counts["already_there"] += len(known)
        self._counts["feedback"] += len(feedback)
        self._counts["model_calls"] += len(calls)
        # Told first: where this is interrupted, refresh looks in vain, and the next push sends the rest.
        self._tell_refresh(new, calls)
        self._client.insert("learning_instrument_feedback", _FEEDBACK, feedback)
        self._client.insert("learning_instrument_calls", _CALL, [(*call, now) for call in calls])
        self._client.insert(
            "learning_instrument_executions",
            (*COLUMNS, "message_template", "reported_cost", "version"),
            [
                (*row, template_of(dict(zip(COLUMNS, row, strict=True))), reading.reported.get(row[EXECUTION_ID]), now)
                for row in new
            ],
        )
        with_new = {each.execution_id for each in reading.feedback}.intersection(known)
        if with_new:
            show_latest(self._client, sorted(with_new), self._times)

    def _count(self, reading: Reading) -> None:
        self._counts["read"] += reading.read
        self._counts["refused"] += reading.refused
        for place, reason in reading.refusals[: MOST_REFUSALS - len(self._refusals)]:
            self._refusals.append(Refusal(self._path, place, reason))

    def _find(self, ids: Iterable[Any]) -> Mapping[str, Row]:
        rows = self._client.rows(
            f"SELECT {', '.join(COLUMNS)} FROM executions WHERE timestamp IN {{times:Array(String)}}"
            " AND execution_id IN {ids:Array(String)}",
            {"times": self._times, "ids": [*filter(is_text, ids)]},
        )
        self._stored = {row["execution_id"]: tuple(row.values()) for row in rows}
        return self._stored

    def _new_calls(self, calls: Sequence[ModelCall]) -> list[ModelCall]:
        """Return those of *calls* that the fleet does not have in the same words. A cost is not replaced by none."""
        stored: dict[tuple[str, str], ModelCall] = {}
        for start in range(0, len(calls), _SLICE):
            some = calls[start : start + _SLICE]
            found = self._client.rows(
                f"SELECT {', '.join(ModelCall._fields)} FROM model_calls WHERE timestamp IN {{times:Array(String)}}"
                " AND trace_id IN {traces:Array(String)}",
                {
                    "times": sorted({call.timestamp for call in some}),
                    "traces": sorted({call.trace_id for call in some}),
                },
            )
            stored |= {(row["trace_id"], row["span_id"]): ModelCall(**row) for row in found}
        return [
            call
            for call in calls
            if (before := stored.get((call.trace_id, call.span_id))) is None
            or (before != call and (call.cost is not None or before.cost is None))
        ]

    def _new_feedback(self, reading: Reading) -> list[tuple[Any, ...]]:
        said = [
            tuple(iso(each.timestamp) if name == "timestamp" else getattr(each, name) for name in _FEEDBACK)
            for each in reading.feedback
        ]
        if not said:
            return []
        found = self._client.rows(
            f"SELECT {', '.join(_FEEDBACK)} FROM feedback WHERE execution_id IN {{ids:Array(String)}}",
            {"ids": sorted({each[0] for each in said})},
        )
        stored = {tuple(row.values()) for row in found}
        return [each for each in said if each not in stored]

    def _tell_refresh(self, rows: Iterable[Row], calls: Iterable[ModelCall]) -> None:
        """Note the traces of what is sent."""
        times: dict[str, list[str]] = {}
        for trace_id, timestamp in [
            *((row[_TRACE_ID], row[_TIMESTAMP]) for row in rows if row[_TRACE_ID] is not None),
            *((call.trace_id, call.timestamp) for call in calls),
        ]:
            times.setdefault(trace_id, []).append(timestamp)
        self._client.insert(
            "learning_instrument_arrivals",
            ("trace_id", "first", "last"),
            [(trace_id, _moment(min(found)), _moment(max(found))) for trace_id, found in times.items()],
        )


def _moment(timestamp: str) -> datetime:
    return min(max(from_iso(timestamp), _EARLIEST), _LATEST)
