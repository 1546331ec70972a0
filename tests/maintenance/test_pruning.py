"""Deletes executions beyond limits, after archiving them."""

import contextlib
from datetime import datetime, timedelta, timezone

import pyarrow.compute
import pyarrow.parquet
import pytest
from transfer import live

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import Selection
from learning_instrument.analytics.group_totals import totals
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.maintenance import Limits, chosen_rows, limits, prune
from learning_instrument.maintenance.doctor.derived import compare_derived
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import catch_up, cubes
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.transfer import import_executions


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("pruning") / "learning.db"
    now = datetime.now(timezone.utc)
    with LearningDatabase(path) as database:
        database.append(
            ExecutionRecord(
                task_type="t",
                task_id=f"{day}",
                timestamp=now - timedelta(days=day, minutes=1),
                solution_summary="x" * (day // 4),
                complexity_score=50.5,
            )
            for day in range(2000)
        )
    return path.read_bytes()


@pytest.fixture
def path(content, tmp_path):
    """The path of a database with an execution for each of the last 2,000 days, the older the larger."""
    path = tmp_path / "learning.db"
    path.write_bytes(content)
    return str(path)


@pytest.fixture
def days(path):
    """Return the days that are left, the newest first."""

    def days():
        with LearningDatabase(path) as database:
            rows = database.query("SELECT task_id FROM executions ORDER BY timestamp DESC")
        return [int(row["task_id"]) for row in rows]

    return days


@pytest.mark.parametrize(
    ("beyond", "left"),
    [
        (Limits(older_than=timedelta(days=30)), 30),
        (Limits(keep=7), 7),
        (Limits(keep=0), 0),
        (Limits(keep=5000), 2000),
        (Limits(older_than=timedelta(days=30), keep=100), 30),
        (Limits(older_than=timedelta(days=300), keep=100), 100),
        (Limits(older_than=timedelta(days=999_999)), 2000),
    ],
)
def test_oldest_executions_beyond_any_limit_are_deleted(path, days, beyond, left):
    done = prune(path, beyond)

    assert days() == list(range(left))
    assert (done.executions, done.of, done.archived) == (2000 - left, 2000, 0)


def test_size_is_within_its_limit(path, days, tmp_path):
    """Though deleted rows are larger than kept ones; the file is no larger either."""
    archive = str(tmp_path / "old.parquet")

    done = prune(path, Limits(max_bytes=400_000), archive)

    assert done.bytes_after <= 400_000
    assert (tmp_path / "learning.db").stat().st_size <= 400_000
    left = days()
    assert left == list(range(len(left)))
    assert len(left) > 50
    assert sorted(map(int, pyarrow.parquet.read_table(archive)["task_id"].to_pylist())) == list(range(len(left), 2000))


def test_archive_has_the_rows_as_they_were(path, tmp_path):
    """In the columns of the table, with types."""
    with LearningDatabase(path) as database:
        expected = database.query("SELECT * FROM executions ORDER BY timestamp LIMIT 3")

    prune(path, Limits(keep=1997), str(tmp_path / "old.parquet"))

    table = pyarrow.parquet.read_table(tmp_path / "old.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    rows = [{**row, "timestamp": row["timestamp"].isoformat(timespec="microseconds")} for row in table.to_pylist()]
    assert rows == expected
    assert [file.name for file in tmp_path.iterdir() if "unfinished" in file.name] == []


def test_archive_that_is_imported_again_is_what_was_there(tmp_path, monkeypatch):
    """With feedback, model calls and reported costs."""
    prices = tmp_path / "prices.toml"
    prices.write_text(live.PRICES)
    monkeypatch.setenv("LEARNING_INSTRUMENT_PRICES", str(prices))
    path, archive = str(tmp_path / "learning.db"), str(tmp_path / "old.parquet")
    live.recorded(path)
    with LearningDatabase(path) as database:
        execution_id = database.query("SELECT max(execution_id) AS last FROM executions")[0]["last"]
        database.add_feedback(execution_id, rating=4, comment="for me")
    before = live.tables(path)
    assert all(before.values())

    prune(path, Limits(keep=0), archive)
    assert not any(live.tables(path).values())
    import_executions(path, [archive])

    assert live.tables(path) == before


def test_rehearsal_changes_nothing(path, days):
    assert prune(path, Limits(keep=1), is_rehearsal=True).executions == 1999
    assert len(days()) == 2000


@pytest.mark.parametrize("stage", ["Archiving", "Deleting"])
def test_interruption_loses_nothing(path, days, tmp_path, stage):
    """Nothing is deleted before the archive is complete; rows deleted before the interruption stay deleted."""
    archive = tmp_path / "old.parquet"

    def interrupt(what, done, of):
        if what == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(path, Limits(keep=0), str(archive), progress=interrupt)

    left = len(days())
    if stage == "Archiving":
        assert (left, archive.exists()) == (2000, False)
    else:
        assert 0 < left < 2000
        assert pyarrow.parquet.read_table(archive).num_rows == 2000
    assert [file.name for file in tmp_path.iterdir() if "unfinished" in file.name] == []


def test_execution_stored_meanwhile_is_not_deleted_unarchived(path, days, tmp_path):
    """Though it is older than all others."""
    late = ExecutionRecord(task_type="t", task_id="9999", timestamp=datetime(2000, 1, 1, tzinfo=timezone.utc))
    archive = tmp_path / "old.parquet"

    def record_one(what, done, of):
        if what == "Archiving" and done == of == 2000:
            with LearningDatabase(path) as database:
                database.append([late])

    done = prune(path, Limits(keep=0), str(archive), progress=record_one)

    assert (days(), done.executions, done.archived) == ([], 2001, 2001)
    assert pyarrow.parquet.read_table(archive)["task_id"].to_pylist()[-1] == "9999"


@pytest.mark.parametrize("archive", ["learning.db", "no/such/folder/old.parquet"])
def test_archive_that_cannot_be_made_deletes_nothing(path, days, tmp_path, archive):
    with pytest.raises(ConfigurationError):
        prune(path, Limits(keep=0), str(tmp_path / archive))

    assert len(days()) == 2000


def test_missing_database_is_not_made(tmp_path):
    with pytest.raises(DatabaseError, match="There is no database"):
        prune(str(tmp_path / "missing.db"), Limits(keep=0))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [(None, None, None), (None, -1, None), (None, None, "huge"), (None, None, 0)])
def test_invalid_limits_are_refused(given):
    with pytest.raises(ConfigurationError):
        limits(*given)


@pytest.mark.parametrize("archive", [None, "old.parquet"])
def test_reports_are_right_while_whole_days_are_deleted(tmp_path, monkeypatch, archive):
    """Others record late rows of these days, change and delete rows, and advance the roll-ups."""
    monkeypatch.setattr(chosen_rows, "SLICE_ROWS", 100)
    path, start = str(tmp_path / "learning.db"), datetime(2026, 11, 1, tzinfo=timezone.utc)
    taken_out = []

    def row_at(minute):
        outcome = Outcome.FAILED if minute % 3 else Outcome.SUCCEEDED
        moment = start + timedelta(minutes=minute)
        return row_from_record(ExecutionRecord(task_type="t", timestamp=moment, outcome=outcome, duration_seconds=1.0))

    def is_right():
        with ReadOnlyDatabase(path) as database:
            names = ("executions", "succeeded", "duration_us")
            said, rows = (totals(database, ("day",), Selection(), names, with_rollups=with_) for with_ in (True, False))
            assert said == rows
            assert list(compare_derived(database)) == []

    def live(what, done, of):
        if what == "Deleting" and of > 100:  # in the first round
            is_right()
            taken_out.extend(other.execute("SELECT count(*) FROM rollup_changes WHERE timestamp = '~'")[0])
            other.insert([row_at(4 * done), row_at(4 * done + 400), row_at(9000)])
            other.execute("UPDATE executions SET success = 1 - success WHERE rowid IN (?, ?)", (done + 10, done + 500))
            other.execute("UPDATE executions SET timestamp = '2026-11-06T01' WHERE rowid = ?", (done + 120,))
            other.execute("DELETE FROM executions WHERE rowid = ?", (done + 130,))
            if done % 400 == 0:
                cubes.advance(other, 300)
            is_right()

    with contextlib.closing(WriteConnection(path, 5.0)) as other:
        other.insert([row_at(4 * number) for number in range(2000)])
        while catch_up.advance(other):
            pass
        prune(path, Limits(keep=500), archive and str(tmp_path / archive), progress=live)

        is_right()
        assert other.execute("SELECT count(*) FROM executions") == [(500,)]
        assert max(taken_out) > 300
        assert other.execute("SELECT count(*) FROM rollup_changes") == [(0,)]


def test_path_may_be_relative_or_in_the_home_folder(path, days, tmp_path, monkeypatch):
    """As for the database itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    assert prune("learning.db", Limits(keep=1000)).executions == 1000
    assert prune("~/learning.db", Limits(keep=10), "~/old.parquet").archived == 990
    assert (tmp_path / "old.parquet").is_file()
    assert days() == list(range(10))


def replace_rows(path, statement="DELETE FROM executions"):
    """Delete rows as another program does, and store as many new ones, which get the same rowids."""
    with contextlib.closing(WriteConnection(path, 5.0)) as connection:
        connection.execute(statement)
        new = [ExecutionRecord(task_type="new", task_id="-1") for _ in range(700)]
        connection.insert([row_from_record(record) for record in new])


@pytest.mark.parametrize("archive", [None, "old.parquet"])
@pytest.mark.parametrize("stage", ["Archiving", "Deleting"])
def test_rows_that_took_the_numbers_of_others_stay(path, days, tmp_path, stage, archive):
    """The listed ones are gone, and new ones have their rowids."""
    is_first = True

    def replace_all(what, done, of):
        nonlocal is_first
        if is_first and what == stage:
            is_first = False
            replace_rows(path)

    prune(path, Limits(keep=1000), archive and str(tmp_path / archive), progress=replace_all)

    assert is_first is (archive is None and stage == "Archiving")
    if not is_first:
        assert days() == [-1] * 700


def test_row_that_changed_after_it_was_archived_is_archived_again(path, days, tmp_path):
    """Such as a lost execution whose result came; then it is deleted as it is in the archive."""
    archive = str(tmp_path / "old.parquet")
    changed = []

    def change_one(what, done, of):
        if what == "Archiving" and not changed:
            changed.append(True)
            with contextlib.closing(WriteConnection(path, 5.0)) as connection:
                connection.execute("UPDATE executions SET solution_summary = 'changed' WHERE task_id = '1999'")

    done = prune(path, Limits(keep=1990), archive, progress=change_one)

    found = pyarrow.parquet.read_table(archive).filter(pyarrow.compute.field("task_id") == "1999")
    assert found["solution_summary"].to_pylist()[-1] == "changed"
    assert (days()[-1], done.executions, done.archived) == (1989, 10, 11)


def test_archive_has_the_columns_of_a_newer_release(path, tmp_path):
    """Though this one does not know them: the rows are deleted."""
    with contextlib.closing(WriteConnection(path, 5.0)) as connection:
        for column in ("of_newer INTEGER", '"with space" TEXT', "odd"):
            connection.execute(f"ALTER TABLE executions ADD COLUMN {column}")
        connection.execute("""UPDATE executions SET of_newer = 5, "with space" = 'a', odd = x'00ff'""")

    prune(path, Limits(keep=1999), str(tmp_path / "old.parquet"))

    (row,) = pyarrow.parquet.read_table(tmp_path / "old.parquet").to_pylist()
    assert (row["task_id"], row["of_newer"], row["with space"], row["odd"]) == ("1999", 5, "a", "00FF")
    with LearningDatabase(tmp_path / "other.db") as other:
        assert import_executions(other, [tmp_path / "old.parquet"]).stored == 1
