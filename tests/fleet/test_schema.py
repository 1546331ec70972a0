"""What ``fleet init`` makes of the Collector's table, and that its rows are SQLite's."""

import re
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from learning_instrument import record_execution
from learning_instrument.columns import COLUMNS, TABLE, Kind
from learning_instrument.errors import DatabaseError, SchemaVersionError
from learning_instrument.fleet import schema
from learning_instrument.fleet.client import OLDEST_SERVER
from learning_instrument.record import row_from_span

from . import otel_traces

SCHEMA = Path(schema.__file__).with_name("schema.sql")
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


def at_hours(spans, hours):
    """Return a copy of the first span in each hour since the epoch."""
    span = spans[0]
    return [
        ReadableSpan(
            span.name,
            context=SpanContext(number, number, is_remote=False),
            attributes=span.attributes,
            resource=span.resource,
            start_time=hour * 3600 * 10**9 + 5,
            end_time=hour * 3600 * 10**9 + 6,
            instrumentation_scope=span.instrumentation_scope,
        )
        for number, hour in enumerate(hours, 1)
    ]


def test_interrupted_init_goes_on(clickhouse, client, spans):
    """With the hours that it had not filled in, the newest first; what came meanwhile is there once."""
    otel_traces.create(clickhouse)
    old = at_hours(spans, [400_000, 400_001, 400_001, 400_007, 390_000])
    otel_traces.insert_spans(clickhouse, old)

    def interrupt(done, of):
        assert of == 4
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schema.init(client, progress=interrupt)
    assert stored(client) == expected(old[1:4])
    otel_traces.insert_spans(clickhouse, spans)
    told = []
    schema.init(client, progress=lambda done, of: told.append((done, of)))

    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert stored(client) == expected([*old, *spans])
    assert client.rows("SELECT count() AS n FROM learning_instrument_executions") == [{"n": len(old) + len(spans)}]


def test_views_that_are_missing_are_made_and_what_they_missed_is_filled_in(clickhouse, client, spans):
    """Whoever dropped them."""
    otel_traces.create(clickhouse)
    schema.init(client)
    client.execute("DROP TABLE learning_instrument_from_spans SYNC")
    client.execute("DROP TABLE executions SYNC")
    otel_traces.insert_spans(clickhouse, spans)

    schema.init(client)

    assert stored(client) == expected(spans)


def test_table_that_is_made_anew_with_the_other_schema_is_read(clickhouse, client, spans):
    """From the next init on; until then the exporter is told that its inserts fail, and loses nothing."""
    otel_traces.create(clickhouse, "map")
    otel_traces.insert_spans(clickhouse, spans[:1], "map")
    schema.init(client)
    for name in ("otel_traces_trace_id_ts_mv", "otel_traces_trace_id_ts", "otel_traces"):
        client.execute(f"DROP TABLE {name} SYNC")
    otel_traces.create(clickhouse, "json")
    with pytest.raises(ClickHouseError):
        otel_traces.insert_spans(clickhouse, spans[1:], "json")

    schema.init(client)
    otel_traces.insert_spans(clickhouse, spans[1:], "json")

    assert stored(client) == expected(spans)
    assert schema.has_json(client)


NEWER = """
-- version 2

ALTER TABLE learning_instrument_feedback ADD COLUMN IF NOT EXISTS mood Nullable(String);
CREATE TABLE IF NOT EXISTS learning_instrument_moods (mood String) ENGINE = MergeTree ORDER BY mood
COMMENT 'learning_instrument: of a newer release';

-- views
"""


@pytest.fixture
def newer():
    """The schema of a release to come."""
    text = SCHEMA.read_text("utf-8").replace("\n-- views\n", NEWER)
    return schema.Schema.parse(text.replace("SELECT feedback_id,", "SELECT mood, feedback_id,"))


def test_newer_release_migrates(clickhouse, client, spans, newer):
    """Rows stay; the older release then says what to do, and the newer one drops all of it."""
    otel_traces.create(clickhouse)
    otel_traces.insert_spans(clickhouse, spans)
    schema.init(client)
    client.insert("learning_instrument_feedback", ("execution_id", "timestamp", "visibility"), [("a", "b", "team")])
    with pytest.raises(DatabaseError, match=r"has the schema 1 of an older release: run .* fleet init"):
        schema.check(client, newer)

    schema.init(client, newer)
    schema.init(client, newer)

    schema.check(client, newer)
    with pytest.raises(SchemaVersionError, match=r"has the schema 2 of a newer release, and this release knows 1"):
        schema.check(client)
    assert client.rows("SELECT mood, execution_id FROM feedback") == [{"mood": None, "execution_id": "a"}]
    assert stored(client) == expected(spans)
    schema.drop(client, newer)
    assert not client.rows("SHOW TABLES LIKE 'learning_instrument%'")


def test_interrupted_migration_is_done_again(clickhouse, client, newer):
    """Some of its statements were done, and its number was not stored."""
    otel_traces.create(clickhouse)
    schema.init(client)
    client.execute(newer.versions[1][0])

    schema.init(client, newer)

    schema.check(client, newer)


def test_statements_of_a_version_may_be_run_again(subtests):
    """An interrupted migration is."""
    for number, statements in enumerate(schema.released().versions, 1):
        for statement in statements:
            with subtests.test(version=number, statement=statement[:60]):
                assert "IF NOT EXISTS" in statement


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


@pytest.mark.parametrize("columns", ["a UInt8", "SpanAttributes String"])
def test_init_beside_another_table_of_that_name_says_so(client, columns):
    """It is not that there is none."""
    client.execute(f"CREATE TABLE otel_traces ({columns}) ENGINE = MergeTree ORDER BY ()")

    with pytest.raises(DatabaseError, match=r"The table otel_traces in chdb:.* is not the Collector's"):
        schema.init(client)

    assert [row["name"] for row in client.rows("SHOW TABLES")] == ["otel_traces"]


def test_init_without_the_table_of_the_collector_says_who_makes_it(client):
    """Our objects need it."""
    with pytest.raises(
        DatabaseError, match=r"There is no table otel_traces in chdb:.*exporter makes it.*by push alone: "
    ):
        schema.init(client)


def test_table_made_without_a_collector_is_the_one_that_it_makes(clickhouse, client, spans):
    """So a Collector can write to it later, as to its own."""
    described = (
        "SELECT name, type, compression_codec FROM system.columns WHERE database = currentDatabase()"
        " AND table = 'otel_traces' AND default_kind != 'ALIAS' ORDER BY position"
    )
    otel_traces.create(clickhouse)
    columns = client.rows(described)
    client.execute("DROP TABLE otel_traces SYNC")

    schema.init(client, makes_spans=True)
    schema.init(client, makes_spans=True)
    otel_traces.insert_spans(clickhouse, spans)

    assert client.rows(described) == columns
    assert stored(client) == expected(spans)


def test_init_that_is_refused_makes_no_table(client):
    """Neither that of the Collector."""
    client.execute("CREATE VIEW executions AS SELECT 1 AS theirs")

    with pytest.raises(DatabaseError, match="is not ours"):
        schema.init(client, makes_spans=True)

    assert client.rows("SHOW TABLES") == [{"name": "executions"}]


def test_drop_leaves_the_table_made_without_a_collector(client):
    """One may have written to it, and its spans may be nowhere else."""
    schema.init(client, makes_spans=True)

    schema.drop(client)

    assert client.rows("SHOW TABLES") == [{"name": "otel_traces"}]


def test_table_of_the_collector_is_taken_as_it_is(clickhouse, client):
    """Also where it is empty."""
    otel_traces.create(clickhouse, "json")

    schema.init(client, makes_spans=True)

    assert schema.has_json(client)


def test_database_without_our_objects_asks_for_init(clickhouse, client):
    """One line with the command."""
    otel_traces.create(clickhouse)

    with pytest.raises(DatabaseError, match="run learning-instrument fleet init 'chdb:"):
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
