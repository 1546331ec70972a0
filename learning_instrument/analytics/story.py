"""The story of one execution: what it waited for, what ran within it, and its other attempts, on one axis of time."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Final, Literal

from ..costs.counting import told
from ..costs.model_calls import PARTIAL, UNPRICED, ModelCall
from ..errors import ConfigurationError, UnknownExecutionError
from ..sqlite.executions import placeholders
from ..sqlite.selection import Queryable
from ..sqlite.task_lookup import rows_of_tasks
from ..timestamps import from_iso

Kind = Literal["queue", "execution", "wait", "model_call", "attempt"]

#: Executions, and spans of model calls, that are read of those within; what is beyond is only said to be there.
_MOST: Final = 10_000
#: Other attempts before, and after.
_ATTEMPTS: Final = 5
#: A span without a start is stored with that of the epoch.
_NO_START: Final = datetime(1970, 1, 2, tzinfo=timezone.utc)
#: The clocks of two spans of one process may differ by less.
_LATE_SECONDS: Final = 0.001
#: Digits of the span's id at the end of an execution's.
_SPAN_ID: Final = 16

_COLUMNS: Final = (
    "execution_id, parent_execution_id, task_id, timestamp, task_type, pool_type, model_tier, outcome,"
    " duration_seconds, queue_seconds, wait_seconds, actual_cost, cost_source, defaulted"
)
#: Ids in one question.
_AT_ONCE: Final = 500
_OF_TASK: Final = f"FROM executions WHERE task_id = :task_id AND rowid IN {rows_of_tasks('task_id = :task_id')}"
#: Of the same task, and not within an execution of it, or within one like this.
_OTHERS: Final = (
    f"{_OF_TASK} AND task_type = :task_type AND execution_id <> :id"
    " AND CASE WHEN parent_execution_id IS NULL THEN 0"
    f" ELSE parent_execution_id IN (SELECT execution_id {_OF_TASK}) END = :is_inner"
)


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One thing that happened: a wait, an execution, a model call, or another attempt."""

    #: ``queue`` and ``wait`` are the execution's own, before its start and before its work.
    kind: Kind
    #: The type of the task, or the model.
    name: str
    #: From the start of the execution to that of this; negative before it, None where the start is unknown.
    offset_seconds: float | None
    seconds: float
    #: 0 for the execution itself, 1 for what is directly within it.
    depth: int
    #: That of an execution; of a model call its error.
    outcome: str | None = None
    #: The known cost, in US dollars; of an execution with that of its model calls.
    cost_usd: float | None = None
    #: Whether that is a lower bound.
    is_partial: bool = False
    #: The execution, or the one that made the model call.
    execution_id: str | None = None
    pool_type: str | None = None
    model_tier: str | None = None
    #: Of an execution: how much of its time it waited within its pool.
    wait_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    #: From the start of a model call to the first part of its answer.
    first_chunk_seconds: float | None = None
    #: Of another attempt: which, from 1.
    attempt: int | None = None
    #: Whether its length was measured; else it is a stand-in, such as that of a whole batch.
    is_timed: bool = True

    @property
    def end_seconds(self) -> float | None:
        """From the start of the execution to the end of this; None where its start is unknown."""
        return None if self.offset_seconds is None else self.offset_seconds + self.seconds


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """Where the time of an execution went, in seconds. Nothing counts twice: what is named first has it."""

    #: Before the start; None: not known.
    queue_seconds: float | None
    #: From the start to the work; None: not known.
    wait_seconds: float | None
    #: While any model call ran, of the execution or of those within it.
    call_seconds: float
    calls: int
    #: While any execution within it ran, and no model call.
    within_seconds: float
    executions: int
    #: The rest; None: the length of the execution was not measured.
    other_seconds: float | None


@dataclass(frozen=True, slots=True)
class Story:
    """What happened in one execution, and around it."""

    execution_id: str
    #: From its start to its end: wait and work. See :attr:`is_timed`.
    seconds: float
    #: In the order of a tree: each execution, then what is within it by time. Attempts come last.
    lines: tuple[StoryLine, ...]
    spent: TimeSpent
    #: Which attempt of its task it is, from 1, and how many there are.
    attempt: int
    attempts: int
    #: How much within it ended after it, such as a stream that was read later, and how long after it the last.
    late: int
    late_seconds: float
    #: What there is beyond the lines.
    omitted_executions: int
    omitted_calls: int
    #: Whether there is more within it than was read; all counts are lower bounds then.
    is_cut: bool

    @property
    def is_timed(self) -> bool:
        """Whether the length of the execution was measured; else it is a stand-in."""
        return all(line.is_timed for line in self.lines if line.kind == "execution" and line.depth == 0)

    def __iter__(self) -> Iterator[StoryLine]:
        """Yield the lines."""
        return iter(self.lines)


def story(database: Queryable, execution_id: str, limit: int = 50) -> Story:
    """Return the story of the execution *execution_id*.

    Args:
        database: the one to ask.
        execution_id: its whole id.
        limit: how many executions and model calls within it have a line: the outermost, and of those the longest.

    Raises:
        ConfigurationError: for a limit below 1.
        UnknownExecutionError: if there is no such execution.
        DatabaseError: if the database cannot be read.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigurationError(f"Invalid limit {limit!r}: expected a number above 0.")
    found = database.query(f"SELECT {_COLUMNS} FROM executions WHERE execution_id = ?", [execution_id])
    if not found:
        raise UnknownExecutionError(f"Unknown execution {execution_id!r}; learning-instrument list shows the ids.")
    (own,) = found
    rows = _below(database, execution_id)
    spans = _spans(database, sorted([execution_id, *(row["execution_id"] for row in rows)]))
    start = from_iso(own["timestamp"])
    tree = _Tree(execution_id, rows[:_MOST], _calls(spans[:_MOST]), start)
    shown = tree.outermost(limit)
    first = _execution(own, start, 0)
    before, after, others = _attempts(database, own, start)
    until = first.seconds if first.is_timed else math.inf  # nothing is late, or cut, by a stand-in
    late = [end for line in tree.lines if line.is_timed and (end := line.end_seconds or 0.0) > until + _LATE_SECONDS]
    waits = []
    if own["queue_seconds"] is not None:
        waits.append(StoryLine("queue", "queue", -own["queue_seconds"], own["queue_seconds"], 0))
    in_pool = [StoryLine("wait", "pool", 0.0, first.wait_seconds, 1)] if first.wait_seconds is not None else []
    executions = sum(line.kind == "execution" for line in tree.lines)
    shown_executions = sum(line.kind == "execution" for line in shown)
    return Story(
        execution_id=execution_id,
        seconds=first.seconds,
        lines=(*waits, first, *in_pool, *shown, *others),
        spent=_spent(own, until, tree.lines),
        attempt=before + 1,
        attempts=before + 1 + after,
        late=len(late),
        late_seconds=max(late, default=first.seconds) - first.seconds,
        omitted_executions=executions - shown_executions,
        omitted_calls=len(tree.lines) - executions - (len(shown) - shown_executions),
        is_cut=len(rows) > _MOST or len(spans) > _MOST,
    )


class _Tree:
    """The executions and model calls within an execution."""

    def __init__(
        self,
        root: str,
        executions: Iterable[Mapping[str, Any]],
        calls: Mapping[str, Sequence[ModelCall]],
        start: datetime,
    ) -> None:
        of_parent: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in executions:
            of_parent[row["parent_execution_id"]].append(row)
        #: By their depth, and those of one parent together.
        self.lines: list[StoryLine] = []
        self._within: dict[str, list[StoryLine]] = {}
        level, depth = [root], 1
        while level:
            inner = []
            for parent in level:
                lines = [_execution(row, start, depth) for row in of_parent.get(parent, ())]
                inner += [row["execution_id"] for row in of_parent.get(parent, ())]
                lines += [_call(call, start, depth) for call in calls.get(parent, ())]
                lines.sort(key=lambda line: (line.offset_seconds is None, line.offset_seconds))
                self._within[parent] = lines
                self.lines += lines
            level, depth = inner, depth + 1
        self._root = root

    def outermost(self, limit: int) -> list[StoryLine]:
        """Return *limit* lines in the order of the tree: none without the one around it, else the longest."""
        chosen = {id(line) for line in sorted(self.lines, key=lambda line: (line.depth, -line.seconds))[:limit]}
        found: list[StoryLine] = []
        left = list(reversed(self._within[self._root]))
        while left:
            line = left.pop()
            if id(line) in chosen:
                found.append(line)
                if line.kind == "execution":
                    left += reversed(self._within[line.execution_id or ""])
        return found


def _below(database: Queryable, execution_id: str) -> list[dict[str, Any]]:
    """Return the executions within an execution, and one beyond the most that are read, which says that there are."""
    found: dict[str, dict[str, Any]] = {}
    seen, level = {execution_id}, [execution_id]
    while level and len(found) <= _MOST:
        question = f"SELECT {_COLUMNS} FROM executions WHERE parent_execution_id IN"
        rows = _in_parts(database, question, level, _MOST + 1 - len(found))
        # A row of another program's may be within itself.
        inner = {row["execution_id"]: row for row in rows if row["execution_id"] not in seen}
        found |= inner
        seen |= inner.keys()
        level = sorted(inner)
    return sorted(found.values(), key=lambda row: str(row["execution_id"]))


def _in_parts(database: Queryable, question: str, ids: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return *most* rows of a *question* about many *ids*."""
    rows: list[dict[str, Any]] = []
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        rows += database.query(f"{question} {placeholders(some)} LIMIT ?", [*some, most - len(rows)])
        if len(rows) >= most:
            break
    return rows


def _spans(database: Queryable, ids: Sequence[str]) -> list[dict[str, Any]]:
    columns = {row["name"] for row in database.query("SELECT name FROM pragma_table_info('model_calls')")}
    if "execution_id" not in columns:  # an older release wrote the file
        return []
    question = f"SELECT {', '.join(ModelCall._fields)} FROM model_calls WHERE execution_id IN"
    return _in_parts(database, question, ids, _MOST + 1)


def _calls(spans: Iterable[Mapping[str, Any]]) -> dict[str, list[ModelCall]]:
    """Return the model calls by their execution, each once."""
    of_execution: dict[str, list[ModelCall]] = defaultdict(list)
    for values in spans:
        of_execution[values["execution_id"]].append(ModelCall(**values))
    return {execution_id: told(calls, execution_id[-_SPAN_ID:]) for execution_id, calls in of_execution.items()}


def _attempts(database: Queryable, own: Mapping[str, Any], start: datetime) -> tuple[int, int, list[StoryLine]]:
    """Return how many other executions of the task there are before and after, and the lines of the nearest."""
    parameters = {"id": own["execution_id"], **{name: own[name] for name in ("task_id", "task_type", "timestamp")}}
    around = "SELECT 1 FROM executions WHERE execution_id = ? AND task_id = ?"
    parameters["is_inner"] = len(database.query(around, [own["parent_execution_id"], own["task_id"]]))

    def nearest(condition: str, order: str) -> tuple[int, list[dict[str, Any]]]:
        (found,) = database.query(f"SELECT count(*) AS count {_OTHERS} AND {condition}", parameters)
        if not found["count"]:
            return 0, []
        question = f"SELECT {_COLUMNS} {_OTHERS} AND {condition} ORDER BY timestamp {order} LIMIT {_ATTEMPTS}"
        return found["count"], database.query(question, parameters)

    before, earlier = nearest("timestamp < :timestamp", "DESC")
    after, later = nearest("timestamp >= :timestamp", "ASC")
    numbered = [*enumerate(reversed(earlier), before - len(earlier) + 1), *enumerate(later, before + 2)]
    lines = [replace(_execution(row, start, 0), kind="attempt", attempt=number) for number, row in numbered]
    return before, after, lines


def _execution(row: Mapping[str, Any], start: datetime, depth: int) -> StoryLine:
    is_known = '"actual_cost"' not in row["defaulted"] and row["cost_source"] != UNPRICED
    return StoryLine(
        "execution",
        row["task_type"],
        _offset(row["timestamp"], start),
        (row["wait_seconds"] or 0.0) + row["duration_seconds"],
        depth,
        outcome=row["outcome"],
        cost_usd=row["actual_cost"] if is_known else None,
        is_partial=is_known and row["cost_source"] == PARTIAL,
        execution_id=row["execution_id"],
        pool_type=row["pool_type"],
        model_tier=row["model_tier"],
        wait_seconds=row["wait_seconds"],
        is_timed='"duration_seconds"' not in row["defaulted"],
    )


def _call(call: ModelCall, start: datetime, depth: int) -> StoryLine:
    return StoryLine(
        "model_call",
        call.model or call.response_model or call.operation or "model call",
        _offset(call.timestamp, start),
        call.duration_seconds,
        depth,
        outcome=call.error_type,
        cost_usd=call.cost,
        is_partial=call.cost_source == PARTIAL,
        execution_id=call.execution_id,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        first_chunk_seconds=call.time_to_first_chunk_seconds,
    )


def _offset(timestamp: str, start: datetime) -> float | None:
    moment = from_iso(timestamp)
    return None if moment < _NO_START <= start else (moment - start).total_seconds()


def _spent(own: Mapping[str, Any], until: float, lines: Sequence[StoryLine]) -> TimeSpent:
    """Return where the time went from the start *until* the end; infinity: that is not known."""
    waited = own["wait_seconds"] or 0.0
    calls = [line for line in lines if line.kind == "model_call"]
    executions = [line for line in lines if line.kind == "execution"]
    in_calls = _covered(calls, waited, until)
    in_both = _covered(lines, waited, until)
    return TimeSpent(
        queue_seconds=own["queue_seconds"],
        wait_seconds=own["wait_seconds"],
        call_seconds=in_calls,
        calls=len(calls),
        within_seconds=in_both - in_calls,
        executions=len(executions),
        other_seconds=max(0.0, until - waited - in_both) if math.isfinite(until) else None,
    )


def _covered(lines: Iterable[StoryLine], start: float, end: float) -> float:
    """Return how many seconds from *start* to *end* any of *lines* has."""
    spans = sorted(
        (line.offset_seconds, line.seconds) for line in lines if line.is_timed and line.offset_seconds is not None
    )
    covered, reached = 0.0, start
    for offset, seconds in spans:
        until = min(offset + seconds, end)
        if until > reached:
            covered += until - max(offset, reached)
            reached = until
    return covered
