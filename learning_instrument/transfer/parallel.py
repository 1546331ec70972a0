"""Reads the files of an import in several processes: validation is Python code, which one process runs one at a time.

The batches come in the order of the parts, whichever process reads them, so that the result is the same as without
processes. What is read ahead is bounded in bytes.
"""

import contextlib
import json
import os
import pickle
import stat
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError, LearningInstrumentError
from ..safety import threads
from ..sqlite.paths import size_of
from ..sqlite.selection import Selection
from .reader_process import END, READY, UnexpectedError, read_frame, write_frame
from .reading import Reading
from .sources import Part

#: What one process reads in the time that others take to start.
_LEAST_BYTES: Final = 8 * 2**20
#: More would wait for the one that writes.
_MOST_PROCESSES: Final = 8
_MOST_BYTES_AHEAD: Final = 32 * 2**20
#: Ctrl-C is for the import, which ends the processes.
_PROGRAM: Final = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); import json, sys; "
    "sys.path[:] = json.loads(sys.argv[1]); from learning_instrument.transfer.reader_process import main; main()"
)
_JOIN_SECONDS: Final = 5.0


def processes_for(parts: Sequence[Part]) -> int:
    """Return the number of processes that reading these takes least time with; 0: none besides this one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    files = {part.file for part in parts if _is_regular(part.file)}
    if cores < 2 or not sys.executable or sum(map(size_of, files)) < _LEAST_BYTES:
        return 0
    return min(cores, _MOST_PROCESSES, sum(part.file in files for part in parts))


class ReaderProcesses:
    """Processes that read parts of files ahead.

    Args:
        parts: the parts, in the order in which they are taken.
        selection: the executions that are wanted.
        target: the path of the database that they go into.
        count: the number of processes. Where none starts, the import reads all itself.
    """

    def __init__(self, parts: Sequence[Part], selection: Selection, target: str, count: int) -> None:
        self._parts = parts
        self._waiting = deque(number for number, part in enumerate(parts) if _is_regular(part.file))
        self._changed = threading.Condition()
        self._frames: dict[int, deque[bytes | None]] = {}
        self._bytes = 0
        self._current = 0
        self._is_closed = False
        self._threads: list[threads.BackgroundThread] = []
        self._processes = [process for process in map(_started, range(count)) if process is not None]
        self._running = 0
        head = pickle.dumps((selection, target))
        for process in self._processes:
            self._running += 1
            if not threads.start("learning-instrument-import", self._serve, process, head, known=self._know):
                self._running -= 1

    def _know(self, thread: threads.BackgroundThread | None) -> None:
        if thread is not None:
            self._threads.append(thread)

    def take(self, number: int) -> Iterator[Reading | LearningInstrumentError] | None:
        """Return the batches of a part, and the error that ended it; None where no process reads it."""
        with self._changed:
            self._current = number
            self._changed.notify_all()
            while number in self._waiting and self._running:
                self._changed.wait()
            if number in self._frames:
                return self._taken(number)
            if number in self._waiting:
                self._waiting.remove(number)
            return None

    def close(self) -> None:
        """End the processes."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for process in self._processes:
            process.kill()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _taken(self, number: int) -> Iterator[Reading | LearningInstrumentError]:
        while frame := self._next_frame(number):
            found = pickle.loads(frame)  # noqa: S301 - of a process of ours
            if isinstance(found, UnexpectedError):
                raise found
            yield found
        if frame is None:
            yield ConfigurationError(f"Cannot read {self._parts[number].file}: the process that read it was ended.")

    def _next_frame(self, number: int) -> bytes | None:
        with self._changed:
            while not self._frames[number]:
                self._changed.wait()
            frame = self._frames[number].popleft()
            self._bytes -= len(frame or b"")
            if not frame:
                del self._frames[number]
            self._changed.notify_all()
            return frame

    def _serve(self, process: "subprocess.Popen[bytes]", head: bytes) -> None:
        """Let *process* read parts, one after another, until there are no more, or it ends."""
        try:
            with contextlib.suppress(OSError):
                self._serve_parts(process, head)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _serve_parts(self, process: "subprocess.Popen[bytes]", head: bytes) -> None:
        asking, answers = process.stdin, process.stdout
        if asking is None or answers is None:
            return
        write_frame(asking, head)
        if read_frame(answers) != READY:
            return
        while (number := self._next_part()) is not None:
            frame: bytes | None = None
            try:
                write_frame(asking, pickle.dumps(tuple(self._parts[number])))
                while frame := read_frame(answers):
                    self._put(number, frame)
            finally:
                self._put(number, END if frame == END else None)
            if frame is None:
                return

    def _next_part(self) -> int | None:
        with self._changed:
            if not self._waiting:
                return None
            number = self._waiting.popleft()
            self._frames[number] = deque()
            self._changed.notify_all()
            return number

    def _put(self, number: int, frame: bytes | None) -> None:
        """Keep a frame until it is taken. That of a later part waits while there is much to take."""
        with self._changed:
            while self._bytes > _MOST_BYTES_AHEAD and self._may_wait(number):
                self._changed.wait()
            self._frames[number].append(frame)
            self._bytes += len(frame or b"")
            self._changed.notify_all()

    def _may_wait(self, number: int) -> bool:
        return not self._is_closed and (number != self._current or bool(self._frames[number]))


def _started(_: int) -> "subprocess.Popen[bytes] | None":
    """Start a process with the modules that this one has; None where it cannot be started."""
    path = [*sys.path, str(Path(__file__).parents[2])]
    try:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-c", _PROGRAM, json.dumps([each for each in path if isinstance(each, str)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):
        return None


def _is_regular(path: str) -> bool:
    """Tell whether another process can read the file as well as this one: no pipe."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
