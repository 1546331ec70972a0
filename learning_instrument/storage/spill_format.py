"""The format of spill files: written, found, and read.

A spill file is written whole and at once: under a temporary name, then renamed. Its first line says format, version,
schema and counts; each further line is one execution, model call, link or loss, by the names of its columns.
"""

import contextlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NamedTuple

from ..columns import COLUMNS
from ..costs.attribution import SpanLink
from ..costs.call_store import ModelCallBatch
from ..costs.model_calls import ModelCall
from ..errors import DatabaseError
from ..ids import random_bits
from ..record import Row
from ..sqlite import schema
from ..sqlite.connection import Loss

_FORMAT: Final = "learning_instrument spill"
_VERSION: Final = 1
_UNFINISHED: Final = ".unfinished"
_UNREADABLE: Final = ".unreadable"
_LOSS: Final = ("timestamp", "process_id", "reason", "executions")
#: The longest first line that is read.
_HEAD_BYTES: Final = 4096


class NewerSpillError(DatabaseError):
    """A newer release wrote the spill file; it waits for a process of that release."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """The contents of a spill file."""

    executions: Sequence[Row] = ()
    #: Priced.
    model_calls: ModelCallBatch = field(default_factory=ModelCallBatch)
    #: Losses that no write has reported yet.
    losses: Sequence[Loss] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.executions or self.losses or self.model_calls.size or self.model_calls.due)


class Waiting(NamedTuple):
    """The spill files beside a database."""

    files: int
    executions: int
    #: Files that could not be read, and were set aside.
    unreadable: int


def write(path: str, spilled: Spilled) -> str:
    """Write *spilled* to a new file beside the database at *path*; return its path. Mode 0600.

    Raises:
        OSError: if the folder cannot be written.
        TypeError, ValueError: if a value is of no type that SQLite stores.
    """
    place = os.path.realpath(path)
    final = f"{place}.spill-{os.getpid()}-{random_bits(64):016x}"
    text = "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in _lines(spilled))
    unfinished = final + _UNFINISHED
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "w", encoding="ascii") as file:
            file.write(text)
        os.rename(unfinished, final)
    except BaseException:  # raised again, without the part that was written
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    return final


def can_be_written(row: Row) -> bool:
    """Tell whether *row* has only values that a spill file can hold."""
    return all(value is None or isinstance(value, (bool, int, float, str)) for value in row)


def files(path: str) -> list[str]:
    """Return the paths of the spill files beside the database at *path*, the oldest names first."""
    return _beside(path, "")


def unreadable_files(path: str) -> list[str]:
    """Return the paths of the spill files that were set aside."""
    return _beside(path, re.escape(_UNREADABLE))


def unfinished_files(path: str) -> list[str]:
    """Return the paths of the spill files that are being written, or whose process was killed meanwhile."""
    return _beside(path, re.escape(_UNFINISHED))


def waiting(path: str) -> Waiting:
    """Return the number of spill files beside the database at *path*, and of the executions in them."""
    found = files(path)
    executions = 0
    for file in found:
        try:
            with open_own(file) as handle:
                executions += int(_head(handle.readline(_HEAD_BYTES))["executions"])
        except (OSError, ValueError, LookupError, TypeError, DatabaseError):  # another user's, or unreadable
            continue
    return Waiting(len(found), executions, len(unreadable_files(path)))


def open_own(file: str) -> BinaryIO:
    """Open the spill file *file* for reading.

    Raises:
        OSError: if it cannot be read; a PermissionError if it is not a regular file of this user's.
    """
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    status = os.fstat(handle)
    is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if not (stat.S_ISREG(status.st_mode) and is_own):
        os.close(handle)
        raise PermissionError(f"{file} is not a regular file of this user's.")
    return open(handle, "rb")


def read(handle: BinaryIO) -> Spilled:
    """Return the contents of an open spill file.

    Raises:
        NewerSpillError: if a newer release wrote it.
        ValueError, LookupError, TypeError: if it is not a whole spill file.
    """
    head = _head(handle.readline(_HEAD_BYTES))
    executions: list[Row] = []
    calls, links, due, losses = [], [], [], []
    for line in handle:
        ((kind, values),) = json.loads(line).items()
        if kind == "execution":
            executions.append(_by_name(COLUMNS, values))
        elif kind == "model_call":
            calls.append(ModelCall(*_by_name(ModelCall._fields, values)))
        elif kind == "link":
            links.append(SpanLink(*_by_name(SpanLink._fields, values)))
        elif kind == "due":
            due += values
        elif kind == "loss":
            losses.append(_by_name(_LOSS, values))
        else:
            raise NewerSpillError(f"Unknown kind of line {kind!r}.")
    if (len(executions), len(calls)) != (head["executions"], head["model_calls"]):
        raise ValueError("lines are missing")
    return Spilled(executions, ModelCallBatch(calls, links, due), losses)


def set_aside(file: str) -> str:
    """Rename the unreadable *file*, so that it is kept and no longer tried; return its new path.

    Raises:
        OSError: if the folder cannot be written.
    """
    os.rename(file, file + _UNREADABLE)
    return file + _UNREADABLE


def _beside(path: str, suffix: str) -> list[str]:
    folder, name = os.path.split(os.path.realpath(path))
    is_ours: Callable[[str], Any] = re.compile(rf"{re.escape(name)}\.spill-\d+-[0-9a-f]{{16}}{suffix}").fullmatch
    try:
        return sorted(os.path.join(folder, entry) for entry in os.listdir(folder) if is_ours(entry))
    except OSError:
        return []


def _lines(spilled: Spilled) -> Iterator[Mapping[str, Any]]:
    calls = spilled.model_calls
    yield {
        "format": _FORMAT,
        "version": _VERSION,
        "schema": schema.VERSION,
        "executions": len(spilled.executions),
        "model_calls": len(calls.calls),
    }
    for row in spilled.executions:
        yield {"execution": {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}}
    for call in calls.calls:
        yield {"model_call": call._asdict()}
    for link in calls.links:
        yield {"link": link._asdict()}
    if calls.due:
        yield {"due": list(calls.due)}
    for loss in spilled.losses:
        yield {"loss": dict(zip(_LOSS, loss, strict=True))}


def _head(line: bytes) -> Mapping[str, Any]:
    head: Mapping[str, Any] = json.loads(line)
    if head["format"] != _FORMAT:
        raise ValueError("not a spill file")
    if head["version"] > _VERSION:
        raise NewerSpillError("A newer release of learning_instrument wrote it.")
    return head


def _by_name(names: Sequence[str], values: Mapping[str, Any]) -> tuple[Any, ...]:
    unknown = values.keys() - set(names)
    if unknown:
        raise NewerSpillError(f"It has columns that this release does not know: {sorted(unknown)}.")
    return tuple(map(values.get, names))
