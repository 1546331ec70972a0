"""Spill files are found by their names, and counted by their first lines. Light: every question looks for them."""

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, NamedTuple

from ..errors import DatabaseError
from ..ids import random_bits

FORMAT: Final = "learning_instrument spill"
VERSION: Final = 1
_UNFINISHED: Final = ".unfinished"
_UNREADABLE: Final = ".unreadable"
#: The longest first line that is read.
_HEAD_BYTES: Final = 4096


class NewerSpillError(DatabaseError):
    """A newer release wrote the spill file; it waits for a process of that release."""


class Waiting(NamedTuple):
    """The spill files beside a database."""

    files: int
    executions: int
    #: Files that could not be read, and were set aside.
    unreadable: int


def new_names(path: str) -> tuple[str, str]:
    """Return the temporary and the final path of a new spill file beside the database at *path*."""
    final = f"{os.path.realpath(path)}.spill-{os.getpid()}-{random_bits(64):016x}"
    return final + _UNFINISHED, final


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
                executions += int(head_of(handle)["executions"])
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


def set_aside(file: str) -> str:
    """Rename the unreadable *file*, so that it is kept and no longer tried; return its new path.

    Raises:
        OSError: if the folder cannot be written.
    """
    os.rename(file, file + _UNREADABLE)
    return file + _UNREADABLE


def head_of(handle: BinaryIO) -> Mapping[str, Any]:
    """Return the first line of an open spill file: its version, and the counts of what it holds.

    Raises:
        NewerSpillError: if a newer release wrote it.
        ValueError, LookupError, TypeError: if it is not a spill file.
    """
    head: Mapping[str, Any] = json.loads(handle.readline(_HEAD_BYTES))
    if head["format"] != FORMAT:
        raise ValueError("not a spill file")
    if head["version"] > VERSION:
        raise NewerSpillError("A newer release of learning_instrument wrote it.")
    return head


def _beside(path: str, suffix: str) -> list[str]:
    folder, name = os.path.split(os.path.realpath(path))
    is_ours: Callable[[str], Any] = re.compile(rf"{re.escape(name)}\.spill-\d+-[0-9a-f]{{16}}{suffix}").fullmatch
    try:
        return sorted(os.path.join(folder, entry) for entry in os.listdir(folder) if is_ours(entry))
    except OSError:
        return []
