"""Another writer's lock is waited for while its holder makes progress."""

import contextlib
import sqlite3
import threading

import pytest

from learning_instrument.sqlite import busy

#: About a second of work that writes nothing.
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT max(i) FROM n"


@pytest.fixture
def path(empty_file, monkeypatch):
    """A database, and little patience."""
    monkeypatch.setattr(busy, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(busy, "_SIGN_SECONDS", 0.05)
    return str(empty_file)


@pytest.fixture
def locked(path):
    """Hold the lock in another thread: with ``shows_life`` for as long as a migration, else until the block is left."""

    @contextlib.contextmanager
    def locked(shows_life):
        holds, is_left = threading.Event(), threading.Event()
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

        def work():
            connection.execute("BEGIN IMMEDIATE")
            holds.set()
            if shows_life:
                with busy.showing_life(connection):
                    connection.execute(LONG)
            else:
                is_left.wait()
            connection.execute("ROLLBACK")

        thread = threading.Thread(target=work)
        thread.start()
        holds.wait()
        try:
            yield
        finally:
            is_left.set()
            thread.join()
        connection.close()

    return locked


def write(path):
    with contextlib.closing(sqlite3.connect(path, timeout=0.01, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        return "written"


def test_long_migration_of_another_process_is_waited_for(path, locked):
    """It writes nothing before its end, and shows that it goes on."""
    with locked(shows_life=True):
        assert busy.retry_while_busy(path, lambda: write(path)) == "written"


def test_holder_without_progress_is_an_error_in_the_end(path, locked):
    """It may have been stopped."""
    with locked(shows_life=False), pytest.raises(sqlite3.OperationalError, match="locked"):
        busy.retry_while_busy(path, lambda: write(path))


def test_fault_is_not_waited_for(path):
    """Only a lock ends by itself."""
    calls = []

    def fail():
        calls.append(None)
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError, match="disk"):
        busy.retry_while_busy(path, fail)
    assert len(calls) == 1
