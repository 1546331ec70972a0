"""Exported files: whole or not at all, with the visible feedback only."""

import base64
import csv
import json
import os
import stat
import sys
import threading

import pyarrow.parquet
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from learning_instrument import ErrorType, ExecutionRecord, LearningDatabase, record_execution
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection
from learning_instrument.transfer import FORMATS, export_executions, import_executions

from .records import make, stored_in


@pytest.fixture
def source(tmp_path):
    """The path of a database: a task with a sub-task in one trace, and a failure."""
    with LearningDatabase(tmp_path / "folder" / "source.db") as database:
        trace = "0af7651916cd43dd8448eb211c80319c"
        parent = f"17979cfe3d85cd15-{trace}-b7ad6b7169203331"
        ids = {"trace_id": trace, "timestamp": "2023-11-14T22:13:20.123456+00:00", "service_name": "shop"}
        for row in (
            {"task_type": "fix", "execution_id": parent, "span_id": "b7ad6b7169203331", **ids},
            {"task_type": "sub", "execution_id": f"{parent[:-1]}2", "parent_execution_id": parent, **ids},
            {"task_type": "bad", "outcome": "error", "error_type": "timeout", "error_message": "late"},
        ):
            database.append([ExecutionRecord.from_dict(row)])
    return database.path


def lines_of(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# Contents.


def test_json_lines_are_records(source, tmp_path):
    """Each takes one line, with any text."""
    answer = export_executions(source, tmp_path / "out.jsonl")

    assert (answer.executions, answer.feedback, answer.format) == (3, 0, "jsonl")
    by_id = {line["execution_id"]: ExecutionRecord.from_dict(line) for line in lines_of(tmp_path / "out.jsonl")}
    assert [by_id[record.execution_id] for record in stored_in(source)] == stored_in(source)


def test_otlp_lines_are_requests_with_the_ids_that_are_stored(source, tmp_path):
    """As OpenTelemetry's own JSON parser reads them: a service each, spans of ours, failures as errors."""
    export_executions(source, tmp_path / "out", format="otlp")

    lines = (tmp_path / "out").read_bytes().splitlines()
    requests = [json_format.Parse(line, ExportTraceServiceRequest()) for line in lines]
    groups = [group for request in requests for group in request.resource_spans]
    services = [[pair.value.string_value for pair in group.resource.attributes] for group in groups]
    assert sorted(services) == [[], ["shop"]]
    assert {scope.scope.name for group in groups for scope in group.scope_spans} == {"learning_instrument"}
    spans = {span.name: span for group in groups for scope in group.scope_spans for span in scope.spans}
    fix, sub, bad = (spans[f"execute_task {name}"] for name in ("fix", "sub", "bad"))
    # That parser takes bytes to be in base64, where OTLP has them in hexadecimal digits.
    ids = [base64.b64encode(span).decode() for span in (fix.trace_id, fix.span_id, bad.trace_id, bad.span_id)]
    assert ids[:2] == ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]
    assert [len(digits) for digits in ids] == [32, 16, 32, 16]
    assert (sub.trace_id, sub.parent_span_id) == (fix.trace_id, fix.span_id)
    assert fix.start_time_unix_nano == fix.end_time_unix_nano == 0x17979CFE3D85CD15
    assert (fix.status.code, bad.status.code, bad.status.message) == (0, 2, "late")


def test_otlp_spans_have_no_attributes_for_defaults(tmp_path, configured, exporter, provider):
    """As the span of a live export; the import has the same values all the same."""
    record_execution(tracer_provider=provider, learning_db=configured)(lambda task: {"success": True})({})
    configured.flush()
    (live,) = exporter.get_finished_spans()

    export_executions(configured.path, tmp_path / "out", format="otlp")

    (request,) = lines_of(tmp_path / "out")
    (span,) = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {pair["key"] for pair in span["attributes"]} == set(live.attributes)
    assert span["name"] == live.name
    import_executions(make(tmp_path / "target.db", []), [str(tmp_path / "out")])
    assert stored_in(tmp_path / "target.db") == stored_in(configured.path)


def test_otlp_span_is_as_long_as_wait_and_work(tmp_path):
    """As the live one."""
    with LearningDatabase(tmp_path / "source.db") as database:
        database.append([ExecutionRecord(task_type="fix", wait_seconds=2.5, duration_seconds=1.25)])

    export_executions(database.path, tmp_path / "out.otlp")

    (request,) = lines_of(tmp_path / "out.otlp")
    (span,) = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == 3_750_000_000


def test_parquet_has_the_columns_with_types(source, tmp_path):
    export_executions(source, tmp_path / "out.parquet")

    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table["success"].to_pylist() == [True, True, False]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"),
        ("a.PARQUET", "parquet"),
        ("a.jsonl", "jsonl"),
        ("a.otlp.jsonl", "otlp"),
        ("a.otlp", "otlp"),
        ("a", "jsonl"),
    ],
)
def test_name_of_the_file_determines_the_format(source, tmp_path, name, kind):
    assert export_executions(source, tmp_path / name).format == kind


def test_filters_select(source, tmp_path):
    answer = export_executions(source, tmp_path / "out.csv", Selection(task_type="sub"))

    assert answer.executions == 1
    assert [row["task_type"] for row in csv.DictReader((tmp_path / "out.csv").read_text().splitlines())] == ["sub"]


def test_conditions_select_what_is_exported_and_imported(tmp_path):
    """By columns and keys of metadata: in SQL, and of rows that are not stored yet."""
    customers = ({"customer": "acme"}, {"customer": "globex"}, {}, {"customer": True})
    executions = [
        ExecutionRecord(task_type="t", task_id=f"{number}{model}", model=model, metadata={"task": metadata})
        for number, metadata in enumerate(customers)
        for model in ("gpt", None)
    ]
    source = make(tmp_path / "source.db", executions)
    for where, expected in (
        ("metadata.customer=acme", {"0gpt", "0None"}),
        (["metadata.customer=unknown", "model=unknown"], {"2None"}),
        ("metadata.customer=true", {"3gpt", "3None"}),
        ("success=true", {f"{number}{model}" for number in range(4) for model in ("gpt", None)}),
        ("metadata.customer=nobody", set()),
    ):
        chosen, file, target = Selection(where=where), tmp_path / "out.jsonl", tmp_path / "target.db"
        export_executions(source, file, chosen)
        assert {json.loads(line)["task_id"] for line in file.read_text().splitlines()} == expected
        import_executions(target, [source], chosen)
        with ReadOnlyDatabase(target) as database:
            assert {row["task_id"] for row in database.query("SELECT task_id FROM executions")} == expected
        target.unlink()


def test_any_database_object_is_exported(source, tmp_path):
    """Its queue is written first."""
    with ReadOnlyDatabase(source) as database:
        assert export_executions(database, tmp_path / "out").executions == 3
    with LearningDatabase(source, durability="batch") as database:
        database.append([ExecutionRecord(task_type="t")])
        assert export_executions(database, tmp_path / "out").executions == 4


def test_executions_of_a_long_table_are_exported_once_each(tmp_path):
    """In insertion order; executions stored meanwhile are left out."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", task_id=f"{n}") for n in range(1234)])
    told = []

    def progress(*step):
        told.append(step)
        with LearningDatabase(source) as database:
            database.append([ExecutionRecord(task_type="late")])

    answer = export_executions(source, tmp_path / "out", progress=progress)

    assert answer.executions == 1234
    assert [line["task_id"] for line in lines_of(tmp_path / "out")] == [f"{n}" for n in range(1234)]
    assert told == [("Exporting", done, 1234) for done in (500, 1000, 1234)]


# Visibility.


@pytest.fixture
def rated(tmp_path):
    """The path of a database with feedback of each visibility on one execution."""
    with LearningDatabase(tmp_path / "folder" / "rated.db") as database:
        database.append([ExecutionRecord(task_type="t", execution_id="a")])
        database.add_feedback("a", rating=5, comment="for all", visibility="public")
        database.add_feedback("a", rating=3, accepted=True, comment="for us", visibility="team")
        database.add_feedback("a", rating=1, accepted=False, comment="for me")
    return database.path


@pytest.mark.parametrize(
    ("visibility", "comments", "rating", "accepted"),
    [
        ("public", ["for all"], 5, None),
        ("team", ["for all", "for us"], 3, True),
        ("private", ["for all", "for us", "for me"], 1, False),
    ],
)
def test_feedback_beyond_the_visibility_is_left_out(rated, tmp_path, visibility, comments, rating, accepted):
    """Its comment, and its rating in the columns of its execution."""
    answer = export_executions(rated, tmp_path / "out.jsonl", visibility=visibility)

    (line,) = lines_of(tmp_path / "out.jsonl")
    assert [said["comment"] for said in line["feedback"]] == comments
    assert (line["user_rating"], line["user_accepted"], answer.feedback) == (rating, accepted, len(comments))


@pytest.mark.parametrize("kind", FORMATS)
def test_private_feedback_is_in_no_format_by_default(tmp_path, kind):
    """Not even that there is any."""
    paths = [str(tmp_path / f"{name}.db") for name in ("silent", "said")]
    record = ExecutionRecord(task_type="t")
    for path in paths:
        make(path, [record])
    with LearningDatabase(paths[1]) as database:
        database.add_feedback(record.execution_id, rating=1, comment="secret")

    files = [tmp_path / "silent.out", tmp_path / "said.out"]
    for path, file in zip(paths, files, strict=True):
        export_executions(path, file, format=kind)

    assert files[0].read_bytes() == files[1].read_bytes()


def test_rating_without_feedback_is_part_of_the_record(tmp_path):
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", user_rating=4)])

    export_executions(source, tmp_path / "out")

    assert [line["user_rating"] for line in lines_of(tmp_path / "out")] == [4]


# Files.


def test_file_replaces_the_one_before_and_is_private(source, tmp_path):
    """Its permissions stay, and a link still leads to it; a new one is private."""
    out, link = tmp_path / "out", tmp_path / "link"
    out.write_text("before")
    out.chmod(0o644)
    link.symlink_to(out)

    export_executions(source, link)
    export_executions(source, tmp_path / "new")

    assert link.is_symlink()
    assert len(lines_of(out)) == 3
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", FORMATS)
def test_failure_half_way_leaves_the_file_as_it_was(tmp_path, kind):
    """And nothing beside it."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t") for _ in range(1200)])
    out = tmp_path / "folder" / "out"
    out.parent.mkdir()
    out.write_text("before")

    def fail(*step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_executions(source, out, format=kind, progress=fail)

    assert out.read_text() == "before"
    assert os.listdir(out.parent) == ["out"]


@pytest.mark.parametrize("kind", FORMATS)
def test_pipe_is_written_to_and_stays_a_pipe(source, tmp_path, kind):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    export_executions(source, pipe, format=kind)
    reader.join(60)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    export_executions(source, tmp_path / "file", format=kind)
    assert read == [(tmp_path / "file").read_bytes()]


def test_unwritable_output_is_one_line(source, tmp_path):
    for output, complaint in (
        (tmp_path, "Is a directory"),
        (tmp_path / "missing" / "out", "No such file or directory"),
        (source, "is a database, which is not overwritten"),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            export_executions(source, output)
    assert len(stored_in(source)) == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
@pytest.mark.parametrize("kind", FORMATS)
def test_full_disk_is_one_line(source, kind):
    with pytest.raises(ConfigurationError, match="Cannot write /dev/full: No space left on device"):
        export_executions(source, "/dev/full", format=kind)


def test_invalid_options_are_named(source, tmp_path):
    with pytest.raises(ConfigurationError, match="Invalid format 'xml': expected one of csv, jsonl, parquet, otlp"):
        export_executions(source, tmp_path / "out", format="xml")
    with pytest.raises(ConfigurationError, match="Invalid visibility 'all': expected one of private, team, public"):
        export_executions(source, tmp_path / "out", visibility="all")
    with pytest.raises(DatabaseError, match="There is no database"):
        export_executions(tmp_path / "missing.db", tmp_path / "out")
    assert os.listdir(tmp_path) == ["folder"]


def test_without_pyarrow_the_remedy_is_named(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'learning_instrument\[scale\]'"):
        export_executions(source, tmp_path / "out.parquet")

    assert os.listdir(tmp_path) == ["folder"]
    assert export_executions(source, tmp_path / "out.csv").executions == 3


def test_failure_is_a_record_again(source):
    """Of the kind it was."""
    (bad,) = [record for record in stored_in(source) if record.task_type == "bad"]

    assert (bad.outcome, bad.error_type) == (Outcome.ERROR, ErrorType.TIMEOUT)
