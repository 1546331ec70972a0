"""What ``fleet status`` says."""

from learning_instrument import record_execution
from learning_instrument.fleet import schema
from learning_instrument.fleet.refresh import refresh
from learning_instrument.fleet.status import status

from . import otel_traces


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
