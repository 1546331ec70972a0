"""A command of the user's that is run for an event: JSON on its standard input, no shell, a time limit."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
from typing import Final

from .. import formatting
from ..errors import ConfigurationError

LIMIT_SECONDS: Final = 30.0
#: Between the signal that asks a command to end and the one that ends it.
_GRACE_SECONDS: Final = 1.0


class ChildCommand:
    """A command line, split into arguments once.

    Args:
        text: a program and its arguments, quoted as for a shell; none is involved.
        limit_seconds: a run that takes longer is ended, with all processes that it started.

    Raises:
        ConfigurationError: if there is no such program.
    """

    #: It may have told, and failed after that.
    is_retried = False

    def __init__(self, text: str, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit_seconds = limit_seconds
        self._arguments = _split(text)
        self._program = _found(self._arguments[0])
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._has_ended = False

    @property
    def name(self) -> str:
        """The name of the program: arguments may hold secrets."""
        return os.path.basename(self._arguments[0])

    @property
    def identity(self) -> str:
        """The whole command line."""
        return shlex.join(self._arguments)

    def tell(self, document: bytes) -> str | None:
        """Run the command with *document* on its standard input; return why it failed, or None."""
        try:
            with self._lock:
                if self._has_ended:
                    return None
                # In a session of its own: what it starts is ended with it.
                process = self._process = subprocess.Popen(  # noqa: S603
                    self._arguments, executable=self._program, stdin=subprocess.PIPE, start_new_session=True
                )
        except OSError as error:
            return f"{self.name} cannot be started: {error.strerror}."
        try:
            process.communicate(document, self._limit_seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"{self.name} was ended after {formatting.seconds(self._limit_seconds)}."
        if process.returncode == 0 or self._has_ended:
            return None
        if process.returncode < 0:
            return f"{self.name} failed: ended by signal {-process.returncode}."
        return f"{self.name} failed: exit code {process.returncode}."

    def end(self) -> None:
        """End the running command, and start no other."""
        with self._lock:
            self._has_ended = True
            process = self._process
        if process is not None and process.poll() is None:
            _end(process)


def _split(text: str) -> list[str]:
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(
            f"Invalid --exec {text!r}: {str(error).lower()}. Expected a program and its arguments, quoted as for a"
            " shell."
        ) from error
    if not arguments or not arguments[0]:
        raise ConfigurationError(f"Invalid --exec {text!r}: expected a program and its arguments.")
    return arguments


def _found(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    if os.path.isfile(name) and os.path.dirname(name):
        raise ConfigurationError(f"Command {name!r} is not executable: make it so (chmod +x), or name its interpreter.")
    raise ConfigurationError(f"Command {name!r} not found: check its spelling and your PATH.")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End *process* and those that it started: first they are asked to."""
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)  # its session's number, which no other process gets while a member lives
        else:
            process.send_signal(number)
