"""What another program does to the files of an open database is told from what SQLite does itself."""

import os

from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.file_watch import LOG_BYTES, Fault, watch

#: A log that starts over: its magic number, and a salt of its own.
START = b"\x37\x7f\x06\x82" + b"n" * 28


def test_log_that_sqlite_cuts_when_it_starts_over_is_no_fault(tmp_path):
    """Its beginning is new before the file is cut, and the disk may take its time between the two."""
    connection = WriteConnection(str(tmp_path / "learning.db"), 5.0)
    connection.open()
    log, files = f"{connection.path}-wal", watch(connection.path)
    for size in (2 * LOG_BYTES, LOG_BYTES):
        with open(log, "r+b") as file:
            file.write(START)
        os.truncate(log, size)
        assert files.fault() is None

    os.truncate(log, LOG_BYTES - 4096)
    assert files.fault() is Fault.LOG_CUT
    connection.abandon()
