"""Writes a file atomically: whole or not at all."""

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from typing import Final

from .errors import ConfigurationError
from .safety.clocks import time
from .safety.file_lock import lock

_PREFIX: Final = ".learning-instrument-"
_SUFFIX: Final = ".unfinished"
#: The age from which an unfinished file that no process holds is deleted: a new one is not held at once.
_ABANDONED_SECONDS: Final = 60.0


@contextlib.contextmanager
def atomic_write(path: str) -> Iterator[str]:
    """Yield the path of a temporary file that replaces *path* when the block succeeds, synced to the disk.

    It gets the permissions of the file it replaces; a new file is readable by its owner only. The temporary files of
    processes that were killed are deleted.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    folder = os.path.dirname(path) or "."
    _delete_abandoned(folder)
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder)
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror}.") from error
    with contextlib.suppress(OSError):  # a file system without locks
        lock(descriptor)
    try:
        yield unfinished
        with contextlib.suppress(OSError):  # no such file, or another owner's
            os.chmod(unfinished, os.stat(path).st_mode & 0o777)
        os.fsync(descriptor)
        os.replace(unfinished, path)
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def _delete_abandoned(folder: str) -> None:
    """Delete the temporary files of processes that were killed."""
    for name in glob.glob(f"{glob.escape(folder)}/{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # another process was first, or it is another user's
            descriptor = os.open(name, os.O_RDWR)
            try:
                if time.time() - os.fstat(descriptor).st_mtime > _ABANDONED_SECONDS and lock(descriptor):
                    os.unlink(name)
            finally:
                os.close(descriptor)
