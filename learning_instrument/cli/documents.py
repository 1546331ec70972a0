"""Documents that a command writes to a file."""

import os

from ..errors import ConfigurationError
from ..transfer.exporting import writable


def write_document(output: str, document: bytes) -> str:
    """Write *document* to a file, whole or not at all, and return its absolute path.

    Raises:
        ConfigurationError: for a database, or a file that cannot be written.
    """
    path = os.path.abspath(os.path.expanduser(output))
    try:
        with writable(path) as file:
            file.write(document)
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror or error}.") from error
    return path
