"""Documents that a command writes to a file."""

import os
from contextlib import AbstractContextManager
from typing import IO

from ..transfer.exporting import STDOUT, writable


def document_file(output: str) -> AbstractContextManager[IO[bytes]]:
    """Return the open file of a document, within a block, as ``transfer.exporting.writable`` does."""
    return writable(document_path(output))


def document_path(output: str) -> str:
    """Return the absolute path of a document."""
    return output if output == STDOUT else os.path.abspath(os.path.expanduser(output))
