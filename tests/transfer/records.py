"""Executions of every kind: hypothesis strategies, and databases made of them."""

from datetime import datetime, timezone
from pathlib import Path

import databases
from hypothesis import strategies as st

from learning_instrument import ErrorType, ExecutionRecord
from learning_instrument.columns import COLUMN_OF, COLUMNS
from learning_instrument.ids import execution_id
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.sqlite import connection
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.storage.stored_text import redacted_row

#: Control characters, NUL and line separators among them; no lone surrogates, which no database takes.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_words = st.one_of(
    texts, st.sampled_from(["", "unknown", "shop", 'a "b"\r\nc', "\u2028", "=1+1", "null", "\N{PILE OF POO}"])
)
_whole = st.integers(-(2**63), 2**63 - 1)
_numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 100))
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), _whole, st.floats(allow_nan=False, allow_infinity=False), _words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_words, inner, max_size=3)),
    max_leaves=8,
)
_moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(timezone.utc))
_starts = st.integers(0, 2**62)
_hexadecimal = st.integers(1, 2**128 - 1)


def _maybe(strategy):
    return st.one_of(st.none(), strategy)


@st.composite
def _ids(draw):
    """Return the ids of a traced execution, or of one made by hand."""
    if not draw(st.booleans()):
        return {"execution_id": draw(st.uuids().map(str) | texts.filter(bool)), "timestamp": draw(_moments)}
    start, trace_id, span_id = draw(_starts), draw(_hexadecimal), draw(st.integers(1, 2**64 - 1))
    identity = execution_id(start, trace_id, span_id)
    ids = {"trace_id": identity[17:49], "span_id": identity[50:]} if draw(st.booleans()) else {}
    moment = datetime.fromtimestamp(start // 10**9, timezone.utc).replace(microsecond=start // 1000 % 10**6)
    return {"execution_id": identity, "timestamp": moment, **ids}


@st.composite
def records(draw):
    """Return a record with any value in any column."""
    optional = {
        **dict.fromkeys(
            ("task_description", "repo", "model_tier", "pool_type", "swarm_topology", "error_message", "batch_id",
             "solution_summary", "pool_id", "worker_id", "exception_type", "model", "service_name", "cost_source",
             "parent_execution_id", "function_name"), _words
        ),
        **dict.fromkeys(
            ("file_count", "estimated_tokens", "input_tokens", "output_tokens", "process_id", "attempt"), _whole
        ),
        **dict.fromkeys(
            ("routing_confidence", "complexity_score", "duration_seconds", "quality_score", "cost_estimate",
             "actual_cost", "peak_memory_mb", "cpu_time_seconds", "queue_seconds", "wait_seconds"), _numbers
        ),
        "outcome": st.sampled_from(Outcome),
        "error_type": st.sampled_from(ErrorType),
        "outcome_source": st.sampled_from(sorted(COLUMN_OF["outcome_source"].words)),
        "user_accepted": st.booleans(),
        "user_rating": st.integers(1, 5),
        "metadata": st.dictionaries(_words, _json, max_size=3),
        "defaulted": st.lists(st.sampled_from(COLUMNS), max_size=3).map(tuple),
    }  # fmt: skip
    chosen = draw(st.sets(st.sampled_from(sorted(optional)), max_size=len(optional)))
    values = {name: draw(optional[name]) for name in sorted(chosen)}
    return ExecutionRecord(task_type=draw(_words), task_id=draw(_words), **draw(_ids()), **values)


def stored_in(path):
    """Return the records of a database, in the order of their ids."""
    with ReadOnlyDatabase(path) as database:
        rows = database.query(f"SELECT {','.join(COLUMNS)} FROM executions ORDER BY execution_id")
    return [ExecutionRecord.from_dict(row) for row in rows]


def make(path, records):
    """Make a database of *records* as they are stored, without secrets, and return its path."""
    databases.make(Path(path))
    with connection.open_for_maintenance(str(path)) as opened:
        opened.insert([redacted_row(row_from_record(record)) for record in records])
    return str(path)
