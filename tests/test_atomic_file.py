"""A file is written whole or not at all, and what a killed process left is deleted."""

import os
import signal
import subprocess
import sys
import time

from learning_instrument.atomic_file import atomic_write

KILLED = """
import os, signal, sys
from learning_instrument.atomic_file import atomic_write
with atomic_write(sys.argv[1]):
    print("written", flush=True)
    sys.stdin.read()
"""


def unfinished(folder):
    """Return the temporary files in *folder*."""
    return [name for name in os.listdir(folder) if name.endswith(".unfinished")]


def test_temporary_file_of_a_killed_process_is_deleted_by_the_next(tmp_path):
    """One that is still written stays, however old; a new one stays as well."""
    path = str(tmp_path / "out.csv")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "written\n"
    (left,) = unfinished(tmp_path)
    hour_ago = time.time() - 3600
    os.utime(tmp_path / left, (hour_ago, hour_ago))

    with atomic_write(path):
        assert left in unfinished(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert unfinished(tmp_path) == [left]
    with atomic_write(path):
        pass
    assert unfinished(tmp_path) == []
    assert os.listdir(tmp_path) == ["out.csv"]
