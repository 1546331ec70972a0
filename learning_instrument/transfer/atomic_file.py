"""A file that appears whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

from ..errors import ConfigurationError


@contextlib.contextmanager
def atomic_write(path: str) -> Iterator[str]:
    """Yield the path of a file beside *path* that takes its place when all went well, and is on the disk by then.

    It has the rights of the file whose place it takes; a new one is its owner's alone.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=".", suffix=".unfinished", dir=os.path.dirname(path) or ".")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield unfinished
        with contextlib.suppress(OSError):  # there is none, or it is somebody else's
            os.chmod(unfinished, os.stat(path).st_mode & 0o777)
        os.fsync(descriptor)
        os.replace(unfinished, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
