"""Calls whose start their worker process notes, in memory that it shares with the process that submitted them.

A worker that is killed in the first second of a call leaves no other trace, and its executor does not tell a call that
ran from one that waited for a free worker. Linux has such memory without a file; elsewhere nothing is noted.
"""

import functools
import mmap
import os
import struct
from collections import deque
from typing import Any, Final, NamedTuple

from ..safety.clocks import time
from ..safety.guards import guarded

#: The time of the start, in nanoseconds of Unix time, and the number of the call, from 1; after the process.
_START: Final = struct.Struct("QQ")
#: The process that runs the call; 0 while none does. Written last.
_PROCESS: Final = struct.Struct("Q")
_NOTE_BYTES: Final = _PROCESS.size + _START.size
#: The most calls at a time: those that run, and those that wait in the pipe of their workers.
_MOST: Final = 2048


class Note(NamedTuple):
    """What a worker runs: the *number* is that of the call, where a pickled function is called more than once."""

    process_id: int
    started: int
    number: int


class _Place(NamedTuple):
    """Where a note is: memory of a process, known by its open file."""

    process_id: int
    descriptor: int
    device: int
    inode: int
    offset: int


class _Memory:
    """The notes of the calls that this process submits."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.descriptor = os.memfd_create("learning-instrument", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, _NOTE_BYTES * _MOST)
        self.bytes = mmap.mmap(self.descriptor, _NOTE_BYTES * _MOST)
        self.free = deque(range(0, _NOTE_BYTES * _MOST, _NOTE_BYTES))
        status = os.fstat(self.descriptor)
        self.device, self.inode = status.st_dev, status.st_ino

    @classmethod
    def of_this_process(cls) -> "_Memory":
        """Return that of this process. A forked child has one of its own."""
        process_id = os.getpid()
        memory = _memories.get(process_id)
        if memory is None:
            memory = _memories.setdefault(process_id, cls())
        return memory


_memories: Final[dict[int, _Memory]] = {}


class NotedCall:
    """A call to pickle for a worker process, which notes when it begins.

    Args:
        call: the call.
    """

    __slots__ = ("_memory", "_offset", "call")

    def __init__(self, call: Any) -> None:
        self.call = call
        self._memory: _Memory | None = None
        self._offset = 0

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it here, without a note."""
        return self.call(*args, **kwargs)

    def __reduce__(self) -> Any:
        place = guarded(self._take_place)
        return _received, (self.call, place)

    def _take_place(self) -> _Place | None:
        if self._memory is None:
            memory = _Memory.of_this_process()
            if not memory.free:
                return None
            self._offset = memory.free.popleft()
            _PROCESS.pack_into(memory.bytes, self._offset, 0)
            self._memory = memory
        memory = self._memory
        return _Place(memory.process_id, memory.descriptor, memory.device, memory.inode, self._offset)

    def note(self) -> Note | None:
        """Return what a worker is running of it, or was when it died; None where none does."""
        if self._memory is None:
            return None
        (process_id,) = _PROCESS.unpack_from(self._memory.bytes, self._offset)
        if not process_id:
            return None
        return Note(process_id, *_START.unpack_from(self._memory.bytes, self._offset + _PROCESS.size))

    def __del__(self) -> None:
        if self._memory is not None:  # that of a forked child is the parent's, which has this call as well
            self._memory.free.append(self._offset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.call, name)  # as that of the call

    def __repr__(self) -> str:
        return repr(self.call)


class _NotingCall:
    """A call in the worker process."""

    __slots__ = ("_bytes", "_call", "_number", "_offset")

    def __init__(self, call: Any, memory: mmap.mmap, offset: int) -> None:
        self._call = call
        self._bytes = memory
        self._offset = offset
        self._number = 0

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it, with a note as long as it runs."""
        self._number += 1
        _START.pack_into(self._bytes, self._offset + _PROCESS.size, time.time_ns(), self._number)
        _PROCESS.pack_into(self._bytes, self._offset, os.getpid())
        try:
            return self._call(*args, **kwargs)
        finally:
            _PROCESS.pack_into(self._bytes, self._offset, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __repr__(self) -> str:
        return repr(self._call)


def _received(call: Any, place: _Place | None) -> Any:
    """Return the call, in the process that runs it."""
    memory = None if place is None else guarded(_opened, place._replace(offset=0))
    return call if place is None or memory is None else _NotingCall(call, memory, place.offset)


@functools.lru_cache(maxsize=16)
def _opened(place: _Place) -> mmap.mmap | None:
    """Return the memory of another process; None where that has another file there now."""
    path = f"/proc/{place.process_id}/fd/{place.descriptor}"
    if not _is_at(place, os.stat(path)):  # first: opening some files has an effect
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, _NOTE_BYTES * _MOST) if _is_at(place, os.fstat(descriptor)) else None
    finally:
        os.close(descriptor)


def _is_at(place: _Place, status: os.stat_result) -> bool:
    return (status.st_dev, status.st_ino) == (place.device, place.inode)
