"""From an application through the collector rotel into the Collector's table: nothing is lost, or told otherwise."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from collector import Rotel, Sink, forwarding_to, why_rotel_cannot_run
from waiting import wait_until

from learning_instrument import LearningDatabase, semconv

from .clickhouse_http import ClickHouseHTTP
from .otel_traces import create

TESTS = Path(__file__).resolve().parent.parent
SEARCHED = os.pathsep.join(map(str, [TESTS, TESTS.parent]))
OURS = "ScopeName = 'learning_instrument' AND SpanName LIKE 'execute_task%'"
#: Attributes that are text, by their columns.
TEXTS = {
    semconv.EXECUTION_ID: "execution_id",
    semconv.TASK_ID: "task_id",
    semconv.TASK_TYPE: "task_type",
    semconv.TASK_DESCRIPTION: "task_description",
    semconv.TASK_REPO: "repo",
    semconv.TASK_OUTCOME: "outcome",
    semconv.ERROR_MESSAGE: "error_message",
    semconv.SOLUTION_SUMMARY: "solution_summary",
    semconv.METADATA: "metadata",
    semconv.PARENT_EXECUTION_ID: "parent_execution_id",
    semconv.BATCH_ID: "batch_id",
    semconv.CODE_FUNCTION_NAME: "function_name",
}


@pytest.fixture(autouse=True)
def rotel_runs():
    if reason := why_rotel_cannot_run():
        pytest.skip(reason)


def run_application(endpoint, database):
    """Run the application whose executions are of every kind; return their ids."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, TESTS / "e2e" / "collected.py", database],
        env=inherited
        | {
            "PYTHONPATH": SEARCHED,
            "OTEL_SERVICE_NAME": "collected",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(map(tuple, json.loads(done.stdout)))


@contextlib.contextmanager
def listening(front, folder, attributes):
    """Run rotel before *front* in this block; after it, rotel has sent what it had."""
    with front, Rotel(front.exporter(attributes), folder / "rotel.log") as rotel:
        yield rotel
        rotel.stop()
    assert front.faults == []


def ids_in(clickhouse):
    return clickhouse.query(f"SELECT TraceId, SpanId FROM otel_traces WHERE {OURS} ORDER BY 1, 2").result_rows


def rows_of(path):
    with LearningDatabase(path) as database:
        return {row["execution_id"]: row for row in database.query("SELECT * FROM executions")}


@pytest.mark.parametrize("attributes", ["map", "json"])
def test_every_execution_arrives_once_as_it_was_recorded(clickhouse, tmp_path, attributes):
    """With the text that it has in the application's database, whatever that is."""
    create(clickhouse, attributes)
    with listening(ClickHouseHTTP(clickhouse), tmp_path, attributes) as rotel:
        ids = run_application(rotel.endpoints["http/protobuf"], tmp_path / "learning.db")

    assert len(ids) > 400
    assert ids_in(clickhouse) == ids
    stored = rows_of(tmp_path / "learning.db")
    told = [f"SpanAttributes['{key}']" if attributes == "map" else f"SpanAttributes.`{key}`.:String" for key in TEXTS]
    found = clickhouse.query(f"SELECT {', '.join(told)}, Duration FROM otel_traces WHERE {OURS}").result_rows
    for *texts, nanoseconds in found:
        values = dict(zip(TEXTS.values(), texts, strict=True))
        row = stored[values["execution_id"]]
        filled_in = json.loads(row["defaulted"] or "[]")
        for name, value in values.items():
            assert (value or None) == row[name] or (not value and name in filled_in), name
        assert row["duration_seconds"] == pytest.approx(nanoseconds / 1e9, rel=1e-9, abs=1e-9)


class LossyRelay(Sink):
    """Hands each request on to *upstream*, and then answers the first ones as if it had not."""

    def __init__(self, upstream, answers_lost):
        self._upstream = upstream
        self._answers_lost = answers_lost
        super().__init__()

    def status_of(self, request):
        headers = {"Content-Type": "application/x-protobuf"}
        posted = urllib.request.Request(self._upstream + request.path, request.body, headers, method="POST")
        with urllib.request.urlopen(posted, timeout=10) as answer:
            return 503 if len(self.requests) <= self._answers_lost else answer.status


def test_batch_whose_answer_is_lost_is_in_the_table_twice(clickhouse, tmp_path):
    """From an agent to a gateway OTLP is delivered at least once; none is lost, and the ids tell which is which."""
    create(clickhouse)
    soon = {"ROTEL_OTLP_EXPORTER_RETRY_INITIAL_BACKOFF": "100ms"}
    with (
        listening(ClickHouseHTTP(clickhouse), tmp_path, "map") as gateway,
        LossyRelay(gateway.endpoints["http/protobuf"], answers_lost=1) as relay,
        Rotel(forwarding_to(relay.url) | soon, tmp_path / "agent.log") as agent,
    ):
        ids = run_application(agent.endpoints["http/protobuf"], tmp_path / "learning.db")
        agent.stop()

    first, second = (request.body for request in relay.requests[:2])
    assert first == second
    assert len(ids_in(clickhouse)) > len(ids)
    assert sorted(set(ids_in(clickhouse))) == ids


@pytest.mark.slow
def test_insert_refused_by_clickhouse_is_lost_by_rotel_and_kept_by_the_local_file(clickhouse, tmp_path):
    """Release 0.0.1a15 tries again without the rows. The Collector's exporter is the one to use; the file has all."""
    create(clickhouse)
    front = ClickHouseHTTP(clickhouse)
    front.refusals = 1
    with listening(front, tmp_path, "map") as rotel:
        ids = run_application(rotel.endpoints["http/protobuf"], tmp_path / "learning.db")
        wait_until(lambda: len(front.received) > 1 and 0 in front.received, 30)

    assert len(ids_in(clickhouse)) < len(ids)
    assert len(rows_of(tmp_path / "learning.db")) == len(ids)
