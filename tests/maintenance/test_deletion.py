"""Deletes chosen executions, with what hangs on them, from every table, index and byte of the files."""

import contextlib
import functools
import itertools
import os
import random
import re
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import databases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import Selection
from learning_instrument.columns import TABLE, Kind
from learning_instrument.costs.attribution import SpanLink
from learning_instrument.costs.call_store import ModelCallBatch, ModelCallStore
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.errors import ConfigurationError, UnknownExecutionError
from learning_instrument.maintenance import delete
from learning_instrument.maintenance.doctor import examine
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups.catch_up import advance
from learning_instrument.rollups.keys import add_name
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.executions import FIRST_INSERT
from learning_instrument.storage import spill_format, spill_names, vectors
from learning_instrument.storage.crash_ledger import CrashLedger
from learning_instrument.storage.liveness import Process

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
_TEXTS = [column.name for column in TABLE if column.kind is Kind.TEXT]
#: The texts that are no words of the test, and how many more there are: of metadata, model calls and feedback.
_OTHERS = ("trace_id", "span_id", "parent_execution_id", "cost_source", "model")
_MORE = 7


def word(number, place):
    """Return a word that is in one place of one execution alone; so is its end, since indexes leave beginnings out."""
    return f"{number * 7919 % 100_003:05x}{place:02x}zq{number:05x}"


def words(number):
    """Return the words of an execution."""
    places = (place for place in range(len(_TEXTS) + _MORE) if [*_TEXTS, *[""] * _MORE][place] not in _OTHERS)
    return {word(number, place) for place in places}


def record(number, **fields):
    texts = {name: word(number, place) for place, name in enumerate(_TEXTS)}
    texts |= {name: f"{texts[name]} {'long ' * (number % 40)}" for name in ("task_description", "error_message")}
    ids = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "parent_execution_id": None}
    metadata = {"customer": word(number, len(_TEXTS)), "side": "even" if number % 2 else "odd"}
    failed = number % 3 == 0
    return ExecutionRecord(
        **{
            **texts, **ids, "timestamp": START + timedelta(minutes=number), "metadata": metadata,
            "duration_seconds": 1.5 + number, "outcome": Outcome.ERROR if failed else Outcome.SUCCEEDED,
            "success": not failed, "actual_cost": 0.25, "cost_source": "reported", **fields,
        }
    )  # fmt: skip


def call(number, execution_id, **fields):
    here = len(_TEXTS) + 1
    values = {
        **dict.fromkeys(ModelCall._fields), "execution_id": execution_id, "trace_id": f"{number:032x}",
        "span_id": f"{number + 10**6:016x}", "path": "", "timestamp": "2026-11-01T00:00:00.000000+00:00",
        "model": word(number, here), "response_id": word(number, here + 1), "provider": word(number, here + 2),
        "cost_source": "unpriced", "duration_seconds": 1.0, **fields,
    }  # fmt: skip
    return ModelCall(**values)


def fill(path, numbers, **fields):
    """Record as it happens: in parts, which are derived from in between, with what hangs on the executions."""
    target = WriteConnection(str(path), 5.0)
    add_name(target, "metadata.customer")
    store = ModelCallStore()
    parts = [numbers[start : start + 40] for start in range(0, len(numbers), 40)]
    for part in parts:
        target.insert([row_from_record(record(number, **fields)) for number in part])
        calls = [call(number, word(number, _TEXTS.index("execution_id"))) for number in part]
        waiting = [
            call(number, None, span_id=f"{number + 2 * 10**6:016x}", awaited_span_id=f"{number + 3 * 10**6:016x}")
            for number in part
        ]
        links = [SpanLink(f"{number:032x}", f"{number + 10**6:016x}", f"{number:016x}") for number in part]
        with target.transaction() as connection:
            store.store(connection, ModelCallBatch([*calls, *waiting], links))
        while advance(target):
            pass
    with target.transaction() as connection:
        for number in numbers:
            key = word(number, _TEXTS.index("execution_id"))
            connection.execute("INSERT INTO reported_costs VALUES (?, 0.5)", (key,))
            connection.execute(
                "INSERT INTO feedback (execution_id, timestamp, comment, source, visibility)"
                " VALUES (?, '2026-11-01T00:00:00.000000+00:00', ?, ?, 'team')",
                (key, word(number, len(_TEXTS) + 4), word(number, len(_TEXTS) + 5)),
            )
            description = connection.execute("SELECT task_description FROM executions WHERE execution_id = ?", (key,))
            made = {description.fetchone()[0]: f"vector {word(number, len(_TEXTS) + 6)}".encode()}
            vectors.add(lambda sql, values=(): connection.execute(sql, values).fetchall(), "m", b"probe", made)
    target.close()


def id_of(number):
    return word(number, _TEXTS.index("execution_id"))


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = databases.make(tmp_path_factory.mktemp("deletion") / "learning.db")
    fill(path, list(range(1, 401)))
    return path.read_bytes()


@pytest.fixture
def path(content, tmp_path):
    """The path of a database with 400 executions, each with a model call, another that waits, and feedback."""
    path = tmp_path / "learning.db"
    path.write_bytes(content)
    return path


def found_in(folder, numbers):
    """Return what any byte of the files in *folder* has of the words of these executions; an index may cut them."""
    content = b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
    found = {match.decode() for match in re.findall(rb"[0-9a-f]{0,7}zq[0-9a-f]{5}", content)}
    return {each for each in found if int(each[-5:], 16) in set(numbers)}


def test_words_are_found_where_nothing_is_deleted(path):
    """Else the tests below could not fail, and would prove nothing."""
    assert words(7) <= found_in(path.parent, [7])


def copied(path, folder):
    """Copy a database and its log as they are, as if their processes had been killed; return the path."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        (folder / f"{path.name}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    return folder / path.name


WAYS = {
    "id": ([7], id_of(7)),
    "ids": ([7, 100, 399, 400], [id_of(number) for number in (7, 100, 399, 400)]),
    "filter": (range(1, 401, 2), Selection(where="metadata.side=even")),
    "window": (range(1, 60), Selection(until=START + timedelta(minutes=60))),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("journal", ["wal", "left log", "delete"])
def test_no_byte_of_a_deleted_execution_is_left(path, way, journal):
    """Of its texts, its model calls, its feedback, its ids; and the others are all there."""
    numbers, which = WAYS[way]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"PRAGMA journal_mode = {'DELETE' if journal == 'delete' else 'WAL'}")
        other.execute("PRAGMA wal_autocheckpoint = 0")
        # Rows that grow move, and leave what they were behind.
        other.execute("PRAGMA secure_delete = OFF")
        other.execute("UPDATE executions SET solution_summary = solution_summary || ' again and again' WHERE rowid % 3")
        if journal == "left log":  # as it is after a killed writer
            path = copied(path, path.parent / "copy")
            assert os.path.getsize(f"{path}-wal")
        if journal == "delete":
            other.close()

        done = delete(path, which)  # while another connection keeps the log

        remains = found_in(path.parent, numbers)
    assert remains == set()
    assert done.is_overwritten
    assert (done.executions, done.of, done.model_calls, done.feedback) == (len(numbers), 400, *[len(numbers)] * 2)
    kept = [number for number in range(1, 401) if number not in numbers]
    assert {each for number in kept for each in words(number)} <= found_in(path.parent, kept)


def test_entries_of_indexes_that_moved_leave_nothing(tmp_path, monkeypatch):
    """SQLite leaves copies of them in pages, and does not overwrite these with the entry."""
    path = databases.make(tmp_path / "learning.db")
    numbers = list(range(1, 1500))
    random.Random(2).shuffle(numbers)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("BEGIN")
        for number in numbers:
            rows = [row_from_record(record(number))]
            FIRST_INSERT.fitting(rows).execute(connection, rows)
        connection.execute("COMMIT")
    gone = set(range(1, 1500, 7))
    with monkeypatch.context() as without_room:
        without_room.setattr(WriteConnection, "rewrite", lambda connection: False)
        assert not delete(path, [id_of(number) for number in gone]).is_overwritten
    assert found_in(tmp_path, gone)

    assert delete(path, [id_of(number) for number in gone]).is_overwritten

    assert found_in(tmp_path, gone) == set()


def rows(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def derived(path):
    """Return what is derived from the executions, without numbers that say nothing."""
    tables = {
        table: rows(path, f"SELECT * FROM {table} ORDER BY 1, 2, 3")
        for table in ("rollup_days_tier_pool", "rollup_days_task_tier", "rollup_hours_tier_pool", "rollup_days_wide",
                      "rollup_days_key")
    }  # fmt: skip
    tables["errors"] = rows(
        path,
        "SELECT error_type, exception_type, template, day, executions, first_seen, last_seen FROM error_templates"
        " LEFT JOIN error_days USING (template_id) ORDER BY 1, 2, 3, 4",
    )
    tables["words"] = rows(path, "SELECT term, doc, cnt FROM execution_search_words ORDER BY 1")
    changes = "(SELECT count(*) FROM rollup_changes) + (SELECT count(*) FROM error_dirty_days)"
    tables["changes"] = rows(path, f"SELECT {changes}")
    return tables


def test_everything_else_is_as_if_they_had_never_been(path, tmp_path):
    """What is derived is what the others alone give; their rows are the same."""
    numbers, which = WAYS["filter"]
    others = tmp_path / "others.db"
    fill(databases.make(others), [number for number in range(1, 401) if number not in numbers])

    delete(path, which)

    assert derived(path) == derived(others)
    for table in ("executions", "model_calls", "feedback", "reported_costs", "span_links", "description_vectors"):
        names = [name for (name,) in rows(path, f"SELECT name FROM pragma_table_info('{table}')")]
        columns = ", ".join(name for name in names if name not in ("feedback_id", "seen"))
        assert sorted(rows(path, f"SELECT {columns} FROM {table}"), key=repr) == sorted(
            rows(others, f"SELECT {columns} FROM {table}"), key=repr
        ), table
    findings = {finding.check for finding in examine(str(path), {})}
    assert findings <= {"provider", "pools", "no executions", "unpriced models", "readable by others", "vectors"}


@settings(max_examples=15)
@given(st.sets(st.integers(1, 12), min_size=1), st.sets(st.integers(1, 12), min_size=1))
def test_any_executions_of_any_file_are_deleted(tmp_path_factory, numbers, deleted):
    """One, several, all of them, in any order."""
    path = databases.make(tmp_path_factory.mktemp("any") / "learning.db")
    fill(path, sorted(numbers | deleted))

    done = delete(path, [id_of(number) for number in deleted])

    assert found_in(path.parent, deleted) == set()
    kept = numbers - deleted
    assert {each for number in kept for each in words(number)} <= found_in(path.parent, kept)
    assert (done.executions, done.of) == (len(deleted), len(numbers | deleted))


def store(path, *records):
    with LearningDatabase(path) as database:
        database.append(records)


def left(path):
    return [each for (each,) in rows(path, "SELECT task_id FROM executions ORDER BY task_id")]


def tree(**parents):
    """Return executions, each with its parent."""
    return [
        ExecutionRecord(task_type="t", task_id=name, execution_id=name, parent_execution_id=parent, timestamp=START)
        for name, parent in parents.items()
    ]


@pytest.mark.parametrize(
    ("parents", "which", "chosen", "nested", "kept"),
    [
        ({"a": None, "b": "a", "c": "b", "d": "c", "e": None}, "a", 1, 3, ["e"]),
        ({"a": None, "b": "a", "c": "b", "d": "c", "e": None}, "c", 1, 1, ["a", "b", "e"]),
        ({"a": None, "b": "a", "c": "b"}, ["a", "b"], 2, 1, []),
        ({"a": "c", "b": "a", "c": "b", "d": None}, "b", 1, 2, ["d"]),
        ({"a": "a", "b": None}, "a", 1, 0, ["b"]),
    ],
)
def test_nested_executions_go_too(tmp_path, parents, which, chosen, nested, kept):
    """However deep, and where a damaged file has them in a circle."""
    path = tmp_path / "learning.db"
    store(path, *tree(**parents))

    planned = delete(path, which, is_rehearsal=True)
    assert left(path) == sorted(parents)
    done = delete(path, which)

    assert (done.executions, done.nested) == (planned.executions, planned.nested) == (chosen, nested)
    assert left(path) == kept


def test_ids_that_nothing_has_are_refused(path):
    """And nothing is deleted."""
    with pytest.raises(UnknownExecutionError, match="'nothing'"):
        delete(path, [id_of(7), "nothing"])
    with pytest.raises(ConfigurationError, match="everything=True"):
        delete(path, Selection())
    assert len(left(path)) == 400

    assert delete(path, Selection(), everything=True).executions == 400
    assert left(path) == []


def test_database_that_is_open_is_flushed_first(tmp_path):
    """Rows that wait in the queue of this process are deleted too, and it goes on recording."""
    with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        database.append([record(1), record(2)])
        done = delete(database, Selection(where="metadata.side=even"))
        database.append([record(3)])

    assert done.executions == 1
    assert left(tmp_path / "learning.db") == [record(2).task_id, record(3).task_id]


def test_links_and_calls_of_others_in_a_trace_stay(tmp_path):
    """Of a shared trace only what belongs to the deleted execution goes; of its own all."""
    path = databases.make(tmp_path / "learning.db")
    shared, own = "a" * 32, "b" * 32
    target = WriteConnection(str(path), 5.0)
    ours = {"execution_id": "x", "trace_id": shared, "span_id": "1" * 16}
    others = {"trace_id": shared, "span_id": "2" * 16}
    alone = {"execution_id": "y", "trace_id": own, "span_id": "3" * 16}
    target.insert([row_from_record(record(number, **ids)) for number, ids in enumerate((ours, others, alone))])
    links = [SpanLink(shared, "1" * 16, None, "x"), SpanLink(shared, "2" * 16, None), SpanLink(own, "4" * 16, "9" * 16)]
    calls = [
        call(5, None, trace_id=shared, awaited_span_id="7" * 16), call(6, None, trace_id=own, awaited_span_id="9" * 16),
    ]  # fmt: skip
    with target.transaction() as connection:
        ModelCallStore().store(connection, ModelCallBatch(calls, links))
    target.execute("UPDATE model_calls SET awaited_span_id = ? WHERE trace_id = ?", ("1" * 16, shared))
    target.execute(
        "INSERT INTO model_calls SELECT execution_id, trace_id, 'other', parent_span_id, path, 'another' AS"
        " awaited_span_id, timestamp, model, response_model, provider, input_tokens, cached_tokens, cache_write_tokens,"
        " output_tokens, cost, cost_source, price_table, duration_seconds, error_type, scope, operation, response_id,"
        " finish_reason, usage, time_to_first_chunk_seconds FROM model_calls WHERE trace_id = ?",
        (shared,),
    )
    target.close()

    delete(path, ["x", "y"])

    assert rows(path, "SELECT trace_id, span_id FROM span_links") == [(shared, "2" * 16)]
    assert rows(path, "SELECT trace_id, span_id FROM model_calls") == [(shared, "other")]


def test_rows_that_wait_beside_the_file_are_reached(path):
    """Those of spill files, and of processes that died; a spill file that cannot be read is named."""
    spilled = spill_format.Spilled([row_from_record(record(501)), row_from_record(record(502))])
    spill_format.write(str(path), spilled)
    unreadable = spill_names.set_aside(spill_format.write(str(path), spill_format.Spilled([])))
    ledger = CrashLedger(str(path))
    ledger.enter([row_from_record(record(601)), row_from_record(record(602))])
    ledger.close()
    dead = Process(2**22 + 1, "here", "0 0 0 0")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE running SET process = ?, heartbeat = '2026-11-01T00:00:00+00:00'", (dead.identity,))
        connection.commit()

    done = delete(path, Selection(where="metadata.side=even"))

    assert done.executions == 202
    assert found_in(path.parent, [501, 601]) == set()
    assert {record(502).task_id, record(602).task_id} <= set(left(path))
    assert done.beyond_reach == (unreadable,)


def test_what_is_beyond_its_reach_is_named(path, tmp_path):
    """Executions that have not ended, processes that record, copies and archives beside the file."""
    ledger = CrashLedger(str(path))
    ledger.enter([row_from_record(record(number)) for number in (1001, 1002)])
    ledger.enter([row_from_record(record(1004, parent_execution_id=id_of(1)))])
    ledger.close()
    for name in ("backup.db", "old.parquet", "notes.txt", "other.sqlite"):
        (tmp_path / name).write_bytes({"backup.db": path.read_bytes(), "old.parquet": b"PAR1..."}.get(name, b"notes"))
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        (tmp_path / "other.sqlite").write_bytes(b"")
        other.execute("CREATE TABLE theirs (a)")

    done = delete(path, Selection(where="metadata.side=even"))

    assert done.in_flight == (id_of(1001), id_of(1004))
    assert [each.partition(" ")[0] for each in done.recording] == [str(os.getpid())]
    assert done.beyond_reach == (str(tmp_path / "backup.db"), str(tmp_path / "old.parquet"))
    assert len(rows(path, "SELECT 1 FROM running")) == 3


def test_processes_of_one_number_on_two_hosts_are_both_named(path):
    """Each container has its own process 1."""
    ledger = CrashLedger(str(path))
    ledger.enter([row_from_record(record(number)) for number in (1001, 1002)])
    ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE running SET process_id = 1, process = '',"
            " host = CASE execution_id WHEN ? THEN 'blue' ELSE 'green' END",
            [id_of(1001)],
        )

    assert delete(path, id_of(7)).recording == ("1 on blue", "1 on green")


def test_reader_keeps_the_log_and_the_next_run_finishes(path, monkeypatch):
    """It is said, doctor finds it, and the same call later does the rest though the execution is gone."""
    monkeypatch.setattr("learning_instrument.maintenance.deletion._READERS_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM executions").fetchone()
        done = delete(path, id_of(7))
        assert (done.is_rewritten, done.is_log_empty) == (True, False)
        assert "deletion" in {finding.check for finding in examine(str(path), {})}
    assert len(left(path)) == 399

    again = delete(path, id_of(7))

    assert (again.executions, again.completes_another, again.is_overwritten) == (0, True, True)
    assert found_in(path.parent, [7]) == set()
    with pytest.raises(UnknownExecutionError):
        delete(path, id_of(7))


def interrupt(at, label, done, of):
    if label == at:
        raise KeyboardInterrupt


def test_interrupted_deletion_is_done_by_the_same_call(path, monkeypatch):
    """After any slice: each is deleted whole or not at all, and what is nested goes before what is around it."""
    monkeypatch.setattr("learning_instrument.maintenance.chosen_rows.SLICE_ROWS", 50)
    which = Selection(where="metadata.side=even")
    for label in ["Deleting"] * 4 + ["Rewriting the file"]:
        with pytest.raises(KeyboardInterrupt):
            delete(path, which, progress=functools.partial(interrupt, label))
        assert len(left(path)) % 50 == 0
        assert (
            len(rows(path, "SELECT 1 FROM feedback"))
            == len(rows(path, "SELECT 1 FROM reported_costs"))
            == len(left(path))
        )
        assert rows(path, "SELECT count(*) FROM deletions WHERE NOT is_finished") == [(1,)]

    done = delete(path, which)

    assert (done.completes_another, done.is_overwritten) == (True, True)
    assert len(left(path)) == 200
    assert found_in(path.parent, range(1, 401, 2)) == set()


def test_large_file_in_use_is_not_rewritten(path, monkeypatch):
    """The rows of its writers would wait in memory for too long; deleted rows are overwritten all the same."""
    commits = itertools.count()
    monkeypatch.setattr("learning_instrument.maintenance.deletion._REWRITTEN_BYTES", 0)
    monkeypatch.setattr("learning_instrument.sqlite.yielding.commits_of_others", lambda target: next(commits))
    monkeypatch.setattr("learning_instrument.maintenance.deletion._QUIET_SECONDS", 0.1)

    done = delete(path, id_of(7))

    assert (done.is_rewritten, done.is_log_empty) == (False, True)
    assert record(7).task_description not in path.read_bytes().decode("latin-1")
    assert "deletion" in {finding.check for finding in examine(str(path), {})}
