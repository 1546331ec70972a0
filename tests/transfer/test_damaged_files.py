"""Files that are damaged, or made to do harm: one line says why they are refused, or in which place."""

import contextlib
import random
import sqlite3
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import ConfigurationError, DatabaseError, LearningInstrumentError
from learning_instrument.transfer import export_executions, import_executions

#: The suffix of each format that can be imported.
FORMATS = ("db", "parquet", "jsonl", "otlp", "csv")


@pytest.fixture
def target(tmp_path):
    """The path of a database that does not exist yet."""
    return str(tmp_path / "target.db")


@pytest.fixture
def source(tmp_path):
    """A database of three executions with feedback and metadata, closed."""
    return filled(tmp_path / "source.db")


def filled(path):
    """Store three executions with feedback and metadata at *path*; return it."""
    with LearningDatabase(path) as database:
        for number in range(3):
            record = ExecutionRecord(task_type="review", task_description=f"é {number}", metadata={"n": number})
            database.append([record])
            database.add_feedback(record.execution_id, rating=4, comment="good")
    return str(path)


def changed(path, *statements):
    """Run *statements* on the file, past its schema where they say so; return its path."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def refusal(target, *files):
    """Return the message of the error that an import of *files* ends with."""
    with pytest.raises((ConfigurationError, DatabaseError)) as caught:
        import_executions(target, files)
    return str(caught.value)


@pytest.mark.parametrize("table", ["executions", "feedback", "model_calls"])
def test_generated_column_is_refused(target, source, table):
    """It declares gigabytes in a file of some kB."""
    changed(source, f"ALTER TABLE {table} ADD COLUMN big TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))) VIRTUAL")

    assert f"its table {table} has generated columns" in refusal(target, source)


def test_virtual_table_is_refused(target, source):
    """A virtual table can have any number of rows."""
    changed(source, "DROP TABLE feedback", "CREATE VIRTUAL TABLE feedback USING fts5(execution_id, comment)")

    assert "its table feedback is virtual" in refusal(target, source)


def test_column_called_rowid_is_refused(target, source):
    """Rows are read by their rowid."""
    changed(source, "ALTER TABLE executions ADD COLUMN rowid TEXT")

    assert "has a column called rowid" in refusal(target, source)


def test_long_default_of_missing_values_is_bounded(target, tmp_path):
    """A column that no row holds has the default's text in each row."""
    path = tmp_path / "source.db"
    columns = ", ".join(column for column in COLUMNS if column != "solution_summary")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE executions ({columns})")
        connection.executemany("INSERT INTO executions (execution_id) VALUES (?)", [(str(n),) for n in range(500)])
        connection.execute(f"ALTER TABLE executions ADD COLUMN solution_summary TEXT DEFAULT '{'x' * 100_000}'")
        connection.commit()

    assert "declares more text than it can hold" in refusal(target, path)


def test_text_that_is_no_utf_8_is_made_valid(target, source):
    """In a value; a table's name of that kind makes no difference."""
    changed(
        source,
        "UPDATE executions SET task_description = CAST(x'61ff62' AS TEXT) WHERE rowid = 1",
        "CREATE TABLE odd (x)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET name = CAST(x'6fff' AS TEXT), tbl_name = CAST(x'6fff' AS TEXT),"
        " sql = CAST(x'435245415445205441424c4520226fff2220287829' AS TEXT) WHERE name = 'odd'",
    )

    answer = import_executions(target, [source])
    with LearningDatabase(target) as database:
        descriptions = {row["task_description"] for row in database.query("SELECT task_description FROM executions")}
    assert (answer.stored, answer.refused) == (3, 0)
    assert "a\ufffdb" in descriptions


def test_far_timestamp_of_parquet_is_refused_in_its_place(target, tmp_path):
    """The others of its batch are stored."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    micros = [0, (200_000 - 1970) * 31_556_952 * 10**6, 10**6]
    moments = arrow.array(micros, arrow.int64()).cast(arrow.timestamp("us", tz="UTC"))
    parquet.write_table(arrow.table({"task_type": ["a", "b", "c"], "timestamp": moments}), tmp_path / "far.parquet")

    answer = import_executions(target, [tmp_path / "far.parquet"])
    assert (answer.stored, [refused.place for refused in answer.refusals]) == (2, ["row 2"])


def test_parquet_text_that_is_no_utf_8_is_refused_in_its_place(target, tmp_path):
    """The others of its batch are stored."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    text = arrow.Array.from_buffers(arrow.string(), 2, arrow.array([b"a", b"\xff\xfe"], arrow.binary()).buffers())
    moments = arrow.array([datetime(2026, 1, 1, tzinfo=timezone.utc)] * 2)
    parquet.write_table(arrow.table({"task_type": text, "timestamp": moments}), tmp_path / "odd.parquet")

    answer = import_executions(target, [tmp_path / "odd.parquet"])
    assert (answer.stored, [refused.place for refused in answer.refusals]) == (1, ["row 2"])


def test_parquet_of_repeated_text_is_bounded(target, tmp_path):
    """Dictionary and run-length encoding make gigabytes of some kB."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = 3000
    table = {
        "task_type": ["a"] * rows,
        "timestamp": arrow.array([datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(0, n) for n in range(rows)]),
        "task_description": arrow.DictionaryArray.from_arrays(arrow.array([0] * rows), ["x" * 200_000]),
    }
    parquet.write_table(arrow.table(table), tmp_path / "much.parquet", compression="zstd")

    assert "it declares more than 1,000 times its size" in refusal(target, tmp_path / "much.parquet")


def test_nameless_column_is_refused_in_its_place(target, tmp_path):
    """Its name is empty text."""
    path = tmp_path / "source.jsonl"
    path.write_text('{"task_type": "a", "timestamp": "2026-11-22T10:00:00+00:00", "": 1}\n{"task_type": "b"}\n')

    refusals = import_executions(target, [path]).refusals
    assert [(each.place, each.reason) for each in refusals] == [
        ("line 1", "unknown columns ''"),
        ("line 2", "timestamp is missing"),
    ]


def test_execution_whose_id_is_a_number_is_refused_in_its_place(target, tmp_path):
    """SQLite finds its feedback, which has the same digits as text."""
    source = tmp_path / "source.db"
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.execute(f"CREATE TABLE executions ({', '.join(COLUMNS)})")
        connection.execute(
            "CREATE TABLE feedback (feedback_id INTEGER PRIMARY KEY, execution_id TEXT, timestamp TEXT,"
            " accepted INTEGER, rating INTEGER, comment TEXT, source TEXT, visibility TEXT)"
        )
        connection.execute("INSERT INTO executions (execution_id, task_type) VALUES (5, 'a')")
        connection.execute("INSERT INTO feedback (execution_id, rating, visibility) VALUES ('5', 4, 'public')")
        connection.commit()

    answer = import_executions(target, [source])
    assert (answer.stored, [each.place for each in answer.refusals]) == (0, ["row 1"])


def test_device_is_refused(target):
    """It may have no end."""
    assert refusal(target, "/dev/zero") == "Cannot read /dev/zero: expected a file or a pipe."


# Any damage.


def mutated(data, dice):
    """Return *data* with some bytes changed, cut, repeated or exchanged."""
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16, 64))):
        if not data:
            break
        at, length = dice.randrange(len(data)), dice.choice((1, 1, 1, 2, 4, 8, 64))
        match dice.randrange(5):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at : at + length] = dice.randbytes(length)
            case 2:
                data[at : at + length] = dice.choice((b"\x00", b"\xff", b"\x7f")) * length
            case 3:
                del data[at : at + length]
            case 4:
                data[at : at + length] = data[at : at + length] * 2
    return bytes(data)


def originals(folder):
    """Return the bytes of a valid file of each format."""
    path = filled(folder / "original.db")
    for suffix in FORMATS[1:]:
        export_executions(path, folder / f"original.{suffix}")
    return {suffix: (folder / f"original.{suffix}").read_bytes() for suffix in FORMATS}


def import_damaged(folder, seed, count):
    """Import *count* damaged files; return those that end with an error which is not ours."""
    dice = random.Random(seed)
    sources = originals(folder)
    faults = []
    for number in range(count):
        suffix = dice.choice(FORMATS)
        path = folder / f"damaged-{number}.{suffix}"
        path.write_bytes(mutated(sources[suffix], dice))
        try:
            import_executions(folder / "target.db", [path])
        except LearningInstrumentError as error:
            if len(str(error)) > 2000:
                faults.append((path.name, error))
        except Exception as error:
            faults.append((path.name, repr(error)))
        else:
            path.unlink()
    return faults


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_damaged_file_is_refused_with_an_error_of_ours(tmp_path, seed):
    """Whatever the damage, and the target answers afterwards."""
    pytest.importorskip("pyarrow")

    assert import_damaged(tmp_path, seed, 40 if seed == 1 else 1500) == []
    with LearningDatabase(tmp_path / "target.db") as database:
        database.query("SELECT count(*) FROM executions")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(*import_damaged(Path(name), int(sys.argv[1]), int(sys.argv[2])), sep="\n")
