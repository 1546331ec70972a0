"""Limits of age, number and size."""

from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.errors import ConfigurationError
from learning_instrument.record import row_from_record
from learning_instrument.rollups.catch_up import catch_up_fully
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage.retention import LEAST_BYTES, Limits, retention, trim, used_bytes


@pytest.fixture
def connection(tmp_path):
    """A connection for writing to a new database."""
    connection = WriteConnection(str(tmp_path / "learning.db"), 1.0)
    yield connection
    connection.close()


def fill(connection, days, summary=""):
    now = datetime.now(timezone.utc)
    connection.insert(
        [
            row_from_record(
                ExecutionRecord(task_type=f"{day}", timestamp=now - timedelta(days=day), solution_summary=summary)
            )
            for day in days
        ]
    )


def kept(connection):
    return [
        task_type for (task_type,) in connection.execute("SELECT task_type FROM executions ORDER BY timestamp DESC")
    ]


def test_sizes_are_bytes_or_text(subtests, monkeypatch):
    """With any unit."""
    monkeypatch.setattr("learning_instrument.storage.retention.LEAST_BYTES", 1)
    for size, expected in [
        (1, 1),
        (4096, 4096),
        ("10", 10),
        ("500MB", 500 * 10**6),
        ("1.5 GB", 1_500_000_000),
        ("2kb", 2000),
        ("1TB", 10**12),
        ("7B", 7),
    ]:
        with subtests.test(size=size, expected=expected):
            assert retention(None, size) == Limits(max_bytes=expected)


def test_size_that_would_delete_everything_is_refused(connection, subtests):
    """An empty database is larger."""
    for size in [1, 999_999, "200KB", "0.9 MB"]:
        with subtests.test(size=size), pytest.raises(ConfigurationError, match=r"max_size .* expected at least 1MB\.$"):
            retention(None, size)
    connection.execute("SELECT 1")

    assert 200_000 < used_bytes(connection) < 350_000
    assert retention(None, "1MB") == Limits(max_bytes=LEAST_BYTES)


def test_invalid_sizes_are_refused(subtests):
    """The message has the value."""
    for size in [0, -1, True, 1.5, "", "MB", "-1MB", "0GB", "1 PB", "many", b"1MB"]:
        with subtests.test(size=size), pytest.raises(ConfigurationError, match="max_size"):
            retention(None, size)


@pytest.mark.parametrize("days", [0, -1, "7", float("nan")])
def test_invalid_days_are_refused(days):
    """The message has the value."""
    with pytest.raises(ConfigurationError, match="retention_days"):
        retention(days, None)


@pytest.mark.parametrize("days", [10**9, float("inf")])
def test_days_before_the_first_year_delete_nothing(connection, days):
    """An age beyond the calendar is a limit that nothing reaches."""
    fill(connection, [0, 9000])

    assert trim(connection, retention(days, None)) is False

    assert kept(connection) == ["0", "9000"]


def test_newest_rows_stay_by_number(connection):
    """Wherever rows in between are missing."""
    fill(connection, [5, 0, 9, 1, 3])
    connection.execute("DELETE FROM executions WHERE task_type = '9'")

    assert trim(connection, Limits(keep=2)) is False

    assert kept(connection) == ["0", "1"]


def test_rows_within_the_limits_stay(connection):
    """No work is left."""
    fill(connection, [0, 1, 2])

    assert trim(connection, Limits(timedelta(days=3), max_bytes=10**9)) is False

    assert kept(connection) == ["0", "1", "2"]


def test_older_rows_are_deleted(connection):
    """In any order of writing."""
    fill(connection, [5, 0, 9, 1, 3])

    assert trim(connection, Limits(timedelta(days=2.5))) is False

    assert kept(connection) == ["0", "1"]


def test_a_slice_is_bounded(connection):
    """The result tells that more is left."""
    fill(connection, [10] * 11_000)

    assert trim(connection, Limits(timedelta(days=1))) is True
    assert 0 < len(kept(connection)) < 11_000
    assert trim(connection, Limits(timedelta(days=1))) is False
    assert kept(connection) == []


def test_oldest_rows_are_deleted_first_and_no_more_than_needed(connection):
    """By size."""
    fill(connection, range(200), "x" * 3000)

    while trim(connection, Limits(max_bytes=700_000)):
        pass

    days = kept(connection)
    assert days == [f"{day}" for day in range(len(days))]
    assert 60 < len(days) < 170


def test_what_rollups_still_have_of_deleted_rows_deletes_no_others(connection):
    """They alone are larger than the limit; each trim is followed by their advance."""
    fill(connection, range(2000), "x" * 1000)
    catch_up_fully(connection, lambda what, done, of: None)

    while trim(connection, Limits(max_bytes=1_000_000)):
        catch_up_fully(connection, lambda what, done, of: None)

    days = kept(connection)
    assert days == [f"{day}" for day in range(len(days))]
    assert 200 < len(days) < 400
    assert used_bytes(connection) <= 1_000_000


def test_freed_pages_leave_the_file(connection, tmp_path):
    """The file gets smaller, not only emptier."""
    fill(connection, range(1000), "x" * 3000)
    connection.checkpoint()
    before = (tmp_path / "learning.db").stat().st_size

    while trim(connection, Limits(timedelta(days=10))):
        pass
    connection.checkpoint()

    assert (tmp_path / "learning.db").stat().st_size < before / 4


def test_limit_below_the_empty_database_ends(connection):
    """A limit smaller than the empty file deletes all rows, and stops."""
    fill(connection, range(10))

    while trim(connection, Limits(max_bytes=1)):
        pass

    assert kept(connection) == []
