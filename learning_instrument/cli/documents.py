"""Documents that a command writes to a file."""

import contextlib
import os
from collections.abc import Iterator
from typing import IO

from ..errors import ConfigurationError
from ..transfer.exporting import STDOUT, writable


@contextlib.contextmanager
def document_file(output: str) -> Iterator[IO[bytes]]:
    """Yield the open file of a document, which appears whole or not at all; ``-`` is the standard output.

    Raises:
        ConfigurationError: for a database, or a file that cannot be written; where that is known, before the block.
    """
    path = document_path(output)
    try:
        with writable(path) as file:
            yield file
            file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror or error}.") from error


def document_path(output: str) -> str:
    """Return the absolute path of a document."""
    return output if output == STDOUT else os.path.abspath(os.path.expanduser(output))
