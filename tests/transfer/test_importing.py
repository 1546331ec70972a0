"""Each entry of a file is stored once, left as it is, or refused with its place and the reason."""

import contextlib
import copy
import gzip
import itertools
import json
import os
import sqlite3
import sys
import tempfile
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest
from calls import costs
from databases import make_older
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ErrorType, ExecutionRecord, LearningDatabase
from learning_instrument.analytics import summary
from learning_instrument.analytics.executions import relatives
from learning_instrument.costs.attribution import store_model_calls
from learning_instrument.costs.call_store import ModelCallBatch
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.costs.prices import prices_of
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError, DatabaseError, SchemaVersionError
from learning_instrument.ids import execution_id
from learning_instrument.maintenance.repricing import reprice
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite import connection
from learning_instrument.sqlite.selection import Selection
from learning_instrument.transfer import Refusal, export_executions, import_executions

from .records import make, stored_in

MOMENT = "2026-11-22T10:00:00.000000+00:00"
MOMENTS = [datetime(2026, 1, day, tzinfo=timezone.utc) for day in (1, 2, 3)]


@pytest.fixture
def target(tmp_path):
    """The path of a database that does not exist yet."""
    return str(tmp_path / "target.db")


@pytest.fixture
def write(tmp_path):
    """Write lines, text or documents, to a file; return its path."""

    def write(*lines, name="lines.jsonl"):
        texts = [line if isinstance(line, (str, bytes)) else json.dumps(line) for line in lines]
        encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
        (tmp_path / name).write_bytes(b"\n".join(encoded) + b"\n")
        return str(tmp_path / name)

    return write


def line(**values):
    return {"task_type": "review", "timestamp": MOMENT, **values}


def reasons(answer):
    return [(refusal.place, refusal.reason) for refusal in answer.refusals]


# New and known executions.


def test_file_is_made_where_there_is_none(write, target):
    """With its folder; also where there is nothing to import."""
    nothing = write("")
    folder = Path(target).parent / "new" / "folder"

    assert import_executions(folder / "learning.db", [nothing]).read == 0

    assert stored_in(folder / "learning.db") == []
    assert (folder / "learning.db").stat().st_mode & 0o777 == 0o600


def test_result_replaces_a_lost_row_and_no_other(target, tmp_path):
    """Feedback on the lost one stays with it."""
    lost = ExecutionRecord(task_type="t", execution_id="a", outcome=Outcome.LOST, error_type=ErrorType.CRASH)
    mine = ExecutionRecord(task_type="t", execution_id="b", task_description="mine")
    make(target, [lost, mine])
    with LearningDatabase(target) as database:
        database.add_feedback("a", rating=2)
    other = make(
        tmp_path / "other.db",
        [
            ExecutionRecord(task_type="t", execution_id="a", task_description="result"),
            ExecutionRecord(task_type="t", execution_id="b", task_description="theirs"),
        ],
    )

    answer = import_executions(target, [other])

    assert (answer.stored, answer.already_there) == (1, 1)
    result, kept = stored_in(target)
    assert (result.outcome, result.task_description, result.user_rating) == (Outcome.SUCCEEDED, "result", 2)
    assert kept.task_description == "mine"


def test_lost_row_replaces_no_other(target, tmp_path):
    """Neither a result nor another lost row."""
    lost = [ExecutionRecord(task_type="t", execution_id=name, outcome=Outcome.LOST) for name in "ab"]
    other = make(tmp_path / "other.db", lost)
    make(target, [ExecutionRecord(task_type="t", execution_id="a"), lost[1]])

    answer = import_executions(target, [other])

    assert (answer.stored, answer.already_there) == (0, 2)
    assert [record.outcome for record in stored_in(target)] == [Outcome.SUCCEEDED, Outcome.LOST]


def test_line_without_an_id_is_one_execution_however_often_it_comes(write, target):
    """Its id is derived from its values; missing ones are marked as defaults."""
    file = write(line(repo="shop"), line(repo="shop"), line(repo="site"))

    answer = import_executions(target, [file])
    again = import_executions(target, [file])

    assert (answer.read, answer.stored, answer.already_there) == (3, 2, 1)
    assert (again.read, again.stored, again.already_there) == (3, 0, 3)
    assert {"pool_type", "duration_seconds"} <= set(stored_in(target)[0].defaulted)
    assert all("repo" not in record.defaulted for record in stored_in(target))


def test_files_of_an_older_release_are_imported_as_they_are(target, tmp_path):
    """What they lack is NULL, and nothing else is filled in."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", execution_id="a", defaulted=())])
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as changed:
        changed.execute("UPDATE executions SET model_tier = NULL")
    older = make_older(tmp_path / "older.db", 11, source)
    lines = tmp_path / "older.jsonl"
    export_executions(source, lines)
    lines.write_text(lines.read_text().replace(',"outcome_source":null', ""))
    assert "outcome_source" not in lines.read_text()

    for file in (older, lines):
        import_executions(target, [str(file)])

        with LearningDatabase(target) as database:
            rows = database.query("SELECT model_tier, defaulted, outcome_source FROM executions")
        assert rows == [{"model_tier": None, "defaulted": "[]", "outcome_source": None}]
        os.unlink(target)


def test_several_files_of_several_kinds_are_one_import(write, target, tmp_path):
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type=f"t{number}") for number in range(3)])
    spans, table = str(tmp_path / "spans.jsonl"), str(tmp_path / "table.parquet")
    export_executions(source, spans, format="otlp")
    export_executions(source, table)

    answer = import_executions(target, [write(line()), source, spans, Path(table)])

    assert (answer.read, answer.stored, answer.already_there) == (10, 4, 6)


def test_file_that_cannot_be_read_is_named_and_the_others_are_imported(write, target, tmp_path):
    """Of one that is damaged further on, what comes before it."""
    lines = "".join(json.dumps(line(execution_id=f"{number}")) + "\n" for number in range(400))
    damaged = write(gzip.compress(lines.encode())[:-20], name="damaged.gz")
    files = [write(line()), write("PK\x03\x04", name="other"), damaged, "missing.db", str(tmp_path / "*.none")]

    answer = import_executions(target, files)

    assert (answer.files, answer.unread, answer.refused) == (1, 4, 0)
    assert {Path(each.file).name: each.reason[:20] for each in answer.unread_files} == {
        "*.none": "No file matches '" + str(tmp_path)[:3],
        "missing.db": "Cannot read missing.",
        "other": "Unknown format of " + str(tmp_path)[:2],
        "damaged.gz": f"Cannot read {damaged}"[:20],
    }
    assert answer.stored == 1 + 384
    assert len(stored_in(target)) == answer.stored


def test_files_none_of_which_can_be_read_are_an_error(target, tmp_path):
    """It names the first, and their number; nothing is made."""
    with pytest.raises(ConfigurationError, match=r"None of 2 files can be read. The first: Cannot read a.db: No such"):
        import_executions(target, ["b.db", "a.db"])
    with pytest.raises(ConfigurationError, match=r"^No file matches '.*none'\.$"):
        import_executions(target, [tmp_path / "*.none"])

    assert not os.path.exists(target)


def test_order_of_the_files_does_not_change_the_result(target, tmp_path):
    """Down to the numbers of the rows, also where files differ over an execution."""
    files = [
        make(
            tmp_path / f"{name}.db",
            [ExecutionRecord(task_type=name, execution_id=f"{n}", timestamp=MOMENTS[0]) for n in numbers],
        )
        for name, numbers in (("a", (5, 3, 1)), ("b", (3, 4)), ("c", (4, 2, 5)))
    ]
    found = []
    for order in itertools.permutations(files):
        answer = import_executions(target, order)
        with LearningDatabase(target) as database:
            found.append((answer, database.query("SELECT rowid AS row, * FROM executions ORDER BY rowid")))
        os.unlink(target)

    assert all(each == found[0] for each in found)
    assert [(row["execution_id"], row["task_type"]) for row in found[0][1]] == [
        *(("5", "a"), ("3", "a"), ("1", "a"), ("4", "b"), ("2", "c")),
    ]
    assert found[0][0].conflicts == 3


def test_filters_leave_out_the_rest(target, tmp_path):
    source = make(
        tmp_path / "source.db",
        [ExecutionRecord(task_type="t", repo=repo, timestamp=moment) for moment in MOMENTS for repo in ("a", "b")],
    )

    answer = import_executions(target, [source], Selection(since=MOMENTS[1], repo="a"))
    again = import_executions(target, [source], Selection(since=MOMENTS[1], repo="a"))

    assert (answer.read, answer.stored, answer.left_out) == (6, 2, 4)
    assert (again.read, again.already_there, again.left_out) == (6, 2, 4)


def test_open_database_takes_an_import(target, tmp_path, write):
    """Its queue is written first."""
    with LearningDatabase(target, durability="batch") as database:
        database.append([ExecutionRecord(task_type="t", execution_id="a")])

        answer = import_executions(database, [write(line(), line(execution_id="a"))])

        assert (answer.stored, answer.already_there) == (1, 1)
        assert len(database.query("SELECT 1 FROM executions")) == 2


def test_progress_is_reported_for_each_file(write, target, tmp_path):
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t") for _ in range(220)])
    file = write(*[line(execution_id=f"{number}") for number in range(150)])
    told = []

    import_executions(target, [source, file], progress=lambda *step: told.append(step))

    assert [(done, of) for name, done, of in told if name == source] == [(128, 220), (220, 220)]
    assert [done for name, done, _ in told if name == file][-1] == os.path.getsize(file)


# Feedback.


def test_feedback_is_imported_once(target, tmp_path):
    """All of it from a database, the visible part from JSON Lines; existing feedback stays."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", execution_id="a")])
    with LearningDatabase(source) as database:
        database.add_feedback("a", rating=1, comment="private")
        database.add_feedback("a", accepted=True, comment="team", visibility="team")
        database.add_feedback("a", rating=4, source="me", visibility="public")
    lines = str(tmp_path / "lines.jsonl")
    export_executions(source, lines)

    answers = [import_executions(target, [file]) for file in (lines, lines, source, source)]

    assert [answer.feedback for answer in answers] == [2, 0, 1, 0]
    with LearningDatabase(target) as database, LearningDatabase(source) as original:
        said = "SELECT execution_id, timestamp, accepted, rating, comment, source, visibility FROM feedback"
        assert database.query(f"{said} ORDER BY timestamp") == original.query(f"{said} ORDER BY timestamp")
    assert [(record.user_accepted, record.user_rating) for record in stored_in(target)] == [(True, 4)]


# Model calls and reported costs.


def test_model_calls_of_a_database_are_imported_once(target, tmp_path):
    """With the selected executions, whose totals stay the same."""
    records = [
        ExecutionRecord(task_type="t", execution_id=name, repo=name, input_tokens=7, cost_source="priced")
        for name in "ab"
    ]
    source = make(tmp_path / "source.db", records)
    calls = [
        ModelCall(
            name, "0af7651916cd43dd8448eb211c80319c", f"{name}ad6b716920333{number}", None, "", None, MOMENT,
            "small-1", None, "demo", 3, None, None, number, 0.25, "priced", "prices 1", 0.5, None,
        )
        for name in "ab"
        for number in range(2)
    ]  # fmt: skip
    with connection.open_for_maintenance(source) as opened, opened.transaction() as writing:
        store_model_calls(writing, calls, ())

    for _ in range(2):
        import_executions(target, [source], Selection(repo="a"))
        with LearningDatabase(target) as database:
            (execution_id,) = {row["execution_id"] for row in database.query("SELECT execution_id FROM executions")}
            found = relatives(database, execution_id)
            assert [ModelCall(**call) for call in found.model_calls] == calls[:2]
            assert (found.execution.input_tokens, found.execution.cost_source) == (7, "priced")
    import_executions(target, [source])
    with LearningDatabase(target) as database:
        assert database.query("SELECT count(*) AS calls FROM model_calls") == [{"calls": 4}]


def test_reported_cost_is_imported(target, tmp_path):
    """Beside the total of the model calls: it is the cost again when these lose their prices."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", execution_id="e" * 32, actual_cost=0.5)])
    call = ModelCall(
        "e" * 32, "a" * 32, "b" * 16, None, "", None, MOMENT, "local", None, None, 1_000_000, None, None, 4, None,
        "unpriced", None, 0.5, None,
    )  # fmt: skip
    with LearningDatabase(source) as database:
        store_of(database).model_calls.price_with(prices_of({"local": {"input": 2.0}}))
        store_of(database).append_model_calls(ModelCallBatch([call]))

    for _ in range(2):
        import_executions(target, [source])
    with LearningDatabase(target) as database:
        assert [(row["actual_cost"], row["cost_source"]) for row in costs(database)] == [(2.0, "priced")]
        reprice(database, prices_of({}))
        assert [(row["actual_cost"], row["cost_source"]) for row in costs(database)] == [(0.5, "estimated")]


def test_reports_are_ready_when_an_import_is_done(target, write):
    """Roll-ups are up to date."""
    import_executions(target, [write(*[line(repo=f"{number}") for number in range(700)])])

    with LearningDatabase(target) as database:
        assert database.query("SELECT executions FROM rollup_state") == [{"executions": 700}]
        assert summary(database).executions == 700


# Refused and skipped entries.

DEEP = '{"a":' * 300 + "1" + "}" * 300
BAD_LINES = [
    ('{"task_type": nothing}', "not JSON: Expecting value at character 15"),
    ('{"task_type": "t"', "not JSON: Expecting ',' delimiter at character 18"),
    ("[1]", "not a JSON object"),
    (b'{"task_type": "\xff"}', "not UTF-8"),
    ({"execution_id": "e", "timestamp": MOMENT}, "task_type is missing"),
    ({"task_type": "t"}, "timestamp is missing"),
    (line(colour="red"), "unknown columns 'colour'"),
    (line(task_type=5), "task_type is 5: expected text"),
    (line(repo={}), "repo is of type dict: expected text"),
    (line(timestamp="yesterday"), "timestamp is 'yesterday': expected a date and time with a time zone"),
    (line(timestamp="2026-11-22T10:00:00"), "timestamp is '2026-11-22T10:00:00': expected a date and time with a"),
    (line(timestamp="0001-01-01T00:00:00+14:00"), "timestamp is '0001-01-01T00:00:00+14:00': expected a date"),
    (line(duration_seconds=float("nan")), "duration_seconds is nan: expected a number"),
    (line(actual_cost=float("inf")), "actual_cost is inf: expected a number"),
    (line(actual_cost=True), "actual_cost is True: expected a number"),
    (line(file_count=2**63), "file_count has more than 64 bits"),
    (line(file_count=1.5), "file_count is 1.5: expected an integer"),
    ('{"task_type": "t", "file_count": 1' + "0" * 5000 + "}", "not an execution: "),
    (line(success=2), "success is 2: expected true or false"),
    (line(outcome="lucky"), "outcome is 'lucky': expected one of cancelled, error, failed,"),
    (line(user_rating=6), "user_rating is 6: expected an integer from 1 to 5"),
    (line(metadata=[]), "metadata is of type list: expected a JSON object"),
    (f'{{"task_type": "t", "timestamp": "{MOMENT}", "metadata": {DEEP}}}',
     "metadata is nested deeper than 200 levels"),
    ('{"task_type": ' + "[" * 100_000 + "]" * 100_000 + "}", "not an execution: nested too deep"),
    (line(defaulted="everything"), "defaulted is 'everything': expected a list of names"),
    (line(feedback=5), "feedback is invalid: expected a list"),
    (line(feedback=[{"rating": 9, "timestamp": MOMENT}]), "Invalid rating 9: expected a whole number from 1 to 5."),
    (line(feedback=[{"rating": 4}]), "the timestamp of its feedback is None"),
]  # fmt: skip


def test_bad_line_is_refused_with_its_number_and_the_rest_goes_on(write, target):
    bad = [text for text, _ in BAD_LINES]

    answer = import_executions(target, [write(line(task_id="first"), *bad, line(task_id="last"))])

    assert (answer.read, answer.stored, answer.refused) == (len(bad) + 2, 2, len(bad))
    for number, (refusal, (_, reason)) in enumerate(zip(answer.refusals, BAD_LINES, strict=True), 2):
        assert (refusal.place, refusal.reason[: len(reason)]) == (f"line {number}", reason)
    assert {record.task_id for record in stored_in(target)} == {"first", "last"}


def test_refusals_name_the_first_and_count_all(write, target):
    file = write(line(), *["{bad"] * 250)

    answer = import_executions(target, [file])

    assert answer.refused == 250
    reason = "not JSON: Expecting property name enclosed in double quotes at character 2"
    assert answer.refusals[-1] == Refusal(file, "line 101", reason)


def test_blank_lines_and_a_byte_order_mark_are_skipped(write, target):
    answer = import_executions(target, [write(b"\xef\xbb\xbf" + json.dumps(line()).encode(), "", "  ", "\r")])

    assert (answer.read, answer.stored) == (1, 1)


def test_text_becomes_valid_and_nan_becomes_text(write, target):
    """As in capture."""
    text = '{"task_type": "a\\ud800", "timestamp": "%s", "metadata": {"\\ud800": [NaN, "\\ud83d\\ude00\\udfff"]}}'

    import_executions(target, [write(text % MOMENT)])

    (record,) = stored_in(target)
    assert record.task_type == "a\N{REPLACEMENT CHARACTER}"
    assert record.metadata == {"\N{REPLACEMENT CHARACTER}": ["nan", "\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"]}


def test_pipe_is_read_once(target, tmp_path):
    """As of ``import <(zcat old.jsonl.gz)``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=[json.dumps(line()) + "\n"])
    writer.start()

    answer = import_executions(target, [pipe])
    writer.join(60)

    assert (answer.read, answer.stored) == (1, 1)


def test_parquet_without_pyarrow_is_refused_before_anything_is_stored(target, tmp_path, monkeypatch):
    table = tmp_path / "table.parquet"
    export_executions(make(tmp_path / "source.db", [ExecutionRecord(task_type="t")]), table)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(ConfigurationError, match="as Parquet"):
        import_executions(target, [broken])
    os.remove(target)

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'learning_instrument\[scale\]'"):
        import_executions(target, [table])

    assert not os.path.exists(target)


def test_line_that_is_too_long_is_refused(write, target, monkeypatch):
    """It is not kept in memory; the next line is read."""
    monkeypatch.setattr("learning_instrument.transfer.spread_document.LONGEST", 4096)
    file = write(line(), line(repo="x" * 20_000), line(task_type="after"))

    answer = import_executions(target, [file])

    assert (answer.stored, reasons(answer)) == (2, [("line 2", "longer than 0 MiB")])


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "\x00\x01\x02", "[]\n", '{"some": "document"}\n', "PK\x03\x04"])
def test_file_of_another_kind_is_refused_before_anything_is_stored(write, target, text):
    other = write(text, name="other")

    with pytest.raises(ConfigurationError, match="Unknown format of "):
        import_executions(target, [other])

    assert not os.path.exists(target)


def test_database_of_another_program_is_refused(target, tmp_path):
    foreign, newer = tmp_path / "foreign.db", make(tmp_path / "newer.db", [])
    excluding = "PRAGMA user_version = 999; UPDATE oldest_writer SET version = 999"
    for path, statements in ((foreign, "CREATE TABLE mine (x)"), (newer, excluding)):
        opened = sqlite3.connect(path)
        opened.executescript(statements)
        opened.close()

    with pytest.raises(DatabaseError, match="is not a database of learning_instrument"):
        import_executions(target, [foreign])
    with pytest.raises(SchemaVersionError):
        import_executions(target, [newer])
    with pytest.raises(DatabaseError, match="is not a database of learning_instrument"):
        import_executions(foreign, [make(tmp_path / "source.db", [])])
    assert not os.path.exists(target)


@pytest.mark.parametrize("files", ["learning.jsonl", b"learning.jsonl", Path("learning.jsonl"), None, 5])
def test_files_are_a_list(target, files):
    """A path alone would be read letter by letter."""
    with pytest.raises(ConfigurationError, match=r"Invalid files .*expected a list of paths"):
        import_executions(target, files)


def test_database_is_not_imported_into_itself(tmp_path):
    source = make(tmp_path / "source.db", [])
    (tmp_path / "link.db").symlink_to(source)

    with pytest.raises(ConfigurationError, match="into itself"):
        import_executions(source, [tmp_path / "link.db"])


def test_source_database_stays_as_it_is(target, tmp_path):
    """An older schema is read, and not migrated."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t")])
    opened = sqlite3.connect(source)
    opened.executescript("DROP TRIGGER feedback_goes_too; DROP TABLE feedback; PRAGMA user_version = 2")
    opened.close()
    before = Path(source).read_bytes()

    assert import_executions(target, [source]).stored == 1

    assert Path(source).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["source.db", "target.db"]


def test_columns_of_a_newer_database_are_left_out_and_named(target, tmp_path):
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t") for _ in range(2)])
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as changed:
        changed.execute("ALTER TABLE executions ADD COLUMN of_newer TEXT")

    answer = import_executions(target, [source])

    assert (answer.stored, answer.omitted) == (2, {"values of the unknown column 'of_newer'": 2})


def test_rows_of_a_tampered_database_are_refused_one_by_one(target, tmp_path):
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", execution_id=name) for name in "abcd"])
    opened = sqlite3.connect(source)
    opened.execute("UPDATE executions SET repo = x'ff' WHERE execution_id = 'a'")
    opened.execute("UPDATE executions SET actual_cost = 9e999 WHERE execution_id = 'b'")
    opened.execute("UPDATE executions SET outcome = 'lucky' WHERE execution_id = 'c'")
    opened.commit()
    opened.close()

    answer = import_executions(target, [source])

    assert (answer.stored, answer.refused) == (1, 3)
    assert [reason.split()[0] for _, reason in reasons(answer)] == ["repo", "actual_cost", "outcome"]


# OTLP.


def span(**changes):
    attributes = {
        "learning_instrument.task.outcome": {"stringValue": "succeeded"},
        "learning_instrument.task.duration": {"doubleValue": 1.5},
        "learning_instrument.task.file_count": {"intValue": "3"},
        "learning_instrument.defaulted": {"arrayValue": {"values": [{"stringValue": "repo"}]}},
        **changes.pop("attributes", {}),
    }
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "startTimeUnixNano": "1700000000123456789",
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
        **changes,
    }


def request(*spans, scope="learning_instrument"):
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}],
            }
        ]
    }


def test_spans_of_others_are_passed_over_and_counted(write, target):
    """Spans of batches and other signals too."""
    batch = span(attributes={"learning_instrument.batch.size": {"intValue": "2"}})
    file = write(request(span(), batch), request({}, {}, scope="django"), {"resourceMetrics": []}, {"resourceLogs": []})

    answer = import_executions(target, [file])

    assert (answer.read, answer.stored, answer.passed_over, answer.refused) == (1, 1, 5, 0)
    (record,) = stored_in(target)
    assert record.execution_id == execution_id(
        1700000000123456789, 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
    )
    assert (record.service_name, record.duration_seconds, record.file_count) == ("shop", 1.5, 3)
    assert record.defaulted == ("repo",)


@pytest.mark.parametrize(
    "changes",
    [
        {"traceId": "0" * 32},
        {"traceId": "0xf7651916cd43dd8448eb211c80319c"},
        {"spanId": 5},
        {"startTimeUnixNano": "-1"},
        {"startTimeUnixNano": "9" * 20},
        {"startTimeUnixNano": None},
        {"attributes": {"learning_instrument.task.outcome": {}}},
        {"attributes": {"learning_instrument.task.outcome": {"intValue": "five"}}},
        {"attributes": {"learning_instrument.task.duration": {"doubleValue": "NaN"}}},
        {"attributes": {"learning_instrument.resource_usage.memory.peak": {"stringValue": "much"}}},
        {"attributes": {"learning_instrument.defaulted": {"stringValue": "repo"}}},
        {"attributes": {"learning_instrument.record": {"stringValue": '{"outcome": "odd"}'}}},
        {"attributes": {"learning_instrument.record": {"stringValue": "[1"}}},
        {"attributes": {"learning_instrument.metadata": {"intValue": "5"}}},
    ],
)
def test_span_that_cannot_be_read_is_refused_without_its_neighbours(write, target, changes):
    other = span(spanId="c7ad6b7169203331")

    answer = import_executions(target, [write(request(span(**changes), other))])

    assert (answer.read, answer.stored, answer.refused) == (2, 1, 1)
    assert [record.span_id for record in stored_in(target)] == ["c7ad6b7169203331"]


# Any kind of file.

_anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(st.characters(exclude_categories=()), max_size=5),
        st.sampled_from(["succeeded", MOMENT, "lost", "{}", "[]", "0af7651916cd43dd8448eb211c80319c", 0, 1, 10**400]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
_whole_line = {**ExecutionRecord(task_type="t").to_dict(), "feedback": [{"rating": 4, "timestamp": MOMENT}]}


def _places(document, way=()):
    """Yield the way to every part of a document."""
    yield way
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, member in members:
        yield from _places(member, (*way, key))


def _changed(document, way, value):
    document = copy.deepcopy(document)
    if not way:
        return value
    inner = document
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return document


def _mutants(document):
    return st.builds(_changed, st.just(document), st.sampled_from(list(_places(document))), _anything)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(_mutants(_whole_line), _mutants(request(span())), _anything), min_size=1, max_size=12))
def test_no_line_breaks_the_import_or_what_is_stored(lines):
    """Each is stored, refused or passed over; what is stored can be read, and exported again."""
    with tempfile.TemporaryDirectory() as folder:
        target, file, out = (str(Path(folder, name)) for name in ("target.db", "lines.jsonl", "out"))
        make(target, [])
        Path(file).write_text("\n".join([json.dumps(line()), *map(json.dumps, lines)]))

        answer = import_executions(target, [file])

        assert answer.read == answer.stored + answer.already_there + answer.refused
        expected = stored_in(target)
        assert len(expected) == answer.stored
        for kind in ("csv", "jsonl", "otlp", "parquet"):
            assert export_executions(target, out, format=kind).executions == answer.stored
            if kind != "csv":
                assert import_executions(target, [out]).already_there == answer.stored


def test_whole_row_of_a_newer_release_is_stored_without_its_further_columns(write, target):
    """A part of a row with an unknown column is refused all the same."""
    record = ExecutionRecord(task_type="t")
    lines = [{**record.to_dict(), "of_newer": 1}, {"task_type": "t", "timestamp": "2026-01-01T00:00Z", "of_newer": 1}]

    answer = import_executions(target, [write(*lines)])

    assert (answer.stored, [refusal.reason for refusal in answer.refusals]) == (1, ["unknown columns 'of_newer'"])
    assert stored_in(target) == [record]
