"""Through a real collector: what an application exported arrives whole, and says what its database says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from collected import SECRETS
from collector import Rotel, Sink, forwarding_to, why_rotel_cannot_run

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.record import is_execution

HERE = Path(__file__).parent
SEARCHED = os.pathsep.join(map(str, [HERE.parent, HERE.parent.parent]))
#: Columns filled in later: from spans of model calls, and by users.
ROLLED_UP = ("model", "input_tokens", "output_tokens", "cost_source")
FEEDBACK = ("user_accepted", "user_rating")


class Run(NamedTuple):
    """What one run of the application left: with itself, in its database, and behind the collector."""

    ids: list[tuple[str, str]]
    stored: dict[str, dict]
    sink: Sink

    @property
    def forwarded(self):
        """The records of the spans that the collector forwarded, as dicts."""
        spans = filter(is_execution, self.sink.spans())
        return [ExecutionRecord.from_span(span).to_dict() for span in spans]


def run_application(folder, protocol, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with Sink() as sink, Rotel(forwarding_to(sink.url), folder / "rotel.log") as rotel:
        environment |= {
            "PYTHONPATH": SEARCHED,
            "OTEL_SERVICE_NAME": "collected",
            "OTEL_EXPORTER_OTLP_ENDPOINT": rotel.endpoints[protocol],
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        done = subprocess.run(
            [sys.executable, HERE / "collected.py", folder / "learning.db"],
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert (done.returncode, done.stderr) == (0, "")
        rotel.stop()
    with LearningDatabase(folder / "learning.db") as database:
        rows = database.query("SELECT * FROM executions")
    stored = {row["execution_id"]: ExecutionRecord.from_dict(row).to_dict() for row in rows}
    return Run([(trace_id, span_id) for trace_id, span_id in json.loads(done.stdout)], stored, sink)


def ids_of(records):
    return sorted((record["trace_id"], record["span_id"]) for record in records)


@pytest.fixture(scope="module", autouse=True)
def rotel_runs():
    if reason := why_rotel_cannot_run():
        pytest.skip(reason)


@pytest.fixture(scope="module", params=["http/protobuf", "grpc"])
def run(request, tmp_path_factory, rotel_runs):
    """A run whose host samples everything."""
    return run_application(tmp_path_factory.mktemp("sampled"), request.param)


@pytest.fixture(scope="module")
def unsampled(tmp_path_factory, rotel_runs):
    """A run whose host samples nothing."""
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    return run_application(tmp_path_factory.mktemp("unsampled"), "http/protobuf", **sampler)


def test_same_executions_are_in_application_database_and_collector(run):
    """Each of them once."""
    assert len(run.ids) > 400
    assert ids_of(run.stored.values()) == sorted(run.ids)
    assert ids_of(run.forwarded) == sorted(run.ids)


def test_record_rebuilt_from_what_was_forwarded_equals_the_stored_row(run):
    """Every column that the execution's own span fills."""
    for record in run.forwarded:
        row = run.stored[record["execution_id"]]
        later = dict.fromkeys(ROLLED_UP + FEEDBACK)
        assert record | later == row | later


def test_what_the_task_said_of_its_model_is_forwarded(run):
    """Roll-up columns are the span's where the task filled them; feedback comes after it, and is never on one."""
    said = [record for record in run.forwarded if record["model"] is not None]

    assert len(said) == 50
    for record in said:
        row = run.stored[record["execution_id"]]
        assert [record[column] for column in ROLLED_UP[:3]] == ["small-1", 1000, 10]
        assert [row[column] for column in ROLLED_UP[:3]] == ["small-1", 1000, 10]
    assert {record[column] for record in run.forwarded for column in FEEDBACK} == {None}


def test_executions_of_every_kind_were_forwarded(run):
    """Each outcome and error type, nested ones and items of batches; and the spans beside them."""
    records = run.forwarded

    assert {record["outcome"] for record in records} == {"succeeded", "failed", "error", "timeout", "cancelled"}
    assert {record["error_type"] for record in records} >= {None, "timeout", "cancelled", "unknown"}
    assert {record["service_name"] for record in records} == {"collected"}
    ids = {record["execution_id"] for record in records}
    parents = [record["parent_execution_id"] for record in records if record["parent_execution_id"] is not None]
    assert len(parents) == 50 * 2 + 10
    assert set(parents) <= ids
    assert len([record for record in records if record["batch_id"] is not None]) == 2 * (1 + 5 + 20)
    others = [span.name for span in run.sink.spans() if not is_execution(span)]
    assert sorted(others) == sorted(["always sampled", *["execute_batch"] * 8, "one after another"])


def test_text_of_any_kind_arrives_as_valid_text(run):
    """Emoji as they are, and what is no text replaced."""
    repos = {record["repo"] for record in run.forwarded}

    assert "Grüße, 世界 \N{PILE OF POO}" in repos
    assert {"half an emoji: \N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}" * 2} <= repos


def test_no_secret_leaves_the_application(run):
    """Neither in an attribute nor in an exception's event."""
    bodies = b"".join(request.body for request in run.sink.requests)

    assert [secret for secret in SECRETS if secret.encode() in bodies] == []
    assert b"https://bob:[redacted]@example.org/" in bodies


def test_collector_forwards_compressed(run):
    """The sink was sent gzip, at the path that OTLP has for traces."""
    assert {(request.path, request.encoding) for request in run.sink.requests} == {("/v1/traces", "gzip")}


def test_sampler_at_nothing_keeps_executions_from_the_collector_and_in_the_database(unsampled):
    """What arrives is the one span that was always sampled."""
    assert [span.name for span in unsampled.sink.spans()] == ["always sampled"]
    assert len(unsampled.ids) > 400
    assert ids_of(unsampled.stored.values()) == sorted(unsampled.ids)
