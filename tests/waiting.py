"""Waiting for what other threads and processes do."""

import signal
import subprocess
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until *condition* holds; fail where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def interrupt(process: "subprocess.Popen[bytes]", number: int = signal.SIGINT) -> int:
    """End *process* with the signal *number*; return its exit status.

    One signal may not do: CPython misses one that comes just before it waits in ``read()`` (15 of 50,000 at a prompt).
    """
    for _ in range(12):
        process.send_signal(number)
        try:
            return process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    return process.wait(0)
