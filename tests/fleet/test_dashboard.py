"""The dashboard for ClickHouse answers what the one for SQLite answers, of the same executions."""

import contextlib
import json
import sqlite3
from datetime import datetime, timedelta

import pytest
from executions import NEW, START, database_of
from grafana import as_sql, queries
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from learning_instrument.costs.model_calls import ModelCall

SINCE, UNTIL = START - timedelta(days=1), START + timedelta(days=5)
CHOSEN = [{}, {"tier": ["small"]}, {"pool": ["unknown", "agents"]}, {"pool": ["it's"]}]
#: Of SQLite's dashboard there is none: an execution that still runs has no span yet.
MORE = {("Services", 0), ("Model calls", 0)}
_KINDS = {"REAL": "Float64", "INTEGER": "Int64", "TEXT": "String"}


def make(clickhouse, connection, table):
    """Make the table that a view of the fleet is of, with SQLite's columns."""
    columns = connection.execute(f"SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')").fetchall()
    told = ", ".join(
        f"`{name}` {_KINDS[kind]}" if required else f"`{name}` Nullable({_KINDS[kind]})"
        for name, kind, required in columns
    )
    clickhouse.command(f"CREATE OR REPLACE TABLE {table} ({told}) ENGINE = Memory")
    rows = [
        dict(zip([name for name, *_ in columns], row, strict=True))
        for row in connection.execute(f"SELECT * FROM {table}")
    ]
    if rows:
        block = "\n".join(json.dumps(row) for row in rows)
        clickhouse.raw_insert(table, [name for name, *_ in columns], block.encode(), fmt="JSONEachRow")


def in_clickhouse(clickhouse, query, **chosen):
    answer = clickhouse.query(as_sql(query, SINCE, UNTIL, **chosen))
    return [
        {name: plain(name, value) for name, value in zip(answer.column_names, row, strict=True)}
        for row in answer.result_rows
    ]


def plain(name, value):
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, float):
        return pytest.approx(value, rel=0.01 if name == "p95" else 1e-9, abs=1e-12)
    return value


def by_hour(query):
    """Return a query of SQLite's dashboard, of hours in place of days."""
    return query.replace("substr(timestamp, 1, 10)", "(substr(timestamp, 1, 13) || ':00')")


def in_sqlite(connection, query, **chosen):
    answer = connection.execute(as_sql(by_hour(query), SINCE, UNTIL, **chosen))
    return [dict(zip([column[0] for column in answer.description], row, strict=True)) for row in answer]


def in_any_order(rows):
    def words(row):
        return [str(value) for value in row.values() if value is None or type(value) in (str, int)]

    return sorted(rows, key=words)


@contextlib.contextmanager
def both(clickhouse, records):
    with database_of(records) as database, contextlib.closing(sqlite3.connect(database.path)) as connection:
        make(clickhouse, connection, "executions")
        yield connection


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=[Phase.generate])
@given(st.lists(NEW, max_size=100))
def test_panels_show_what_those_of_sqlite_show(clickhouse, records):
    """Quantiles are within 1%."""
    theirs = {
        (title.replace("by day", "by hour"), number): query for (title, number), query in queries("sqlite").items()
    }
    ours = queries("clickhouse")
    assert ours.keys() - theirs.keys() == MORE
    assert {title for title, _ in theirs.keys() - ours.keys()} == {"Running", "Running now"}

    with both(clickhouse, records) as connection:
        for key in ours.keys() - MORE:
            for chosen in CHOSEN:
                expected = in_sqlite(connection, theirs[key], **chosen)
                found = in_clickhouse(clickhouse, ours[key], **chosen)
                if key[0] == "Failures":  # of equally new ones, any message
                    for row in (*expected, *found):
                        row.pop("message")
                if key[0] == "variable":  # whose column has no name
                    expected, found = ([dict(enumerate(row.values())) for row in rows] for rows in (expected, found))
                assert in_any_order(found) == in_any_order(expected), (key, chosen)


def test_services_and_model_calls_are_counted(clickhouse):
    """Each service with its newest execution; each model with its tokens and what they cost."""
    with database_of([]) as database, contextlib.closing(sqlite3.connect(database.path)) as connection:
        for number in range(3):
            connection.execute(
                "INSERT INTO executions (execution_id, task_id, task_type, timestamp, outcome, success, service_name,"
                " duration_seconds, metadata, defaulted) VALUES (?, 't', 'x', ?, 'succeeded', 1, ?, 1.0, '{}', '[]')",
                (f"e{number}", f"2026-11-02T0{number}:00:00.000000+00:00", "agents" if number else None),
            )
            fields = {
                "trace_id": "t",
                "span_id": f"s{number}",
                "path": "",
                "timestamp": "2026-11-02T01:00:00.000000+00:00",
                "model": "m",
                "input_tokens": 10,
                "cost": 0.5 if number else None,
                "cost_source": "reported",
                "duration_seconds": 1.0,
                "error_type": "timeout" if number == 2 else None,
            }
            call = ModelCall(**(dict.fromkeys(ModelCall._fields) | fields))
            connection.execute(
                f"INSERT INTO model_calls ({','.join(call._fields)}) VALUES ({','.join('?' * len(call))})", call
            )
        make(clickhouse, connection, "executions")
        make(clickhouse, connection, "model_calls")

    assert in_clickhouse(clickhouse, queries("clickhouse")["Services", 0]) == [
        {"service": "agents", "executions": 2, "succeeded": 1.0, "time": "2026-11-02T02:00:00.000000+00:00"},
        {"service": "unknown", "executions": 1, "succeeded": 1.0, "time": "2026-11-02T00:00:00.000000+00:00"},
    ]
    assert in_clickhouse(clickhouse, queries("clickhouse")["Model calls", 0]) == [
        {"model": "m", "provider": "unknown", "calls": 3, "input": 30, "output": None, "cost_usd": 1.0, "failed": 1}
    ]
