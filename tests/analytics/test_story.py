"""``story``: what happened in an execution, on one axis of time."""

import sqlite3
import sys
from datetime import datetime, timedelta, timezone

import calls
import pytest

from learning_instrument import ExecutionRecord, SQLiteSpanExporter
from learning_instrument.analytics import story
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.errors import ConfigurationError, UnknownExecutionError
from learning_instrument.timestamps import iso

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def identity(number):
    return f"{number:016x}-{1:032x}-{number:016x}"


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def execution(number, start=0.0, parent=None, **fields):
    """Return an execution of one second that starts so many seconds after noon."""
    known = {"task_type": "fix", "task_id": f"t-{number}", "duration_seconds": 1.0, **fields}
    parent_id = None if parent is None else identity(parent)
    return ExecutionRecord(
        execution_id=identity(number), timestamp=after(start), parent_execution_id=parent_id, **known
    )


def call(number, of, start, seconds, **fields):
    """Return a model call of an execution."""
    known = {
        **dict.fromkeys(ModelCall._fields),
        "execution_id": identity(of),
        "trace_id": f"{1:032x}",
        "span_id": f"{number:016x}",
        "path": "",
        "timestamp": iso(after(start)),
        "duration_seconds": seconds,
        "model": "m",
        "cost_source": "unpriced",
    }
    return ModelCall(**{**known, **fields})


@pytest.fixture
def told(database):
    """A function that stores executions and model calls, and returns the story of the first execution."""

    def tell(executions, model_calls=(), **options):
        database.append(executions)
        database.flush(5)
        with sqlite3.connect(database.path) as connection:
            marks = ",".join("?" * len(ModelCall._fields))
            connection.executemany(
                f"INSERT INTO model_calls ({','.join(ModelCall._fields)}) VALUES ({marks})", model_calls
            )
        connection.close()
        return story(database, executions[0].execution_id, **options)

    return tell


def lines(found, *names):
    return [tuple(getattr(line, name) for name in names) for line in found.lines]


def test_waits_executions_and_calls_are_on_one_axis(told):
    """Queue, pool, children at any depth with their calls; each below the one around it, by time."""
    found = told(
        [
            execution(1, queue_seconds=2.0, wait_seconds=0.5, duration_seconds=9.5),
            execution(2, 5.0, parent=1, task_type="check", duration_seconds=3.0),
            execution(3, 1.0, parent=1, task_type="plan", duration_seconds=2.0),
            execution(4, 5.5, parent=2, task_type="look", duration_seconds=1.0),
        ],
        [call(11, 4, 5.6, 0.5), call(12, 1, 8.5, 1.0, model="large")],
    )

    assert lines(found, "kind", "name", "offset_seconds", "seconds", "depth") == [
        ("queue", "queue", -2.0, 2.0, 0),
        ("execution", "fix", 0.0, 10.0, 0),
        ("wait", "pool", 0.0, 0.5, 1),
        ("execution", "plan", 1.0, 2.0, 1),
        ("execution", "check", 5.0, 3.0, 1),
        ("execution", "look", 5.5, 1.0, 2),
        ("model_call", "m", 5.6, 0.5, 3),
        ("model_call", "large", 8.5, 1.0, 1),
    ]
    assert found.seconds == 10.0


def test_time_is_counted_once(told):
    """First the pool's wait, then model calls, then executions within, then the rest."""
    found = told(
        [
            execution(1, queue_seconds=2.0, wait_seconds=1.0, duration_seconds=9.0),
            execution(2, 6.0, parent=1, duration_seconds=2.0),
        ],
        # The first began while it waited; two overlap; the last is in an execution within it.
        [call(11, 1, 0.5, 1.5), call(12, 1, 3.0, 2.0), call(13, 1, 4.0, 2.0), call(14, 2, 6.5, 0.5)],
    )

    spent = found.spent
    assert (spent.queue_seconds, spent.wait_seconds) == (2.0, 1.0)
    assert (spent.calls, spent.executions) == (4, 1)
    assert spent.call_seconds == pytest.approx(1.0 + 3.0 + 0.5)
    assert spent.within_seconds == pytest.approx(1.5)
    assert spent.other_seconds == pytest.approx(10.0 - 1.0 - 4.5 - 1.5)


def test_plain_execution_is_its_own_story(told):
    """Nothing is known of waits, and nothing is within it."""
    found = told([execution(1)])

    assert lines(found, "kind", "seconds") == [("execution", 1.0)]
    assert (found.spent.queue_seconds, found.spent.wait_seconds, found.spent.other_seconds) == (None, None, 1.0)
    assert (found.attempt, found.attempts, found.late) == (1, 1, 0)


def test_length_that_is_a_stand_in_is_no_time_that_was_spent(told):
    """An item of a batch has the length of the batch where the pool said none: it covers nothing, and is never late."""
    item = execution(2, 1.0, parent=1, duration_seconds=5.0, defaulted=("duration_seconds",))

    found = told([execution(1, duration_seconds=4.0), item])

    assert lines(found, "is_timed") == [(True,), (False,)]
    assert (found.spent.within_seconds, found.spent.other_seconds, found.late) == (0.0, 4.0, 0)


def test_execution_without_a_measured_length_has_no_rest_and_no_late_end(told):
    """What was measured within it counts to its end, not to that of the stand-in."""
    found = told(
        [execution(1, duration_seconds=1.0, defaulted=("duration_seconds",))],
        [call(11, 1, 0.5, 4.0)],
    )

    assert not found.is_timed
    assert (found.spent.call_seconds, found.spent.other_seconds) == (pytest.approx(4.0), None)
    assert (found.late, found.late_seconds) == (0, 0.0)


def test_call_has_its_tokens_cost_error_and_first_chunk(told):
    """As far as they are known."""
    found = told(
        [execution(1)],
        [
            call(11, 1, 0.0, 0.5, input_tokens=10, output_tokens=5, cost=0.25, cost_source="partial"),
            call(12, 1, 0.5, 0.5, error_type="RateLimitError", model=None, operation="chat"),
            call(13, 1, 0.75, 0.25, time_to_first_chunk_seconds=0.125),
        ],
    )

    names = ("name", "input_tokens", "output_tokens", "cost_usd", "is_partial", "outcome", "first_chunk_seconds")
    assert lines(found, *names)[1:] == [
        ("m", 10, 5, 0.25, True, None, None),
        ("chat", None, None, None, False, "RateLimitError", None),
        ("m", None, None, None, False, None, 0.125),
    ]


def test_unknown_cost_of_an_execution_is_none(told):
    """A stand-in of 0 is no cost."""
    found = told([execution(1), execution(2, parent=1, actual_cost=0.5), execution(3, parent=1, actual_cost=0.0)])

    assert lines(found, "cost_usd") == [(None,), (0.5,), (0.0,)]


def test_call_that_two_spans_tell_of_is_one_line(told):
    """And one call in the count; the run of an agent around it is none."""
    usage = {"input_tokens": 10, "output_tokens": 5}
    around = f"{21:016x}"
    found = told(
        [execution(1)],
        [
            call(21, 1, 0.0, 1.0, operation="invoke_agent", input_tokens=10),
            call(22, 1, 0.1, 0.8, path=around, **usage),
            call(23, 1, 0.2, 0.6, path=f"{22:016x} {around}", cost=0.5, cost_source="reported", **usage),
        ],
    )

    assert lines(found, "kind", "offset_seconds", "seconds", "cost_usd")[1:] == [("model_call", 0.1, 0.8, 0.5)]
    assert found.spent.calls == 1


def test_spans_of_libraries_have_a_story(database):
    """From their export."""
    SQLiteSpanExporter(database).export([calls.execution(1), calls.chat(2, 1, cost=0.25)])
    database.flush(5)
    (row,) = database.query("SELECT execution_id FROM executions")

    found = story(database, row["execution_id"])

    assert lines(found, "kind", "name", "cost_usd") == [("execution", "unknown", 0.25), ("model_call", "m", 0.25)]


def test_other_executions_of_the_task_are_attempts(told, database):
    """Before and after, with their outcomes; not those within them."""
    one = {"task_id": "t"}
    found = told(
        [
            execution(1, 0.0, **one),
            execution(2, -10.0, outcome="error", error_type="timeout", error_message="late", **one),
            execution(3, 60.0, **one),
            execution(4, 60.5, parent=3, **one),  # a pool within the pool records it, too
            execution(5, 70.0, task_type="other", **one),
        ]
    )

    attempts = [line for line in found.lines if line.kind == "attempt"]
    assert [(line.attempt, line.offset_seconds, line.outcome) for line in attempts] == [
        (1, -10.0, "error"),
        (3, 60.0, "succeeded"),
    ]
    assert (found.attempt, found.attempts) == (2, 3)
    inner = story(database, identity(4))
    assert (inner.attempt, inner.attempts) == (1, 1)


def test_many_attempts_are_counted_and_the_nearest_are_shown(told):
    """A task id that is used for everything."""
    found = told([execution(1, task_id="t"), *(execution(n, n - 100.0, task_id="t") for n in range(2, 200))])

    attempts = [line.attempt for line in found.lines if line.kind == "attempt"]
    assert (found.attempt, found.attempts) == (99, 199)
    assert attempts == [94, 95, 96, 97, 98, 100, 101, 102, 103, 104]


def test_what_ends_after_the_execution_is_counted_as_late(told):
    """Its time is counted up to the end."""
    found = told([execution(1)], [call(11, 1, 0.5, 4.0), call(12, 1, 3.0, 1.0), call(13, 1, 0.5, 0.5003)])

    assert (found.late, found.late_seconds) == (2, pytest.approx(3.5))
    assert found.spent.call_seconds == pytest.approx(0.5)


def test_start_that_is_not_known_is_said(told):
    """Some spans have none: they are stored with that of the epoch."""
    found = told([execution(1)], [call(11, 1, 0.0, 0.5, timestamp="1970-01-01T00:00:00.000000+00:00")])

    assert lines(found, "offset_seconds", "seconds")[1:] == [(None, 0.5)]
    assert (found.spent.call_seconds, found.spent.calls) == (0.0, 1)


def test_deep_nesting_shows_the_outermost(told):
    """Without recursion: a thousand levels."""
    levels = sys.getrecursionlimit() + 200
    found = told(
        [execution(1), *(execution(n, n / 1e4, parent=n - 1) for n in range(2, levels))],
        [call(levels, levels - 1, 0.5, 0.1)],
        limit=20,
    )

    assert lines(found, "depth") == [(depth,) for depth in range(21)]
    assert (found.omitted_executions, found.omitted_calls) == (levels - 2 - 20, 1)
    assert (found.spent.executions, found.spent.call_seconds) == (levels - 2, pytest.approx(0.1))


def test_of_many_within_the_longest_are_shown(told):
    """In the order of time."""
    found = told(
        [execution(1, duration_seconds=100)],
        [call(n, 1, n / 100, 0.2 if n in (500, 1500) else 0.1) for n in range(10, 2010)],
        limit=2,
    )

    assert lines(found, "offset_seconds")[1:] == [(5.0,), (15.0,)]
    assert (found.omitted_calls, found.spent.calls, found.is_cut) == (1998, 2000, False)


def test_more_than_is_read_is_said(told, monkeypatch):
    """The counts are lower bounds then."""
    monkeypatch.setattr(sys.modules["learning_instrument.analytics.story"], "_MOST", 5)

    assert not told([execution(1), *(execution(n, parent=1) for n in range(2, 7))]).is_cut
    assert told([execution(10), *(execution(n, parent=10) for n in range(11, 17))]).is_cut
    assert told([execution(20)], [call(n, 20, 0.0, 0.1) for n in range(21, 27)]).is_cut


def test_rows_that_are_within_each_other_have_a_story(told):
    """Another program may have stored them."""
    found = told([execution(1, parent=2), execution(2, parent=1)])

    assert lines(found, "execution_id") == [(identity(1),), (identity(2),)]


@pytest.mark.parametrize("limit", [0, True, 1.5, "1"])
def test_invalid_limit_is_named(database, limit):
    """With what is expected."""
    with pytest.raises(ConfigurationError, match="Invalid limit"):
        story(database, "x", limit)


def test_unknown_execution_is_an_error(database):
    """It names the id."""
    with pytest.raises(UnknownExecutionError, match="'x'"):
        story(database, "x")


def test_questions_use_indexes(told, database):
    """However many executions there are."""
    told([execution(1)])
    asked = []
    query = database.query

    class Watched:
        def query(self, sql, parameters=()):
            asked.append((sql, parameters))
            return query(sql, parameters)

    story(Watched(), identity(1))

    for sql, parameters in asked:
        plan = [row["detail"] for row in query(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        assert not [step for step in plan if step.startswith("SCAN e") or "SCAN model_calls" in step], (sql, plan)
