"""What the executions of a database add up to, as counters that never decrease: for all processes that write it.

The names, attributes and buckets are those of ``pipeline/metrics.py``. A reading looks at the executions that were
stored since the one before, and at the newest of those before, whose costs and tokens may still grow. So its work does
not depend on the size of the file, and what is deleted stays counted.
"""

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ... import semconv
from ...pipeline.metrics import DURATION_BUCKETS, BoundedValues
from ...safety.clocks import time
from ...sqlite.read_only import ReadOnlyDatabase
from ..in_flight import in_flight
from .exposition import Family, Histogram, Labels

#: The newest executions, whose costs and tokens are read again: those of model calls come later.
REMEMBERED: Final = 10_000
#: Executions read by one statement: a long one would keep the write-ahead log from starting over.
_SLICE_ROWS: Final = 10_000

_WHERE: Final = {
    "pool_type": semconv.POOL_TYPE, "model_tier": semconv.MODEL_TIER, "task_type": semconv.TASK_TYPE,
}  # fmt: skip


def _amount(column: str) -> str:
    """Return the SQL of a number to add; NULL for what is none, which another program or damage has left."""
    return f"CASE WHEN typeof({column}) IN ('integer', 'real') AND {column} BETWEEN 0 AND 1e300 THEN {column} END"


def _bucket(column: str) -> str:
    """Return the SQL of the bucket that a number of seconds falls into."""
    bounds = " ".join(f"WHEN {column} <= {bound} THEN {place}" for place, bound in enumerate(DURATION_BUCKETS))
    return f"CASE WHEN {_amount(column)} IS NULL THEN NULL {bounds} ELSE {len(DURATION_BUCKETS)} END"


def _sum(value: str) -> str:
    return f"CASE WHEN count({value}) THEN total({value}) END"


_COST: Final = f"CASE WHEN cost_source IS NOT 'unpriced' THEN {_amount('actual_cost')} END"
_COLUMNS: Final = (
    "pool_type, model_tier, task_type, outcome, coalesce(exception_type, error_type) AS error, defaulted,"
    f" {_bucket('duration_seconds')} AS bucket, {_bucket('queue_seconds')} AS wait_bucket, count(*) AS executions,"
    f" total({_amount('duration_seconds')}) AS seconds, total({_amount('queue_seconds')}) AS waited,"
    f" {_sum(_COST)} AS cost, {_sum(_amount('input_tokens'))} AS input_tokens,"
    f" {_sum(_amount('output_tokens'))} AS output_tokens FROM executions"
)
_ONE_BY_ONE: Final = f"SELECT rowid, execution_id, {_COLUMNS} WHERE rowid > ? GROUP BY rowid ORDER BY rowid LIMIT ?"
_TOGETHER: Final = f"SELECT {_COLUMNS} WHERE rowid > ? AND rowid <= ? GROUP BY {', '.join(map(str, range(1, 9)))}"


@dataclass(slots=True)
class _Counted:
    """What is counted of one execution so far."""

    rowid: int
    where: Labels
    #: Token type, or "" for the cost -> amount.
    amounts: dict[str, float] = field(default_factory=dict)


class ExecutionCounters:
    """Counts the executions of one database. Threads may share it.

    Args:
        path: the path of the database.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._bounded = BoundedValues()
        self._executions: dict[Labels, float] = {}
        self._cost: dict[Labels, float] = {}
        self._tokens: dict[Labels, float] = {}
        self._durations: dict[Labels, Histogram] = {}
        self._waits: dict[Labels, Histogram] = {}
        self._pool_types: set[str] = set()
        self._counted: OrderedDict[str, _Counted] = OrderedDict()
        #: The execution before the first one that is read again: its rowid, and its id where it is known.
        self._before: tuple[int, str | None] = (0, None)
        #: What the last reading found, and when it began.
        self._last: tuple[float, list[Family]] = (-math.inf, [])

    def begin(self, progress: Callable[[int, int], object] = lambda done, of: None) -> None:
        """Count all executions of the file; begin at 0 where some were deleted from it.

        A scraper takes a counter that decreases for one that has begun anew, and adds all of it again. So it must not
        decrease by a deletion, not even from one server to the next.

        Args:
            progress: called with the executions counted so far, and all of them.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        with self._lock, ReadOnlyDatabase(self._path) as database:
            (size,) = database.query("SELECT count(*) AS executions, coalesce(max(rowid), 0) AS newest FROM executions")
            newest = size["newest"]
            first = max(0, newest - REMEMBERED)
            if size["executions"] == newest:
                for rowid in range(0, first, _SLICE_ROWS):
                    for group in database.query(_TOGETHER, (rowid, min(rowid + _SLICE_ROWS, first))):
                        self._count(group, _Counted(0, self._where(group)))
                    progress(rowid, newest)
            self._before = _execution_at(database, first)
            self._read(database)
            if size["executions"] != newest:
                self._begin_at_zero()

    def read(self) -> list[Family]:
        """Return all counters, and how many executions run.

        Threads that wait for each other share the next reading: one by one, many scrapers would time out.

        Raises:
            DatabaseError: if the database cannot be read.
        """
        asked = time.monotonic()
        with self._lock:
            if self._last[0] < asked:
                began = time.monotonic()
                self._last = began, self._families()
            return self._last[1]

    def _families(self) -> list[Family]:
        with ReadOnlyDatabase(self._path) as database:
            if self._is_another_file(database):
                (newest,) = database.query("SELECT coalesce(max(rowid), 0) AS rowid FROM executions")
                self._counted.clear()
                self._before = _execution_at(database, newest["rowid"])
            self._read(database)
            running = self._running(database)
            return [
                Family(semconv.METRIC_DURATION, "histogram", _copy(self._durations)),
                Family(semconv.METRIC_QUEUE, "histogram", _copy(self._waits)),
                Family(semconv.METRIC_EXECUTIONS, "counter", {**self._executions}),
                Family(semconv.METRIC_COST, "counter", {**self._cost}),
                Family(semconv.METRIC_TOKENS, "counter", {**self._tokens}),
                Family(semconv.METRIC_ACTIVE, "gauge", running),
            ]

    def _is_another_file(self, database: ReadOnlyDatabase) -> bool:
        """Tell whether another file has taken the place of the one that was read."""
        rowid, execution_id = self._before
        if not rowid:
            return False
        (found,) = database.query(
            "SELECT max(rowid) AS newest, (SELECT execution_id FROM executions WHERE rowid = ?) AS execution_id"
            " FROM executions",
            (rowid,),
        )
        is_shorter = found["newest"] is not None and found["newest"] < rowid
        is_other = None not in (execution_id, found["execution_id"]) and execution_id != found["execution_id"]
        return is_shorter or is_other

    def _read(self, database: ReadOnlyDatabase) -> None:
        """Count the executions that are new, and what is new of those that are remembered."""
        rowid = self._before[0]
        while rows := database.query(_ONE_BY_ONE, (rowid, _SLICE_ROWS)):
            for row in rows:
                counted = self._counted.get(row["execution_id"])
                if counted is None:
                    counted = self._counted[row["execution_id"]] = _Counted(row["rowid"], self._where(row))
                    self._count(row, counted)
                else:
                    self._count_amounts(row, counted)
            rowid = rows[-1]["rowid"]
            while len(self._counted) > REMEMBERED:
                execution_id, oldest = self._counted.popitem(last=False)
                self._before = max(self._before, (oldest.rowid, execution_id), key=lambda before: before[0])
            if len(rows) < _SLICE_ROWS:
                return

    def _where(self, row: Mapping[str, Any]) -> Labels:
        defaulted = _names(row["defaulted"])
        known = {key: str(row[column]) for column, key in _WHERE.items() if column not in defaulted}
        return tuple(self._bounded.of(known, known).items())

    def _count(self, row: Mapping[str, Any], counted: _Counted) -> None:
        """Count the executions of *row*, which is one of them or several."""
        self._pool_types.update(value for key, value in counted.where if key == semconv.POOL_TYPE)
        how = (*counted.where, (semconv.TASK_OUTCOME, str(row["outcome"])))
        if "duration_seconds" not in _names(row["defaulted"]):
            _observe(self._durations, how, row["bucket"], row["executions"], row["seconds"])
        _observe(self._waits, counted.where, row["wait_bucket"], row["executions"], row["waited"])
        if row["error"] is not None:
            how = (*how, (semconv.ERROR_TYPE, self._bounded(semconv.ERROR_TYPE, str(row["error"]))))
        self._executions[how] = self._executions.get(how, 0) + row["executions"]
        self._count_amounts(row, counted)

    def _count_amounts(self, row: Mapping[str, Any], counted: _Counted) -> None:
        if "actual_cost" not in _names(row["defaulted"]):
            _add(self._cost, counted, "", row["cost"])
        _add(self._tokens, counted, "input", row["input_tokens"])
        _add(self._tokens, counted, "output", row["output_tokens"])

    def _begin_at_zero(self) -> None:
        for counter in (self._executions, self._cost, self._tokens):
            counter.update(dict.fromkeys(counter, 0))
        for histograms in (self._durations, self._waits):
            histograms.update({labels: _empty() for labels in histograms})

    def _running(self, database: ReadOnlyDatabase) -> dict[Labels, float]:
        """Return how many executions run, by pool type, of those that the crash ledger has."""
        found = dict.fromkeys(sorted(self._pool_types), 0)
        for execution in in_flight(database):
            if not execution.is_dead:
                value = self._bounded(semconv.POOL_TYPE, execution.pool_type)
                found[value] = found.get(value, 0) + 1
        return {((semconv.POOL_TYPE, value),): count for value, count in found.items()}


def _execution_at(database: ReadOnlyDatabase, rowid: int) -> tuple[int, str | None]:
    found = database.query("SELECT execution_id FROM executions WHERE rowid = ?", (rowid,))
    return rowid, found[0]["execution_id"] if found else None


def _add(counter: dict[Labels, float], counted: _Counted, key: str, amount: float | None) -> None:
    """Add what *amount* is above what was counted before: a counter cannot decrease."""
    before = counted.amounts.get(key)
    if amount is not None and (before is None or amount > before):
        counted.amounts[key] = amount
        labels = (*counted.where, (semconv.TOKEN_TYPE, key)) if key else counted.where
        counter[labels] = counter.get(labels, 0) + amount - (before or 0)


def _observe(histograms: dict[Labels, Histogram], labels: Labels, bucket: int | None, count: int, total: float) -> None:
    if bucket is not None:
        histogram = histograms.get(labels)
        if histogram is None:
            histogram = histograms[labels] = _empty()
        histogram.counts[bucket] += count
        histogram.total += total


def _copy(histograms: Mapping[Labels, Histogram]) -> dict[Labels, Histogram]:
    return {labels: Histogram(each.bounds, [*each.counts], each.total) for labels, each in histograms.items()}


def _empty() -> Histogram:
    return Histogram(DURATION_BUCKETS, [0] * (len(DURATION_BUCKETS) + 1))


_NONE: Final = frozenset[str]()


def _names(defaulted: Any) -> frozenset[str]:
    """Return the names in a JSON array, which are few and the same for most executions."""
    known = _NAMES.get(defaulted)
    if known is None:
        try:
            known = frozenset(map(str, json.loads(defaulted)))
        except (TypeError, ValueError, RecursionError):
            known = _NONE
        if len(_NAMES) < _MOST_NAMES:
            _NAMES[defaulted] = known
    return known


_NAMES: Final[dict[Any, frozenset[str]]] = {"[]": _NONE}
_MOST_NAMES: Final = 1000
