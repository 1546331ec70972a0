"""``fleet``: the tables of a fleet, by the command, over HTTP."""

import functools
import json

import pytest
from calls import chat, execution
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from learning_instrument import record_execution
from tests.fleet import asking, otel_traces
from tests.fleet.clickhouse_server import ClickHouseServer


@pytest.fixture
def server(clickhouse):
    """ClickHouse before the engine."""
    with ClickHouseServer(clickhouse) as listening:
        yield listening


answer = functools.partial(asking.answer, "fleet")
complaint = functools.partial(asking.complaint, "fleet")


def executions(count):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    work = record_execution(lambda task: None, tracer_provider=provider)
    for number in range(count):
        work({"task_id": str(number)})
    return exporter.get_finished_spans()


def test_fleet_is_made_shown_and_dropped(clickhouse, server):
    """Its executions are those of the spans, and its traces wait for refresh."""
    otel_traces.create(clickhouse)
    otel_traces.insert_spans(clickhouse, executions(3))
    where = f"127.0.0.1:{server.port}/{clickhouse.database}"

    assert answer("init", server.address) == f"clickhouse://{where} has 3 executions.\n"
    assert answer("init", server.address) == f"clickhouse://{where} has 3 executions.\n"
    otel_traces.insert_spans(clickhouse, executions(2))

    assert json.loads(answer("status", server.address, "--json")) == [
        {
            "schema": 1,
            "release": clickhouse.query(
                "SELECT value FROM learning_instrument_state FINAL WHERE name = 'release'"
            ).first_item["value"],
            "attributes": "map",
            "is_filled_in": True,
            "executions": 5,
            "model_calls": 0,
            "waiting_traces": 5,
            "waiting_hours": clickhouse.query(
                "SELECT uniqExact(substring(timestamp, 1, 13)) AS hours FROM executions"
            ).first_item["hours"],
            "refreshed": None,
        }
    ]
    assert "5  " in answer("status", server.address)
    assert answer("drop", server.address, "--yes") == (
        f"Dropped the executions, model calls and feedback of clickhouse://{where}; otel_traces is as it was.\n"
    )
    assert "has none of our tables" in answer("drop", server.address, "--yes")
    assert "run learning-instrument fleet init" in complaint("status", server.address)
    assert clickhouse.query("SELECT count() AS n FROM otel_traces").first_item == {"n": 5}


def executions_that_arrived_an_hour_ago(clickhouse, server):
    """Three of them, one with a model call, of a fleet that was not refreshed."""
    otel_traces.create(clickhouse)
    answer("init", server.address)
    otel_traces.insert_spans(clickhouse, [*executions(2), execution(1), chat(2, 1, cost=0.25)])
    clickhouse.command(
        "INSERT INTO learning_instrument_arrivals SELECT trace_id, arrived - INTERVAL 1 HOUR AS arrived, first, last"
        " FROM learning_instrument_arrivals"
    )


def test_refresh_works_out_costs_of_what_arrived_a_minute_ago(clickhouse, server):
    """The second time there is nothing to do."""
    executions_that_arrived_an_hour_ago(clickhouse, server)
    where = f"clickhouse://127.0.0.1:{server.port}/{clickhouse.database}"

    for counts in ("1 execution, 1 model call", "0 executions, 0 model calls"):
        done, left = answer("refresh", server.address).splitlines()
        assert done == f"Refreshed {counts} and 0 hours of {where}."
        assert left.endswith("changed a moment ago: left for the next refresh.")

    (row,) = clickhouse.query("SELECT actual_cost FROM executions WHERE cost_source = 'reported'").named_results()
    assert row == {"actual_cost": 0.25}
    (found,) = json.loads(answer("status", server.address, "--json"))
    assert (found["model_calls"], found["refreshed"] is None) == (1, False)


def test_refresh_goes_on_when_the_fleet_does_not_answer_once(clickhouse, server, monkeypatch):
    """With --every, until Ctrl-C."""
    executions_that_arrived_an_hour_ago(clickhouse, server)
    clickhouse.command("RENAME TABLE learning_instrument_calls TO away")
    waits = []

    def wait(seconds):
        if waits:
            raise KeyboardInterrupt
        waits.append(seconds)
        clickhouse.command("RENAME TABLE away TO learning_instrument_calls")

    monkeypatch.setattr("learning_instrument.safety.clocks.time.sleep", wait)
    result = asking.ask("fleet", "refresh", server.address, "--every", "5")

    assert (result.exit_code, waits) == (130, [5])
    assert result.stderr.startswith("A table is missing in")
    assert "Refreshed 1 execution, 1 model call" in result.output


def test_drop_asks_before(clickhouse, server):
    """Feedback is nowhere else."""
    otel_traces.create(clickhouse)
    answer("init", server.address)

    assert "pass --yes" in complaint("drop", server.address)

    answer("status", server.address)


def test_init_of_json_tells_what_clickhouse_does_to_texts(clickhouse, server):
    """And which settings of the Collector keep it from that."""
    otel_traces.create(clickhouse, "json")

    assert "input_format_try_infer_datetimes=0" in answer("init", server.address)
    assert '"attributes": "json"' in answer("status", server.address, "--json")


@pytest.mark.parametrize("command", ["init", "refresh", "status", "drop"])
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("learning.db", "Invalid address of a fleet: expected clickhouse://USER:PASSWORD@HOST"),
        ("clickhouse://127.0.0.1:1/x", "cannot be reached: Connection refused"),
        ("clickhouse://me:secret@host/x?ssl=1", "nothing but ?secure=1 or ?secure=0"),
    ],
)
def test_address_that_cannot_be_asked_is_one_line(command, address, reason):
    """Exit code 2, nothing on standard output, no password."""
    said = complaint(command, address)

    assert reason in said
    assert "secret" not in said


@pytest.mark.parametrize("command", ["init", "refresh", "status", "drop --yes"])
def test_address_may_be_in_the_environment(clickhouse, server, monkeypatch, command):
    """Where no list of processes shows it; one that is given comes first."""
    otel_traces.create(clickhouse)
    answer("init", server.address)
    monkeypatch.setenv("LEARNING_INSTRUMENT_FLEET", server.address)

    answer(*command.split())

    assert "cannot be reached" in complaint(*command.split(), "clickhouse://127.0.0.1:1")


@pytest.mark.parametrize("text", [None, ""])
def test_missing_address_is_one_line(monkeypatch, text):
    """It names the variable."""
    if text is not None:
        monkeypatch.setenv("LEARNING_INSTRUMENT_FLEET", text)

    assert complaint("status").startswith(
        "Error: Missing ADDRESS of a fleet: give it, or set LEARNING_INSTRUMENT_FLEET."
    )


def test_init_without_the_table_of_the_collector_is_one_line(server):
    """It says who makes it."""
    assert "the Collector's clickhouse exporter makes it" in complaint("init", server.address)
