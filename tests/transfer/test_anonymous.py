"""An anonymous export names nobody and nothing, joins with itself and others, and gives the same figures."""

import json
import sqlite3
from datetime import datetime, timezone

import pytest

from learning_instrument import ErrorType, ExecutionRecord, LearningDatabase
from learning_instrument.analytics import Selection, costs, error_groups, performance, summary
from learning_instrument.columns import COLUMNS
from learning_instrument.costs.attribution import store_model_calls
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.errors import ConfigurationError
from learning_instrument.ids import execution_id
from learning_instrument.maintenance.demo import write_demo
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite import connection
from learning_instrument.transfer import export_executions, import_executions
from learning_instrument.transfer.anonymous import CALLS, EXECUTIONS, FEEDBACK_COLUMNS, Anonymizer
from learning_instrument.transfer.nested import FEEDBACK_MEMBERS

from .records import make

KEY = b"a key of the tests, 32 bytes long"
MOMENT = datetime(2026, 11, 22, 10, tzinfo=timezone.utc)
PARENT, CHILD = (execution_id(int(MOMENT.timestamp()) * 10**9 + n, 0xA11CE, 0xB0B + n) for n in range(2))
FORMATS = ("jsonl", "csv", "parquet", "otlp")


@pytest.fixture
def key_file(tmp_path):
    """The path of a key."""
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


@pytest.fixture
def source(tmp_path):
    """The path of a database in which zebra is in every text that may identify something."""
    texts = dict.fromkeys(("task_description", "repo", "solution_summary", "service_name"), "zebra & co")
    ids = {name: f"zebra-{name}" for name in ("task_id", "batch_id", "pool_id", "worker_id")}
    common = {
        "task_type": "bugfix",
        "timestamp": MOMENT,
        "function_name": "zebra.Zebra.run",
        "exception_type": "OSError",
        "outcome": Outcome.ERROR,
        "error_type": ErrorType.UNKNOWN,
        "attempt": 1,
        "metadata": {"customer": "zebra", "n": 4711, "ok": True, "task": {"zone": "zebra"}, "deep": {"zebra": [1]}},
    }
    records = [
        ExecutionRecord(
            **texts, **ids, **common, execution_id=identity, trace_id=identity[17:49], span_id=identity[50:],
            parent_execution_id=parent, error_message=f"zebra {number} not found",
        )
        for number, (identity, parent) in enumerate(((PARENT, None), (CHILD, PARENT)))
    ]  # fmt: skip
    path = make(tmp_path / "source.db", [*records, ExecutionRecord(task_type="t", execution_id="zebra")])
    call = ModelCall(
        PARENT, PARENT[17:49], "c" * 16, PARENT[50:], f"{'d' * 16} {'e' * 16}", None, MOMENT.isoformat(), "small",
        None, "demo", 3, None, None, 4, 0.25, "priced", "prices 1", 0.5, None, response_id="resp_zebra",
    )  # fmt: skip
    with connection.open_for_maintenance(path) as opened, opened.transaction() as writing:
        store_model_calls(writing, [call], ())
    with LearningDatabase(path) as database:
        database.add_feedback(CHILD, rating=4, comment="zebra likes it", source="zebra", visibility="public")
    return path


def dumped(path):
    opened = sqlite3.connect(path)
    try:
        return "\n".join(opened.iterdump())
    finally:
        opened.close()


def test_every_column_has_a_treatment():
    """A new one of any table that is exported needs a decision here."""
    assert {*EXECUTIONS} == {*COLUMNS}
    assert {*CALLS} == {*ModelCall._fields}
    assert {*FEEDBACK_COLUMNS} == {*FEEDBACK_MEMBERS}


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_that_identifies_is_in_the_file(source, tmp_path, key_file, kind):
    """In any format, and in what is imported from it; the deeper keys of metadata are values."""
    file, target = tmp_path / f"out.{kind}", str(tmp_path / "target.db")
    assert dumped(source).lower().count("zebra") > 20

    export_executions(source, file, format=kind, anonymous_key_file=key_file)
    import_executions(target, [file])

    for found in (file.read_bytes().lower(), dumped(target).lower().encode()):
        for secret in (b"zebra", b":4711", CHILD[17:].encode(), CHILD[50:].encode(), b"c" * 16, b"d" * 16, KEY):
            assert secret not in found, secret


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "otlp"])
def test_ids_still_join(source, tmp_path, key_file, kind):
    """Of executions, spans, calls and feedback, within an export and between two."""
    target = str(tmp_path / "target.db")
    for selection in (Selection(task_type="bugfix"), Selection(task_type="t")):
        export_executions(source, tmp_path / "out", selection, format=kind, anonymous_key_file=key_file)
        import_executions(target, [tmp_path / "out"])

    with LearningDatabase(target) as database:
        parent, child, other = database.query("SELECT * FROM executions ORDER BY rowid")
        (call,) = database.query("SELECT * FROM model_calls")
        (said,) = database.query("SELECT * FROM feedback")
    assert child["parent_execution_id"] == parent["execution_id"] == call["execution_id"]
    assert said["execution_id"] == child["execution_id"]
    for row in (parent, child):
        assert row["execution_id"] == f"{row['execution_id'][:16]}-{row['trace_id']}-{row['span_id']}"
    assert (call["trace_id"], call["parent_span_id"]) == (parent["trace_id"], parent["span_id"])
    assert len(set(call["path"].split())) == 2
    assert parent["repo"] == parent["task_description"] == child["service_name"]
    assert len({other["execution_id"], parent["task_id"], parent["batch_id"], parent["worker_id"]}) == 4
    assert (other["repo"], other["task_description"]) == ("unknown", "")
    metadata = json.loads(parent["metadata"])
    assert (list(metadata), metadata["ok"]) == (["customer", "n", "ok", "task", "deep"], True)
    assert metadata["customer"] == metadata["task"]["zone"] == said["source"]


def figures_of(path):
    """Return the figures of reports, without the names that are hashed."""
    with LearningDatabase(path) as database:
        groups = error_groups(database).groups
        return {
            "summary": summary(database),
            "costs": costs(database),
            **{by: performance(database, by=by) for by in ("task_type", "model_tier", "pool_type")},
            **{
                by: sorted(
                    (row.executions, row.p95_seconds or 0, row.cost_usd or 0) for row in performance(database, by=by)
                )
                for by in ("repo", "worker_id", "metadata.batch", "service_name")
            },
            "errors": sorted((each.executions, each.first_seen, each.exception_type or "") for each in groups),
            "feedback": database.query("SELECT rating, accepted, timestamp FROM feedback ORDER BY 3, 1, 2"),
        }


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "otlp"])
def test_reports_have_the_same_figures(tmp_path, key_file, kind):
    """Messages of one statement stay one group."""
    source, target = str(tmp_path / "source.db"), str(tmp_path / "target.db")
    write_demo(source, 500, 7)
    file = tmp_path / "out"

    export_executions(source, file, format=kind, visibility="private", anonymous_key_file=key_file)
    answer = import_executions(target, [file])

    assert (answer.stored, answer.refused, answer.conflicts) == (500, 0, 0)
    found, expected = figures_of(target), figures_of(source)
    assert len(expected["errors"]) > 3
    for name, figures in expected.items():
        assert (name, found[name]) == (name, figures)
    again = tmp_path / "again"
    export_executions(target, again, format=kind, visibility="private")
    assert import_executions(target, [again]).conflicts == 0


def test_another_key_gives_other_hashes(source, tmp_path, key_file):
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for number, file in enumerate(files):
        if number == 2:
            key_file.write_bytes(b"z" * 16)
        export_executions(source, file, anonymous_key_file=key_file)

    first, second, third = (file.read_text() for file in files)
    assert first == second
    words = [{word for word in text.split('"') if len(word) == 20} for text in (first, third)]
    assert words[0] != set()
    assert words[0].isdisjoint(words[1])


def test_hash_is_that_of_the_standard_library():
    """So that other programs can make it: HMAC-SHA256 in hexadecimal, of which a word has letters for digits."""
    anonymizer = Anonymizer(b"key")
    digest = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"  # of RFC 2104's example on Wikipedia
    text = "The quick brown fox jumps over the lazy dog"

    assert anonymizer._word(text) == "".join("abcdefghijklmnop"[int(digit, 16)] for digit in digest[:20])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"There is no key file .*; make one for you alone: \(umask 077; head -c 32 /dev/urandom > "),
        (b"", "of 0 bytes: expected a key of 16 to"),
        (b"sesame", "of 6 bytes: expected a key of 16 to"),
        (b"s" * 70_000, "of more than 65,536 bytes"),
    ],
)
def test_invalid_key_is_refused_before_anything_is_written(source, tmp_path, content, complaint):
    """It is neither made nor quoted."""
    key, out = tmp_path / "bad", tmp_path / "out.jsonl"
    if content is not None:
        key.write_bytes(content)

    with pytest.raises(ConfigurationError, match=complaint) as caught:
        export_executions(source, out, anonymous_key_file=key)

    assert "sesame" not in str(caught.value)
    assert (out.exists(), key.exists()) == (False, content is not None)
    with pytest.raises(ConfigurationError, match=r"Cannot read the key file .*: Is a directory"):
        export_executions(source, out, anonymous_key_file=tmp_path)


def test_key_is_not_overwritten(source, tmp_path, key_file):
    """Nor by another name of it: no later export would join with earlier ones."""
    link = tmp_path / "link"
    link.symlink_to(key_file)

    for output in (key_file, link):
        with pytest.raises(ConfigurationError, match="is the key, which is not overwritten"):
            export_executions(source, output, anonymous_key_file=key_file)

    assert key_file.read_bytes() == KEY
