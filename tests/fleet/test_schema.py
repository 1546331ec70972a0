"""What ``fleet init`` makes of the Collector's table, and that its rows are SQLite's."""

import re
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from learning_instrument import record_execution
from learning_instrument.columns import COLUMNS, TABLE, Kind
from learning_instrument.errors import DatabaseError, SchemaVersionError
from learning_instrument.fleet import schema
from learning_instrument.fleet.client import OLDEST_SERVER
from learning_instrument.record import row_from_span

from . import otel_traces

ATTRIBUTES = pytest.mark.parametrize("attributes", ["map", "json"])


@pytest.fixture
def spans():
    """Two executions: one that succeeded and one that failed."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record_execution(lambda task: {"cost": 0.1, "peak_memory_mb": 1.5}, tracer_provider=provider)(
        {"task_type": "review", "prompt": "Grüße \x00 'x' \N{PILE OF POO}\n", "metadata": {"a": [1, None]}}
    )
    with pytest.raises(ZeroDivisionError):
        record_execution(lambda task: 1 / 0, tracer_provider=provider)({"prompt": ""})
    return exporter.get_finished_spans()


def stored(client):
    """The executions, as SQLite's rows are: id -> the values of the columns."""
    rows = client.rows(f"SELECT {', '.join(COLUMNS)} FROM executions")
    return {row["execution_id"]: tuple(row.values()) for row in rows}


def expected(spans):
    rows = [row_from_span(span) for span in spans]
    return {row[COLUMNS.index("execution_id")]: row for row in rows}


@ATTRIBUTES
def test_executions_are_the_rows_that_sqlite_has(clickhouse, client, spans, attributes):
    """Those of spans that were there, and those of spans that come later."""
    otel_traces.create(clickhouse, attributes)
    otel_traces.insert_spans(clickhouse, spans[:1], attributes)

    schema.init(client)
    assert stored(client) == expected(spans[:1])
    otel_traces.insert_spans(clickhouse, spans[1:], attributes)

    assert stored(client) == expected(spans)


@ATTRIBUTES
def test_span_that_comes_twice_is_one_execution(clickhouse, client, spans, attributes):
    """Whether the exporter sends it again, or it is filled in again."""
    otel_traces.create(clickhouse, attributes)
    otel_traces.insert_spans(clickhouse, spans, attributes)
    schema.init(client)
    otel_traces.insert_spans(clickhouse, spans, attributes)
    schema.write_state(client, backfill="")

    schema.init(client)

    assert client.rows("SELECT count() AS n FROM learning_instrument_executions") == [{"n": 3 * len(spans)}]
    assert stored(client) == expected(spans)


def test_init_again_changes_nothing(clickhouse, client, spans):
    """Its objects and rows are the same."""
    otel_traces.create(clickhouse)
    otel_traces.insert_spans(clickhouse, spans)
    objects = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY 1"
    schema.init(client)
    before = client.rows(objects), stored(client)

    schema.init(client)

    assert (client.rows(objects), stored(client)) == before


def test_drop_undoes_just_what_init_made(clickhouse, client, spans):
    """The Collector's table and those of others stay."""
    otel_traces.create(clickhouse)
    otel_traces.insert_spans(clickhouse, spans)
    client.execute("CREATE TABLE learning_instrument_of_others (a Int64) ENGINE = MergeTree ORDER BY a")
    objects = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY 1"
    before = client.rows(objects), client.rows("SELECT * FROM otel_traces ORDER BY Timestamp")
    schema.init(client)

    schema.drop(client)
    schema.drop(client)

    assert (client.rows(objects), client.rows("SELECT * FROM otel_traces ORDER BY Timestamp")) == before


def test_view_of_others_is_neither_replaced_nor_dropped(clickhouse, client):
    """The error names it, and nothing was made."""
    otel_traces.create(clickhouse)
    client.execute("CREATE VIEW feedback AS SELECT 1 AS theirs")

    with pytest.raises(DatabaseError, match="has a table 'feedback' that is not ours"):
        schema.init(client)
    schema.drop(client)

    assert client.rows("SELECT * FROM feedback") == [{"theirs": 1}]
    assert not client.rows("SHOW TABLES LIKE 'learning_instrument%'")


def test_init_without_the_table_of_the_collector_says_who_makes_it(client):
    """Our objects need it."""
    with pytest.raises(DatabaseError, match=r"There is no table otel_traces in chdb:.*clickhouse exporter makes it"):
        schema.init(client)


def test_database_without_our_objects_asks_for_init(clickhouse, client):
    """One line with the command."""
    otel_traces.create(clickhouse)

    with pytest.raises(DatabaseError, match="run learning-instrument fleet init chdb:"):
        schema.check(client)


def test_schema_of_a_newer_release_is_refused(clickhouse, client):
    """By questions and by init."""
    otel_traces.create(clickhouse)
    schema.init(client)
    schema.check(client)
    schema.write_state(client, schema=str(schema.released().version + 1))

    for refusing in (schema.check, schema.init):
        with pytest.raises(SchemaVersionError, match=r"of a newer release.*upgrade learning-instrument"):
            refusing(client)


def test_page_has_each_object():
    """In one table, and with the oldest server that will do."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "fleet.md").read_text("utf-8")
    listed = page.partition("| object |")[2].partition("\n\n")[0]

    assert {*re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)} == {
        *schema.released().tables,
        *schema.released().views,
    }
    assert f"ClickHouse {'.'.join(map(str, OLDEST_SERVER))}" in page


def test_columns_are_those_of_sqlite(clickhouse, client, database):
    """In their order, with their types; NULL is where it is there."""
    otel_traces.create(clickhouse)
    schema.init(client)
    types = {Kind.INTEGER: "Int64", Kind.REAL: "Float64", Kind.BOOLEAN: "UInt8"}

    made = [(row["name"], row["type"]) for row in client.rows("DESCRIBE executions")]
    assert made[: len(TABLE)] == [
        (column.name, kind if column.is_not_null else f"Nullable({kind})")
        for column in TABLE
        for kind in [types.get(column.kind, "String")]
    ]
    assert [name for name, _ in made[len(TABLE) :]] == ["rowid", "message_template", "words"]
    for table in ("model_calls", "feedback"):
        theirs = database.query('SELECT name, "notnull" OR pk AS is_not_null FROM pragma_table_info(?)', [table])
        ours = client.rows(f"DESCRIBE {table}")
        assert [(row["name"], not row["type"].startswith("Nullable")) for row in ours if row["name"] != "rowid"] == [
            (row["name"], bool(row["is_not_null"])) for row in theirs
        ]
