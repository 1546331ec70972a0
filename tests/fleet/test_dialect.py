"""SQLite's SQL as ClickHouse's: parameters, functions that mean something else, and what it costs."""

import json
import math
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics.executions import (
    bookmark,
    execution_id_of,
    is_selected,
    latest,
    relatives,
    stored_after,
)
from learning_instrument.analytics.news import _ENDED
from learning_instrument.analytics.values import metadata_keys
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import DatabaseError
from learning_instrument.fleet import dialect, schema
from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.fleet.dialect import translated
from learning_instrument.record import row_from_record
from learning_instrument.rollups.measures import BIN, MEASURES, source
from learning_instrument.sqlite.dimensions import dimension, value_in
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection, has_table

from . import otel_traces

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(
    st.none(),
    TEXTS,
    st.sampled_from(
        ["'", "\\", "\\'", "\0", "'; DROP TABLE executions --", "{a:String}", "%s", "\N{PILE OF POO}\t\r\n"]
    ),
    st.integers(-(2**63), 2**127),
    st.floats(allow_nan=False),
)


@pytest.fixture
def fleet(clickhouse, address, client):
    otel_traces.create(clickhouse)
    schema.init(client)
    with FleetDatabase(address) as opened:
        yield opened


@pytest.fixture
def both(database, fleet, client):
    """Return a function that stores executions in a file and in a fleet, and returns both."""

    def store(*records):
        database.append(records)
        client.insert("learning_instrument_executions", COLUMNS, [row_from_record(record) for record in records])
        return ReadOnlyDatabase(database.path), fleet

    return store


def same(databases, sql, parameters=()):
    """Return the one answer of all *databases*."""
    one, other = (database.query(sql, parameters) for database in databases)
    assert one == other
    return one


def test_value_comes_back_as_it_went(fleet):
    """Text with quotes, backslashes and NUL, large integers, any float, and None: named, by place, and in a list."""

    @given(VALUES)
    def check(value):
        assert fleet.query("SELECT :a AS named", {"a": value}) == [{"named": value}]
        assert fleet.query("SELECT ? AS placed, ? AS other", [value, "x"]) == [{"placed": value, "other": "x"}]
        if value is not None and value == value:
            assert fleet.query("SELECT ? IN (?,?) AS here", [value, value, value]) == [{"here": 1}]

    check()


@given(st.one_of(VALUES, st.binary()))
def test_value_is_no_part_of_the_question(value):
    """Questions are the same for all values of a type."""
    sql, sent = translated("SELECT :a AS a", {"a": value})
    kinds = {str: "{a:String}", float: "{a:Float64}", bytes: "unhex({a:String})", type(None): "NULL"}
    kind = kinds.get(type(value)) or ("{a:Int64}" if value < 2**63 else "{a:UInt128}")

    assert (sql, sent.keys()) == (f'SELECT {kind} AS "a"', set() if value is None else {"a"})


def test_marks_within_texts_are_none(fleet):
    """A question mark, a colon or braces between quotes are text, and a name may be any."""
    row = {"?": "it's :a {b:String} ?", "of": "\\", "first": 2}

    assert fleet.query("""SELECT 'it''s :a {b:String} ?' AS "?", '\\' AS of, ? AS first""", [2]) == [row]


@pytest.mark.parametrize(
    ("sql", "parameters", "reason"),
    [
        ("SELECT ?", [], "Invalid number of parameters 0: expected 1"),
        ("SELECT ? IN (?, ?)", [1, 2], "Invalid number of parameters 2: expected 3"),
        ("SELECT ?", [1, 2], "Invalid number of parameters 2: expected 1"),
        ("SELECT :a", {"b": 1}, "there is no parameter a"),
        ("SELECT :a", {"a": object()}, "expected text, bytes, a number or None"),
        ("SELECT :a", {"a": 2**128}, "expected text, bytes, a number or None"),
        ("SELECT :a", {"a": "\ud800"}, "expected UTF-8"),
        ("SELECT 1 IN (?,?)", [1, "a"], "values of several types"),
        ("SELECT FROM WHERE", [], "cannot answer"),
        ("DELETE FROM executions", [], "it is only read"),
    ],
)
def test_other_questions_are_refused(fleet, sql, parameters, reason):
    """In one line, and before they are sent."""
    with pytest.raises(DatabaseError, match=reason) as raised:
        fleet.query(sql, parameters)

    assert "\n" not in str(raised.value)


def test_values_are_in_the_same_bins(both):
    """Those on an edge, next to one on either side, below the first and above the last, and none."""
    edges = [1e-6 * 1.03**number for number in range(1013)]
    values = [near for edge in edges for near in (edge, math.nextafter(edge, 0), math.nextafter(edge, 1e9))]
    seconds = [0.0, 1e-7, 5e8, 1e15, *values]
    databases = both(*(ExecutionRecord(task_type="x", duration_seconds=each) for each in seconds))
    rows = source("executions", "1", ("timed",), ["duration_seconds"], BIN)

    found = same(databases, f"SELECT key0 AS seconds, {BIN} AS bin FROM {rows} ORDER BY 1")

    assert {row["bin"] for row in found} == {*range(1014)}


def test_logarithms_of_ratios_are_the_same(both):
    """As whole numbers: of estimates that are above, below and far off the cost."""
    records = [
        ExecutionRecord(
            task_type="x",
            duration_seconds=1.0,
            actual_cost=cost,
            cost_estimate=1.0,
            cost_source="reported",
            defaulted=(),
        )
        for cost in [10 ** (power / 7) for power in range(-60, 60)]
    ]
    rows = source("executions", "1", ("log_e5",), ["actual_cost"])

    found = same(both(*records), f"SELECT key0 AS cost, {MEASURES['log_e5']} AS log FROM {rows} ORDER BY 1")

    assert None not in {row["log"] for row in found}


METADATA = [
    {},
    {"key": None},
    {"key": ""},
    {"key": "text"},
    {"key": "\N{PILE OF POO} \u00e9 ' \\ \""},
    {"key": True},
    {"key": False},
    {"key": 0},
    {"key": -17},
    {"key": 2**53},
    {"key": 2**63 - 1},
    {"key": 2**63},
    {"key": 0.0},
    {"key": -0.5},
    {"key": 1.0},
    {"key": 1e20},
    {"key": 1.5e-7},
    {"key": 0.1 + 0.2},
    {"key": [1, "a", None]},
    {"key": {"a": {"b": [True]}}},
    {"key": "own", "task": {"key": "of task"}},
    {"key": "own", "task": {"key": None}},
    {"task": {"key": 3.0}},
    {"task": "key"},
]


KEYS = ["key", "a b", "a.b", "it's", 'a "b" \\', "\u00e9", "$", "[0]", "{a:String}", "?"]


def test_key_of_metadata_has_the_same_text(both):
    """For values of each type, in the task's metadata or the execution's, and under odd names."""
    records = [
        ExecutionRecord(
            task_type="x",
            duration_seconds=1.0,
            metadata=json.loads(json.dumps(each).replace('"key"', json.dumps(key))),
        )
        for each in METADATA
        for key in KEYS
    ]
    values = ", ".join(f"{dimension(f'metadata.{key}')} AS v{number}" for number, key in enumerate(KEYS))

    found = same(both(*records), f"SELECT {values} FROM executions ORDER BY execution_id")

    for number in range(len(KEYS)):
        assert {"unknown", "", "text", "true", "-17", "1.0", "1.5e-07", '[1,"a",null]', "of task"} <= {
            row[f"v{number}"] for row in found
        }


NAMES = [
    "f",
    "a.f",
    "a.b.f",
    "a.<locals>.f",
    "a.b.<locals>.c.<locals>.f",
    "a..f",
    ".f",
    "a.b.",
    "\u00e9.\u00fc.\u00f1",
    "..",
    "",
    "a\n.b\n.c",
]


def test_function_of_an_unknown_type_has_the_same_name(both):
    """Its last two parts."""
    records = [ExecutionRecord(task_type="unknown", duration_seconds=1.0, function_name=name) for name in NAMES]
    databases = both(*records)

    found = same(databases, f"SELECT execution_id AS id, {dimension('task_type')} AS value FROM executions ORDER BY 1")

    rows = [dict(zip(COLUMNS, row_from_record(record), strict=True)) for record in records]
    assert {row["id"]: row["value"] for row in found} == {
        row["execution_id"]: value_in(row, "task_type") for row in rows
    }


def test_minutes_of_ends_are_the_same(both):
    """To the millisecond that SQLite rounds to."""
    records = [
        ExecutionRecord(task_type="x", timestamp=datetime.fromisoformat(start), duration_seconds=seconds)
        for start in ("2026-11-20T23:59:00.000000+00:00", "2024-02-29T12:00:00.000499+00:00")
        for seconds in (0.0, 0.0004, 0.0005, 59.9994, 59.9995, 59.9999999, 3600.25)
    ]
    question = f"SELECT strftime('%Y-%m-%dT%H:%M', {_ENDED}) AS minute, {_ENDED} >= julianday(:since) AS late"
    since = "2026-11-20T23:59:59.999500+00:00"

    found = same(both(*records), f"{question} FROM executions ORDER BY timestamp, duration_seconds", {"since": since})

    assert {row["late"] for row in found} == {0, 1}


EXPRESSIONS = [
    "round(2.5)",
    "round(-2.5)",
    "round(0.49999)",
    "round(NULL)",
    "CAST(2.9 AS INTEGER)",
    "CAST(-2.9 AS INTEGER)",
    "CAST(NULL AS INTEGER)",
    "max(1, 2.5)",
    "min(1, NULL)",
    "max(1.5, NULL)",
    "NULL IS 'a'",
    "NULL IS NOT 'a'",
    "'a' IS 'a'",
    "NULL IS TRUE",
    "0 IS FALSE",
    "NULL IS FALSE",
    "2 IS TRUE",
    "1 / 4.0",
    "1.0 / 0",
    "substr('h\u00e9llo', 2, 2)",
    "length('h\u00e9')",
    "instr('abc', 'c')",
    "ifnull(NULL, 'x')",
    "'a' || 'b'",
    "NOT 0",
    "printf(' %03d', 7)",
    "NULL IN (1, 2)",
    "3 IN ()",
    "CASE WHEN NULL THEN 'a' ELSE 'b' END",
    "abs(-1.5)",
    "nullif(1, 1)",
    "1 BETWEEN 0 AND 2",
    "NULL AND 0",
    "NULL OR 1",
]


def test_expressions_have_the_same_values(database, fleet):
    """Halves are rounded away from 0, text is of characters, and NULL is as SQLite has it."""
    same((database, fleet), "SELECT " + ", ".join(f"{each} AS e{number}" for number, each in enumerate(EXPRESSIONS)))


AGGREGATES = ("total(x)", "sum(x)", "max(x)", "min(x)", "avg(x)", "count(x)", "count(*)", "total(x > 1)")


def test_aggregates_are_the_same(both):
    """Of no rows a total is 0, and a sum is NULL."""
    records = [
        ExecutionRecord(task_type="x", duration_seconds=1.0, queue_seconds=each) for each in (None, 0.5, 2.0, 2.0)
    ]
    databases = both(*records)
    columns = ", ".join(f"{each} AS a{number}" for number, each in enumerate(AGGREGATES))

    for condition in ("1", "x > 1", "x IS NULL", "0"):
        same(databases, f"SELECT {columns} FROM (SELECT queue_seconds AS x FROM executions) WHERE {condition}")
    texts = [
        sorted(database.query("SELECT group_concat(queue_seconds) AS text FROM executions")[0]["text"].split(","))
        for database in databases
    ]
    assert [[*map(float, text)] for text in texts] == [[0.5, 2.0, 2.0]] * 2


def test_tables_are_known_by_sqlites_lists(fleet):
    """What an older file may lack is asked there; columns that are ours alone are not listed."""
    columns = [row["name"] for row in fleet.query("SELECT name FROM pragma_table_info('executions')")]

    assert columns == list(COLUMNS)
    assert all(has_table(fleet, name) for name in ("executions", "model_calls", "feedback"))
    assert not has_table(fleet, "rollup_keys")


def test_executions_are_found_as_in_a_file(both, database):
    """The newest, by id, by the beginning of one, by task, and what was stored since."""
    records = [
        ExecutionRecord(
            task_type="x",
            task_id=f"task-{number // 2}",
            execution_id=f"e{number:02d}",
            parent_execution_id="e03" if 3 < number < 6 else None,
            timestamp=datetime(2026, 11, 20, 10, number, tzinfo=timezone.utc),
            duration_seconds=float(number),
            success=bool(number % 3),
            metadata={"task": {"a": 1, "b": 2}, "c": number, "task_": 1},
        )
        for number in range(12)
    ]
    file, fleet = both(*records)
    for ask in (
        lambda found: [each.execution_id for each in latest(found, Selection(), limit=5)],
        lambda found: [each.execution_id for each in stored_after(found, Selection(), ())[0]],
        lambda found: [each.execution_id for each in stored_after(found, Selection(), bookmark(found)[:4])[0]],
        lambda found: [execution_id_of(found, name) for name in ("e03", "task-2", "task-5")],
        lambda found: is_selected(found, "e03", Selection(task_type="x")),
        lambda found: [each.execution_id for each in relatives(found, "e03").children],
        metadata_keys,
    ):
        assert ask(file) == ask(fleet)


def test_question_is_translated_once():
    """Whatever the values, and however many ids there are."""
    sql = f"SELECT {dimension('metadata.a')} FROM executions WHERE timestamp >= ? AND execution_id IN "
    translated(f"{sql}({','.join('?' * 500)})", ["a"] * 501)
    known = dialect._translation.cache_info().misses

    translated(f"{sql}({','.join('?' * 7)})", ["b"] * 8)

    assert dialect._translation.cache_info().misses == known
