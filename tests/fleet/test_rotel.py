"""From an application through the collector rotel into the Collector's table: nothing is lost, or told otherwise."""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from collector import Rotel, Sink, forwarding_to, why_rotel_cannot_run
from waiting import wait_until

from learning_instrument import LearningDatabase
from learning_instrument.columns import COLUMNS
from learning_instrument.fleet import schema
from learning_instrument.fleet.refresh import refresh

from .clickhouse_http import ClickHouseHTTP
from .otel_traces import create

TESTS = Path(__file__).resolve().parent.parent
SEARCHED = os.pathsep.join(map(str, [TESTS, TESTS.parent]))
OURS = "ScopeName = 'learning_instrument' AND SpanName LIKE 'execute_task%'"
#: Columns filled in later: from spans of model calls, and by users.
LATER = ("model", "input_tokens", "output_tokens", "cost_source", "user_accepted", "user_rating")


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
def test_every_execution_is_the_row_that_the_application_stored(clickhouse, client, tmp_path, attributes):
    """Once, and in every column that its own span fills."""
    create(clickhouse, attributes)
    schema.init(client)
    with listening(ClickHouseHTTP(clickhouse), tmp_path, attributes) as rotel:
        ids = run_application(rotel.endpoints["http/protobuf"], tmp_path / "learning.db")

    assert len(ids) > 400
    assert ids_in(clickhouse) == ids
    stored = rows_of(tmp_path / "learning.db")
    told = ", ".join(column for column in COLUMNS if column not in LATER)
    rows = {row["execution_id"]: row for row in client.rows(f"SELECT {told} FROM executions")}
    assert rows.keys() == stored.keys()
    assert {
        (column, value, stored[name][column])
        for name, row in rows.items()
        for column, value in row.items()
        if value != stored[name][column]
    } == set()


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


def test_batch_whose_answer_is_lost_is_in_the_table_twice_and_counts_once(clickhouse, client, tmp_path):
    """From an agent to a gateway OTLP is delivered at least once."""
    create(clickhouse)
    schema.init(client)
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
    assert client.rows("SELECT count() AS executions FROM executions") == [{"executions": len(ids)}]


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


def test_load_generator_tells_what_arrived(clickhouse, client, tmp_path):
    """So many executions and model calls are in the tables; refreshed, they equal the rows of its file."""
    create(clickhouse)
    schema.init(client)
    with listening(ClickHouseHTTP(clickhouse), tmp_path, "map") as rotel:
        done = subprocess.run(
            [
                *(sys.executable, TESTS.parent / "examples" / "fleet" / "load.py"),
                *("--per-second", "100", "--seconds", "2"),
                *("--endpoint", rotel.endpoints["http/protobuf"], "--database", tmp_path / "load.db"),
            ],
            env=os.environ | {"PYTHONPATH": str(TESTS.parent)},
            capture_output=True,
            text=True,
            timeout=60,
        )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    told = [int(number) for number in re.findall(r"\d+", done.stdout)]
    sent, seconds, a_second, spans, arrived, refused, dropped = told
    assert (seconds, spans, arrived, refused, dropped) == (2, 4 * sent, 4 * sent, 0, 0)
    assert sent == len(rows_of(tmp_path / "load.db")) == len(ids_in(clickhouse))
    assert clickhouse.query("SELECT count() FROM otel_traces").result_rows == [(spans,)]
    assert a_second == round(sent / 2)

    refresh(client, grace_seconds=0)

    stored = rows_of(tmp_path / "load.db")
    told = ", ".join(column for column in COLUMNS if column not in ("user_accepted", "user_rating"))
    rows = client.rows(f"SELECT {told} FROM executions")
    assert len(rows) == sent
    assert {row["input_tokens"] > 0 for row in rows} == {True}
    for row in rows:
        assert row == {column: stored[row["execution_id"]][column] for column in row}
