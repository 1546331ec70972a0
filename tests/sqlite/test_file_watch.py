"""What another program does to the files of an open database is told from what SQLite does itself."""

import gc
import os

import pytest

from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.file_watch import LOG_BYTES, Fault, shared_watch

#: A log that starts over: its magic number, and a salt of its own.
START = b"\x37\x7f\x06\x82" + b"n" * 28


def test_log_that_sqlite_cuts_when_it_starts_over_is_no_fault(tmp_path):
    """Its beginning is new before the file is cut, and the disk may take its time between the two."""
    connection = WriteConnection(str(tmp_path / "learning.db"), 5.0)
    connection.open()
    log, files = f"{connection.path}-wal", shared_watch(connection.path)
    for size in (2 * LOG_BYTES, LOG_BYTES):
        with open(log, "r+b") as file:
            file.write(START)
        os.truncate(log, size)
        assert files.fault() is None

    os.truncate(log, LOG_BYTES - 4096)
    assert files.fault() is Fault.LOG_CUT
    connection.abandon()


@pytest.mark.parametrize("ending", ["closed", "dropped"])
def test_database_that_was_closed_opens_again_while_its_watch_is_kept(tmp_path, ending):
    """An exception that a log handler or a debugger keeps has our frames, and what these hold."""
    connection = WriteConnection(str(tmp_path / "learning.db"), 5.0)
    connection.open()
    path = connection.path
    kept = shared_watch(path)
    assert kept is not None
    if ending == "closed":
        connection.close()
    del connection
    gc.collect()

    again = WriteConnection(path, 0.0)  # without waiting for the log that a closed database lacks
    again.open()
    assert shared_watch(path) not in (None, kept)
    again.close()
