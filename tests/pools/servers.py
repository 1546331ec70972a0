"""Servers that libraries need, from the distribution's packages: started once for a process, and stopped at its end."""

import atexit
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time

from ..fresh import ROOT


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer.")


@functools.cache
def redis_url() -> str:
    """Return the address of a redis-server of this process, which is empty."""
    folder, port = tempfile.mkdtemp(), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)

    def stop() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _wait_for(port, process)
    return f"redis://127.0.0.1:{port}/0"


class Worker:
    """A process that works for as long as the same database is recorded into, and is replaced then."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._database: str | None = None
        atexit.register(self.stop)

    def start(self, **variables: str) -> None:
        """Start the process, unless it runs."""
        database = os.environ.get("LEARNING_INSTRUMENT_DATABASE", "")
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"{self._command!r} has ended.")
        if self._process is None or self._database != database:
            self.stop()
            self._database = database
            environment = {**os.environ, **variables}
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        """Stop the process, as ``kill`` does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
