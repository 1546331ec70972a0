"""Costs of executions: traces that arrived since the last refresh are read, worked out, and what changed is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .. import message_templates
from ..columns import COLUMNS
from ..costs.execution_totals import DETERMINED
from ..costs.model_calls import ModelCall
from ..timestamps import from_iso, iso_of_nanoseconds
from .client import Client
from .feedback import latest
from .scratch import Row, Scratch
from .trace_spans import select_spans, span_of

#: Traces that are read together: those that began within so many seconds of each other.
_APART_SECONDS: Final = 600
#: Of which there are so many groups at the most, parted at the longest pauses.
_GROUPS: Final = 8
#: Columns of an execution behind those of SQLite's table.
_HIDDEN: Final = ("rowid", "arrived", "message_template", "reported_cost")
_WRITTEN: Final = (*COLUMNS, *_HIDDEN, "version")
_CALL: Final = (*ModelCall._fields, "rowid", "version")
_CALL_COLUMNS: Final = ", ".join(ModelCall._fields)


class Trace(NamedTuple):
    """A trace, and when its first and last span of ours or of a model call began, in nanoseconds."""

    trace_id: str
    first: int
    last: int


class Changed(NamedTuple):
    """How many rows were written."""

    executions: int = 0
    calls: int = 0


def work_out(client: Client, scratch: Scratch, trace_ids: Iterable[str], is_json: bool) -> Changed:
    """Work out whole traces, and write what changed. May be repeated, and be done by several at once.

    Raises:
        DatabaseError: if they cannot be read or written.
    """
    changed = Changed()
    for traces in _near_each_other(_times_of(client, trace_ids)):
        found = _work_out(client, scratch, traces, is_json)
        changed = Changed(changed.executions + found.executions, changed.calls + found.calls)
    return changed


def _times_of(client: Client, trace_ids: Iterable[str]) -> list[Trace]:
    rows = client.rows(
        "SELECT trace_id, toUnixTimestamp64Nano(min(first)) AS first, toUnixTimestamp64Nano(max(last)) AS last"
        " FROM learning_instrument_arrivals WHERE trace_id IN {traces:Array(String)} GROUP BY trace_id",
        {"traces": sorted(set(trace_ids))},
    )
    return [Trace(**row) for row in rows]


def _near_each_other(traces: Iterable[Trace]) -> Iterator[list[Trace]]:
    """Yield groups of *traces* of about one time, a few: what is read is bounded by it, and by the number of times."""
    ordered = sorted(traces, key=lambda trace: trace.first)
    pauses = sorted(range(1, len(ordered)), key=lambda number: ordered[number - 1].first - ordered[number].first)
    ends = {number for number in pauses[: _GROUPS - 1]
            if ordered[number].first - ordered[number - 1].first > _APART_SECONDS * 1e9}  # fmt: skip
    group: list[Trace] = []
    for number, trace in enumerate(ordered):
        if number in ends:
            yield group
            group = []
        group.append(trace)
    if group:
        yield group


def _work_out(client: Client, scratch: Scratch, traces: Sequence[Trace], is_json: bool) -> Changed:
    first, last = min(trace.first for trace in traces), max(trace.last for trace in traces)
    where = {
        "traces": [trace.trace_id for trace in traces],
        "first": iso_of_nanoseconds(first),
        "last": iso_of_nanoseconds(last),
        "first_ns": first,
        "last_ns": last,
    }
    # Before reading: a refresh that reads later, and so knows more, has the higher version.
    now = client.now()
    inside = "trace_id IN {traces:Array(String)} AND timestamp >= {first:String} AND timestamp <= {last:String}"
    rows = client.rows(
        f"SELECT {', '.join(_WRITTEN)} FROM learning_instrument_executions WHERE {inside}"
        " ORDER BY execution_id, version DESC LIMIT 1 BY execution_id",
        where,
    )
    kept = client.rows(
        f"SELECT {_CALL_COLUMNS} FROM learning_instrument_calls WHERE {inside}"
        " ORDER BY trace_id, span_id, version DESC LIMIT 1 BY trace_id, span_id",
        where,
    )
    found = client.rows(
        select_spans(
            is_json,
            "TraceId IN {traces:Array(String)} AND Timestamp >= fromUnixTimestamp64Nano({first_ns:Int64}, 'UTC')"
            " AND Timestamp <= fromUnixTimestamp64Nano({last_ns:Int64}, 'UTC')",
        ),
        where,
    )
    spans = [span for row in found if (span := span_of(row, is_json)) is not None]
    known = [ModelCall(**row) for row in kept]
    stored = set(known)
    reported = {row["execution_id"]: row["reported_cost"] for row in rows if row["reported_cost"] is not None}
    result = scratch.work_out(rows, reported, known, spans)
    new = [call for call in result.calls if call not in stored]
    # Calls first: an execution with totals whose calls are unknown would stay so.
    client.insert("learning_instrument_calls", _CALL, [(*call, _rowid(call), now) for call in new])
    # The clock of a server that took it may be behind: then the row with it does not count.
    feedback = latest(client, [row["execution_id"] for row in rows])
    changed = [
        new_row
        for row in rows
        if (new_row := _changed(row, result.totals, feedback.get(row["execution_id"], {}), now)) is not None
    ]
    client.insert("learning_instrument_executions", _WRITTEN, changed)
    return Changed(len(changed), len(new))


def _changed(
    row: Row, totals: Mapping[str, tuple[Any, ...]], feedback: Mapping[str, Any], now: int
) -> tuple[Any, ...] | None:
    """Return the row to write in place of *row*; None where nothing changed."""
    *values, reported = totals[row["execution_id"]]
    after = {**dict(zip(DETERMINED, values, strict=True)), "reported_cost": reported, **feedback}
    if row["message_template"] is None:
        after["message_template"] = template_of(row)
    if all(row[name] == value for name, value in after.items()):
        return None
    after["version"] = max(now, row["version"] + 1)
    return tuple(after[name] if name in after else row[name] for name in _WRITTEN)


def template_of(row: Row) -> str | None:
    """Return the masked message of a failure, of what ``rollups.error_counts`` masks; None of another execution."""
    if row["success"]:
        return None
    named: str = row["outcome"] if row["exception_type"] is None else row["exception_type"]
    return message_templates.mask(row["error_message"] or named)


def _rowid(call: ModelCall) -> int:
    """Return the number of a call's row, which grows by its end."""
    ended = from_iso(call.timestamp).timestamp() + call.duration_seconds
    return int(ended * 1e6) << 64 | int(call.span_id, 16)
