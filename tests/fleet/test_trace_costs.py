"""Costs of a fleet: what refresh makes of spans in the Collector's table is what SQLite makes of the same spans."""

import random

import pytest
from calls import AGENT, START, chat, execution, span, usage
from opentelemetry.trace import Status, StatusCode

from learning_instrument import LearningDatabase, SQLiteSpanExporter
from learning_instrument.columns import COLUMNS
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.fleet import schema
from learning_instrument.fleet.refresh import refresh
from learning_instrument.message_templates import mask
from learning_instrument.rollups.error_counts import MESSAGE_TEXT

from . import otel_traces

ATTRIBUTES = pytest.mark.parametrize("attributes", ["map", "json"])
#: The tree of tests/costs/test_attribution.py: nested executions, an agent, one call as two libraries have it.
TREE = (
    execution(1, COST_ACTUAL=0.5),
    span(2, 1, AGENT),
    chat(3, 2, cost=0.25),
    span(4, 3, {"http.request.method": "POST"}),
    chat(5, 4, cost=0.25),
    chat(6, 1, cost=0.5, model="n", tokens=(100, 50)),
    execution(7, 2),
    chat(8, 7, cost=1.0, tokens=(7, 3)),
    span(20, None, {}, trace_id=2),
    chat(21, 20, trace_id=2),
    execution(30, TASK_OUTCOME="failed", ERROR_MESSAGE="No file /tmp/a1b2c3 after 17 s"),
    chat(31, 30, model="gpt-4o-mini", tokens=(1_000_000, 0), **{"gen_ai.response.finish_reasons": ("stop",)}),
    chat(32, 30, model="of our own"),
    span(33, 30, usage(tokens=None), status=Status(StatusCode.ERROR)),
    execution(40, COST_ACTUAL=5.0, trace_id=3),
    chat(41, 40, model="of our own", trace_id=3),
    execution(50, COST_ACTUAL=5.0, COST_ESTIMATE=4.0, trace_id=4),
    chat(51, 50, cost=0.1, trace_id=4),
)


@pytest.fixture
def fleet(clickhouse, client):
    """A function: the schema of attributes -> the client of a fleet without spans."""

    def made(attributes="map"):
        otel_traces.create(clickhouse, attributes)
        schema.init(client)
        return client

    return made


def in_fleet(client):
    """Return the executions, the calls and the costs that pools reported, of a fleet."""
    rows = client.rows(f"SELECT {', '.join(COLUMNS)} FROM executions ORDER BY execution_id")
    calls = client.rows(f"SELECT {', '.join(ModelCall._fields)} FROM model_calls ORDER BY trace_id, span_id")
    reported = client.rows(
        "SELECT execution_id, reported_cost AS cost FROM learning_instrument_executions FINAL"
        " WHERE reported_cost IS NOT NULL ORDER BY execution_id"
    )
    return rows, calls, reported


def in_sqlite(path, spans):
    """Return the same of a file that the live exporter wrote."""
    with LearningDatabase(path) as database:
        SQLiteSpanExporter(database).export(spans)
        return (
            database.query("SELECT * FROM executions ORDER BY execution_id"),
            database.query("SELECT * FROM model_calls WHERE execution_id IS NOT NULL ORDER BY trace_id, span_id"),
            database.query("SELECT * FROM reported_costs ORDER BY execution_id"),
        )


@ATTRIBUTES
def test_costs_are_those_of_sqlite(fleet, clickhouse, tmp_path, attributes):
    """Executions, calls and reported costs, in every column."""
    client = fleet(attributes)
    otel_traces.insert_spans(clickhouse, TREE, attributes)

    refresh(client, 0)

    assert in_fleet(client) == in_sqlite(tmp_path / "learning.db", TREE)


def test_second_refresh_writes_nothing(fleet, clickhouse):
    """What is known is not written again, though the spans come again."""
    client = fleet()
    otel_traces.insert_spans(clickhouse, TREE)
    refresh(client, 0)
    otel_traces.insert_spans(clickhouse, TREE)

    done = refresh(client, 0)

    assert (done.executions, done.calls) == (0, 0)
    assert done.traces > 0


@pytest.mark.parametrize("seed", range(4))
def test_any_order_in_any_parts_gives_the_same(fleet, clickhouse, tmp_path, seed):
    """With a refresh after each part, and half of the spans twice."""
    client, shuffler = fleet(), random.Random(seed)
    spans = [*TREE, *shuffler.sample(TREE, len(TREE) // 2)]
    shuffler.shuffle(spans)
    while spans:
        size = shuffler.randint(1, 9)
        otel_traces.insert_spans(clickhouse, spans[:size])
        del spans[:size]
        refresh(client, 0)

    assert in_fleet(client) == in_sqlite(tmp_path / "learning.db", TREE)


def test_messages_of_failures_are_masked_as_those_of_sqlite(fleet, clickhouse, tmp_path):
    """What stands for a message that is missing is masked in its place; successes have none."""
    said = [
        {"ERROR_MESSAGE": "No file /tmp/a1b2c3 after 17 s", "ERROR_TYPE": "OSError"},
        {"ERROR_MESSAGE": "", "ERROR_TYPE": "shop.Error4711"},
        {"ERROR_TYPE": ""},
        {},
    ]
    failed = [execution(2 * n + 1, trace_id=n + 1, TASK_OUTCOME="failed", **each) for n, each in enumerate(said)]
    spans = [*failed, execution(20, trace_id=20), chat(2, 1, cost=0.1)]
    client = fleet()
    otel_traces.insert_spans(clickhouse, spans)

    refresh(client, 0)

    found = client.rows("SELECT execution_id, message_template FROM executions")
    with LearningDatabase(tmp_path / "learning.db") as database:
        SQLiteSpanExporter(database).export(spans)
        rows = database.query(f"SELECT execution_id, {MESSAGE_TEXT} AS text FROM executions WHERE NOT success")
    masked = {row["execution_id"]: mask(row["text"]) for row in rows}
    assert {row["execution_id"]: row["message_template"] for row in found} == {
        **masked,
        f"{START + 20:016x}-{20:032x}-{20:016x}": None,
    }
