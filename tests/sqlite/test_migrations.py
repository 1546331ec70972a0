"""The schema: migrations in one transaction, and files of other releases."""

import ast
import contextlib
import dataclasses
import re
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.columns import COLUMNS
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.errors import DatabaseError, SchemaVersionError
from learning_instrument.sqlite import first_migrations, migrations, schema
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.storage import crash_ledger
from learning_instrument.storage.feedback import Feedback

pytestmark = pytest.mark.usefixtures("no_file")


@pytest.fixture
def connection(tmp_path):
    """A connection to an empty file."""
    with contextlib.closing(sqlite3.connect(tmp_path / "learning.db", isolation_level=None)) as connection:
        yield connection


def tables(connection):
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name for (name,) in names if not name.startswith(("sqlite_", "_"))}


def version(connection):
    return connection.execute("PRAGMA user_version").fetchone()[0]


def test_new_file_gets_the_newest_schema(connection):
    """Tables, and the version that says so."""
    assert not schema.is_current(connection)

    schema.migrate(connection)

    assert schema.is_current(connection)
    assert tables(connection) >= {
        "executions",
        "feedback",
        "losses",
        "model_calls",
        "reported_costs",
        "rollup_state",
        "running",
        "span_links",
        "totals_due",
    }
    assert version(connection) == schema.VERSION


def test_columns_are_the_promised_ones(connection):
    """In their order, in an ordinary rowid table."""
    schema.migrate(connection)

    columns = connection.execute("SELECT name FROM pragma_table_info('executions')").fetchall()

    assert tuple(name for (name,) in columns) == COLUMNS
    assert connection.execute("SELECT count(rowid) FROM executions").fetchone() == (0,)


def test_other_tables_have_the_columns_of_their_code(connection):
    """The steps are frozen, so they repeat them."""
    schema.migrate(connection)

    def columns(table):
        return [name for (name,) in connection.execute(f"SELECT name FROM pragma_table_info('{table}')")]

    assert columns("model_calls") == list(ModelCall._fields)
    assert columns("running") == list(crash_ledger._ENTRY)
    assert columns("feedback") == [field.name for field in dataclasses.fields(Feedback)]


def test_migrating_twice_is_migrating_once(connection):
    """Two processes may find the same old file."""
    schema.migrate(connection)
    before = connection.execute("SELECT sql FROM sqlite_master").fetchall()

    schema.migrate(connection)

    assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == before


def test_failing_step_leaves_the_file_as_it_was(connection, monkeypatch):
    """All steps or none."""

    def m999_fails(db):
        db.table("half").create({"a": int})
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, m999_fails))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)

    with pytest.raises(sqlite3.OperationalError, match="disk full"):
        schema.migrate(connection)

    assert tables(connection) == set()
    assert version(connection) == 0
    assert not connection.in_transaction


def test_older_file_is_migrated_with_its_rows(database, monkeypatch, tmp_path):
    """A step of a later release is applied to the rows there are."""

    def m999_notes(db):
        db.table("notes").create({"text": str})

    database.append([ExecutionRecord(task_type="of before")])
    database.close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, m999_notes))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)

    with LearningDatabase(database.path) as newer:
        newer.query("SELECT * FROM notes")
        assert newer.query("SELECT task_type FROM executions") == [{"task_type": "of before"}]
        assert newer.query("PRAGMA user_version") == [{"user_version": schema.VERSION}]


def change(path, *statements):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_file_with_a_newer_schema_is_read_and_written(database):
    """Its second number says that this release may; the number of the newer one stays."""
    database.append([ExecutionRecord(task_type="x")])
    database.close()
    change(
        database.path,
        f"PRAGMA user_version = {schema.VERSION + 5}",
        "CREATE TABLE of_newer (a)",
        "ALTER TABLE executions ADD COLUMN of_newer TEXT",
        f"UPDATE oldest_writer SET version = {schema.VERSION}",
    )

    with LearningDatabase(database.path) as older:
        older.append([ExecutionRecord(task_type="y")])

        assert older.query("SELECT task_type FROM executions ORDER BY rowid") == [
            {"task_type": "x"},
            {"task_type": "y"},
        ]
        assert older.query("PRAGMA user_version") == [{"user_version": schema.VERSION + 5}]
    with ReadOnlyDatabase(database.path) as reader:
        assert reader.query("SELECT count(*) AS rows FROM executions") == [{"rows": 2}]


def test_breaking_step_excludes_older_releases(database, monkeypatch):
    """The step sets the number, and with it what it needs; the older release says so."""

    def m999_breaks(db):
        db.execute(f"UPDATE oldest_writer SET version = {schema.VERSION}")

    database.close()
    with monkeypatch.context() as newer:
        newer.setattr(schema, "STEPS", (*schema.STEPS, m999_breaks))
        newer.setattr(schema, "VERSION", schema.VERSION + 1)
        with LearningDatabase(database.path) as opened:
            opened.append([ExecutionRecord(task_type="x")])

    with pytest.raises(SchemaVersionError, match=f"schema {schema.VERSION + 1} or later"):
        LearningDatabase(database.path).open()
    change(database.path, f"PRAGMA user_version = {schema.VERSION}")  # for the fixture's close()


@pytest.mark.parametrize(
    "statement", ["DROP TABLE oldest_writer", "DELETE FROM oldest_writer", "UPDATE oldest_writer SET version = 'x'"]
)
def test_newer_file_that_does_not_say_who_may_write_is_refused(database, statement):
    """With the remedy; its rows stay as they are."""
    database.append([ExecutionRecord(task_type="x")])
    database.close()
    change(database.path, f"PRAGMA user_version = {schema.VERSION + 1}", statement)

    newer = LearningDatabase(database.path)

    with pytest.raises(SchemaVersionError, match="Upgrade learning_instrument"):
        newer.open()
    with pytest.raises(DatabaseError):
        newer.query("SELECT 1")
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("SELECT task_type FROM executions").fetchall() == [("x",)]
    change(database.path, f"PRAGMA user_version = {schema.VERSION}")  # for the fixture's close()


def test_file_of_another_program_keeps_its_tables_beside_ours(connection, tmp_path):
    """A database that an application shares with us keeps what it has."""
    connection.execute("CREATE TABLE theirs (a)")

    with LearningDatabase(tmp_path / "learning.db") as database:
        database.append([ExecutionRecord(task_type="x")])

    assert {"theirs", "executions"} <= tables(connection)


def test_steps_call_no_live_code():
    """A change of today's code must not change a released step; tests of the rooms compare the two."""
    trees = [ast.parse(Path(module.__file__).read_text()) for module in (first_migrations, migrations)]
    imported = {node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported == {"collections.abc", "typing", "sqlite_utils", "first_migrations"}


def test_steps_have_ordered_names():
    """``m001_what_it_does``: the order is in the name, and no number is used twice."""
    names = [step.__name__ for step in schema.STEPS]

    assert all(re.match(r"m\d{3}_", name) for name in names)
    assert names == sorted(names)
    assert len({name[:5] for name in names}) == len(names)


_made = []


@pytest.fixture(autouse=True)
def close():
    """Close the databases that a test has made."""
    yield
    while _made:
        _made.pop().close()


def made_by(steps):
    """Return a database in memory with these steps, and its tables: name -> column -> whether it may be left out."""
    database = Database(memory=True)
    _made.append(database)
    for step in steps:
        step(database)
    return database, {
        table.name: {
            column.name: not column.notnull or column.default_value is not None or bool(column.is_pk)
            for column in table.columns
        }
        for table in database.tables
    }


def breaks_older_writers(steps, known):
    """Tell whether a release with the first *known* of *steps* can no longer write, and the file does not say so."""
    (_, before), (database, after) = made_by(steps[:known]), made_by(steps)
    unique = [made_by(part)[0].execute(_UNIQUE).fetchall() for part in (steps[:known], steps)]
    ((oldest,),) = database.execute("SELECT version FROM oldest_writer").fetchall()
    is_additive = unique[0] == unique[1] and all(
        set(columns) <= set(after.get(table, ()))
        and all(may_be_left_out for name, may_be_left_out in after[table].items() if name not in columns)
        for table, columns in before.items()
    )
    return not is_additive and oldest <= known


_UNIQUE = """
    SELECT m.tbl_name, i.name FROM sqlite_master AS m JOIN pragma_index_list(m.tbl_name) AS i
    WHERE m.type = 'table' AND i."unique" AND m.name IN (
        'executions', 'losses', 'running', 'model_calls', 'span_links', 'reported_costs', 'feedback'
    ) ORDER BY 1, 2
"""


def test_steps_only_add_or_say_so():
    """Every release from the one with the second number on."""
    for known in range(13, len(migrations.STEPS)):
        assert not breaks_older_writers(migrations.STEPS, known), known


@pytest.mark.parametrize(
    ("statement", "breaks"),
    [
        ("ALTER TABLE executions ADD COLUMN a TEXT", False),
        ("ALTER TABLE executions ADD COLUMN a TEXT NOT NULL DEFAULT ''", False),
        ("CREATE TABLE a (b TEXT NOT NULL)", False),
        ("CREATE INDEX a ON executions (task_type)", False),
        ("CREATE UNIQUE INDEX a ON executions (task_type)", True),
        ("ALTER TABLE feedback RENAME COLUMN comment TO remark", True),
        ("DROP TABLE losses", True),
    ],
)
def test_step_that_breaks_older_releases_is_noticed(statement, breaks):
    steps = (*migrations.STEPS, lambda db: db.execute(statement))
    saying = (*steps, lambda db: db.execute(f"UPDATE oldest_writer SET version = {len(steps)}"))

    assert breaks_older_writers(steps, len(steps) - 1) is breaks
    assert not breaks_older_writers(saying, len(steps) - 1)
