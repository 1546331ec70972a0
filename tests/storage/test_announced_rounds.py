"""A round of retention that deletes much is announced first, and a wrong clock does not begin it."""

import contextlib
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.database import store_of
from learning_instrument.maintenance import Limits, prune
from learning_instrument.maintenance.doctor import examine
from learning_instrument.record import row_from_record
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage import retention
from learning_instrument.storage.announced_rounds import AnnouncedRounds

NOW = datetime.now(timezone.utc)
YEAR, DAY, HOUR, MINUTE = timedelta(days=365), timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LIMITS = Limits(timedelta(days=90))


@pytest.fixture
def connection(database):
    """A connection for writing to a new database."""
    database.open()
    connection = WriteConnection(database.path, 1.0)
    yield connection
    connection.close()


@pytest.fixture
def at(connection, monkeypatch):
    """Do a round of retention as a new process does, with a clock so much after NOW; return how many rows are left."""

    def at(passed, limits=LIMITS, rounds=None):
        monkeypatch.setattr(retention, "utc_now", lambda: NOW + passed)
        rounds = rounds or AnnouncedRounds(limits)
        while rounds.trim(connection):
            pass
        return retention.count(connection)

    return at


def insert(connection, count, age=timedelta(0), **values):
    timestamp = NOW - age
    records = [
        ExecutionRecord(task_type="t", timestamp=timestamp + timedelta(seconds=n), **values) for n in range(count)
    ]
    connection.insert([row_from_record(record) for record in records])


def announced(connection):
    return connection.execute("SELECT executions, total FROM retention_rounds")


def test_round_that_deletes_much_begins_an_hour_after_its_announcement(connection, at, caplog):
    """It says once how much, and what does it at once; then it deletes all that is beyond the limit."""
    insert(connection, 1500, 100 * DAY)
    insert(connection, 1000)
    rounds = AnnouncedRounds(LIMITS)

    assert [at(passed, rounds=rounds) for passed in (0 * MINUTE, MINUTE, 59 * MINUTE)] == [2500] * 3
    assert announced(connection) == [(1500, 2500)]
    (record,) = caplog.records
    assert "would delete 1500 of 2500 executions" in record.getMessage()
    assert "learning-instrument prune --older-than 90d does it at once" in record.getMessage()
    assert at(61 * MINUTE, rounds=rounds) == 1000
    at(62 * MINUTE, rounds=rounds)
    assert announced(connection) == []
    assert len(caplog.records) == 1


def test_short_processes_continue_with_the_announcement_of_others(connection, at, caplog):
    """It is in the file; each is another process, and only the first says so."""
    insert(connection, 100, 100 * DAY)

    assert [at(n * 10 * MINUTE) for n in range(8)] == [100] * 6 + [0] * 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize("every", [3 * HOUR, DAY, 7 * DAY, 100 * DAY])
def test_file_that_is_seldom_used_forgets_in_the_end(connection, at, every):
    """At the second look after the announcement, or before."""
    insert(connection, 1000, 100 * DAY)

    assert [at(n * every) for n in range(3)][-1] == 0


def test_small_rounds_are_not_announced(connection, at):
    """As those of a file in steady use, of any size."""
    insert(connection, 50, 91 * DAY)
    insert(connection, 500)
    assert at(0 * MINUTE) == 500
    connection.execute("DELETE FROM executions WHERE rowid > 70")
    insert(connection, 10, 91 * DAY)
    insert(connection, 10)

    assert (
        at(0 * MINUTE)
        == retention.count(connection)
        == connection.execute("SELECT count(*) FROM executions WHERE timestamp > ?", [(NOW - 90 * DAY).isoformat()])[0][
            0
        ]
    )
    assert announced(connection) == []


def test_process_a_year_ahead_does_not_begin_the_round_of_another(connection, at, caplog):
    """For it, the announcement is a year old; it says that the clocks may differ, and so does the other one then."""
    insert(connection, 500, 100 * DAY)
    insert(connection, 2500)
    assert at(0 * MINUTE) == 3000

    assert [at(YEAR), at(YEAR + MINUTE), at(YEAR + 2 * MINUTE)] == [3000] * 3
    assert "announced long ago" in caplog.messages[-1]
    assert at(2 * HOUR) == 3000
    assert "clocks of the processes that record here disagree" in caplog.messages[-1]
    assert at(YEAR + 2 * HOUR) == 3000
    assert at(4 * HOUR) == 3000
    assert at(6 * HOUR) == 2500


def test_announcement_that_no_longer_applies_is_withdrawn(connection, at):
    """By a process with the right clock, before the hour of the wrong one is over; not by one with other limits."""
    insert(connection, 3000)
    assert at(YEAR) == 3000
    assert len(announced(connection)) == 1
    at(MINUTE, Limits(timedelta(days=1000)))
    assert len(announced(connection)) == 1

    at(30 * MINUTE)

    assert announced(connection) == []
    assert at(YEAR + 2 * HOUR) == 3000


def test_executions_of_others_show_that_the_clock_is_ahead(connection, at, caplog):
    """They are stored after the announcement, and from long before it."""
    insert(connection, 3000)
    assert at(YEAR) == 3000

    for hours in (2, 4, 6):
        insert(connection, 1, -hours * HOUR)
        assert at(YEAR + hours * HOUR) > 3000

    assert "disagree" in caplog.messages[-1]


def test_long_executions_do_not(connection, at):
    """Their start is long ago, and their end is not."""
    insert(connection, 1000, 100 * DAY)
    at(0 * MINUTE)
    insert(connection, 10, 5 * DAY, duration_seconds=5 * 86400.0)

    assert at(2 * HOUR) == 10


def test_round_deletes_up_to_where_it_began(connection, at):
    """A process with a wrong clock that continues it deletes nothing else."""
    insert(connection, 500, 100 * DAY)
    insert(connection, 2000)
    at(0 * MINUTE)
    (boundary,) = connection.execute("SELECT max(timestamp) FROM executions WHERE rowid <= 500")[0]
    connection.execute("UPDATE retention_rounds SET boundary = ?", [boundary])  # another process has begun

    assert [at(YEAR), at(YEAR + MINUTE)] == [2000] * 2
    assert announced(connection) == [(2000, 2000)]


def test_size_is_a_round_as_well(connection, at):
    insert(connection, 3000, solution_summary="x" * 1000)
    limits = Limits(max_bytes=1_000_000)

    assert at(0 * MINUTE, limits) == 3000
    assert announced(connection)[0][1] == 3000
    for hours in range(2, 10, 2):
        at(hours * HOUR, limits)

    assert 300 < retention.count(connection) < 1500
    assert retention.used_bytes(connection) <= 1_000_000


def test_doctor_shows_the_announcement_and_prune_ends_it(connection, at, database):
    """With the command that does it at once."""
    insert(connection, 40, 100 * DAY)
    insert(connection, 60)
    at(0 * MINUTE)

    (finding,) = [finding for finding in examine(database.path, {}) if finding.check == "retention"]
    assert "(--older-than 90d) will delete 40 of 100 executions" in finding.what
    assert "learning-instrument prune --older-than 90d does it at once" in finding.remedy
    assert prune(database.path, LIMITS).executions == 40
    assert announced(connection) == []


def test_unreadable_spill_files_wait_as_well(database, tmp_path, monkeypatch):
    """They are deleted by age, by the same clock."""
    database.open()
    aside = tmp_path / f"learning.db.spill-1-{'0' * 16}.unreadable"
    aside.touch()
    os.utime(aside, (0, 0))
    housekeeping = store_of(database)._housekeeping
    housekeeping.limit(LIMITS)
    with contextlib.closing(WriteConnection(database.path, 1.0)) as connection:
        insert(connection, 100, 100 * DAY)
        housekeeping.run(connection, bool, bool)
        assert aside.exists()
        monkeypatch.setattr(retention, "utc_now", lambda: NOW + 2 * HOUR)
        while housekeeping.run(connection, bool, bool):
            pass
        housekeeping.run(connection, bool, bool)

    assert not aside.exists()


PROGRAM = """
import datetime, sys, time
path, days = sys.argv[1], float(sys.argv[2])
seconds, real = days * 86400, datetime.datetime
class Shifted(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(days=days)
datetime.datetime = Shifted
time_, time_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: time_() + seconds, lambda: time_ns() + int(seconds * 1e9)
from learning_instrument import configure, record_execution, shutdown
from learning_instrument.database import store_of
housekeeping = store_of(configure(path, retention_days=90))._housekeeping
record_execution(lambda task: None)({})
while housekeeping._trimmed == float("-inf"):  # it begins when the row is written; a shutdown before that leaves it out
    time.sleep(0.01)
shutdown()
"""


@pytest.mark.parametrize("first", [0, 365])
def test_program_with_a_wrong_clock_leaves_the_file_as_it_is(database, first):
    """Whether or not a right one looked before; it says what it would delete."""
    database.append([ExecutionRecord(task_type="t") for _ in range(3000)])
    database.close()

    results = [
        subprocess.run([sys.executable, "-c", PROGRAM, database.path, str(days)], capture_output=True, text=True)
        for days in (first, 365)
    ]

    assert [result.returncode for result in results] == [0, 0]
    assert "would delete 300" in "".join(result.stderr for result in results)
    assert len(database.query("SELECT 1 FROM executions")) == 3002
    assert store_of(database).statistics().stored == 3000
