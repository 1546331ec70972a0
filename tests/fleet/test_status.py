"""What ``fleet status`` says."""

from datetime import timedelta

from executions import START

from learning_instrument import record_execution
from learning_instrument.fleet import schema
from learning_instrument.fleet.refresh import refresh
from learning_instrument.fleet.status import status

from . import otel_traces
from .test_hours import put, records


def test_traces_wait_until_they_are_refreshed(clickhouse, client, provider, exporter):
    """Those that arrive later wait again, and those of one batch are told apart."""
    otel_traces.create(clickhouse)
    schema.init(client)
    work = record_execution(lambda task: None, tracer_provider=provider)
    for number in range(3):
        work({"task_id": str(number)})
    otel_traces.insert_spans(clickhouse, exporter.get_finished_spans())
    before = status(client)

    refresh(client, grace_seconds=-1)
    after = status(client)
    exporter.clear()
    work({})
    otel_traces.insert_spans(clickhouse, exporter.get_finished_spans())

    assert (before.executions, before.waiting_traces, before.refreshed) == (3, 3, None)
    assert (after.executions, after.waiting_traces) == (3, 0)
    assert after.refreshed is not None
    assert status(client).waiting_traces == 1


def test_hours_wait_until_they_are_rolled_up(clickhouse, client):
    """And again when an execution comes to one of them; the others do not."""
    otel_traces.create(clickhouse)
    schema.init(client)
    put(client, [*records(2), *records(1, timestamp=START + timedelta(hours=3))])
    before = status(client).waiting_hours

    refresh(client, grace_seconds=0)
    after = status(client).waiting_hours
    put(client, records(1))

    assert (before, after) == (2, 0)
    assert status(client).waiting_hours == 1


def test_feedback_makes_no_hour_wait(fleet, client):
    """No sum is made of it: an hour of millions is not added up again for one rating."""
    put(client, records(2))
    refresh(client, grace_seconds=0)
    (found,) = fleet.query("SELECT execution_id FROM executions LIMIT 1")

    fleet.add_feedback(found["execution_id"], rating=5)

    assert status(client).waiting_hours == 0
    assert fleet.query("SELECT count(*) AS rated FROM executions WHERE user_rating = 5") == [{"rated": 1}]
    fleet.clear_feedback()
    assert status(client).waiting_hours == 0
