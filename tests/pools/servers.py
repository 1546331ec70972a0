"""Servers that libraries need, from the distribution's packages: started once for a process, and stopped at its end."""

import atexit
import functools
import shutil
import socket
import subprocess
import tempfile
import time


class NoServer(Exception):
    """The server is not installed."""


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
    """Return the address of an empty redis-server of this process.

    Raises:
        NoServer: if there is none.
    """
    command = shutil.which("redis-server")
    if command is None:
        raise NoServer("redis-server")
    folder, port = tempfile.mkdtemp(), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([command, *options], stdout=subprocess.DEVNULL)

    def stop() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _wait_for(port, process)
    return f"redis://127.0.0.1:{port}/0"
