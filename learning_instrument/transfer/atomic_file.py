"""Writes a file atomically: whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

from ..errors import ConfigurationError


@contextlib.contextmanager
def atomic_write(path: str) -> Iterator[str]:
    """Yield the path of a temporary file that replaces *path* when the block succeeds, synced to the disk.

    It gets the permissions of the file it replaces; a new file is readable by its owner only.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=".", suffix=".unfinished", dir=os.path.dirname(path) or ".")
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror}.") from error
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
