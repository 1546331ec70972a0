"""The program of a process that reads parts of files for an import, and the frames in which it answers.

A part arrives on standard input; its batches leave on standard output, validated. A process whose import has gone ends
with its pipe.
"""

import io
import pickle
import struct
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Final

from ..errors import DatabaseError, LearningInstrumentError
from ..record import Row
from ..sqlite.read_only import ReadOnlyDatabase
from .conflicts import stored_rows
from .otlp_spans import REDUCERS
from .reading import BatchReader
from .sources import source_reader

_SIZE: Final = struct.Struct(">Q")
#: The first frame; and the one after the last batch of a part.
READY: Final = b"ready"
END: Final = b""


class UnexpectedError(Exception):
    """A fault of ours in a process that reads. Its text is the traceback."""


def read_frame(file: IO[bytes]) -> bytes | None:
    """Return the next frame; None where the other process has ended."""
    head = file.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack(head)
    frame = file.read(size)
    return frame if len(frame) == size else None


def write_frame(file: IO[bytes], frame: bytes) -> None:
    """Write a frame, and let the other process have it."""
    file.write(_SIZE.pack(len(frame)) + frame)
    file.flush()


class _Pickler(pickle.Pickler):
    dispatch_table = REDUCERS


def _pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def main() -> None:
    """Read the parts that arrive, until the import has no more."""
    arriving, leaving = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no frame
    head = read_frame(arriving)
    if head is None:
        return
    selection, target = pickle.loads(head)  # noqa: S301 - of the process that started this one
    database = ReadOnlyDatabase(target)

    def answer(sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        return [tuple(row.values()) for row in database.query(sql, parameters)]

    def stored(ids: Iterable[Any]) -> Mapping[str, Row]:
        try:
            return stored_rows(answer, ids)
        except DatabaseError:
            return {}  # the import itself looks again

    reader = BatchReader(selection, stored)
    write_frame(leaving, READY)
    while (frame := read_frame(arriving)) is not None:
        path, rows = pickle.loads(frame)  # noqa: S301
        try:
            for batch in source_reader(path, rows)():
                write_frame(leaving, _pickled(reader.read(batch)))
        except LearningInstrumentError as error:
            write_frame(leaving, _pickled(error))
        except BrokenPipeError:
            raise
        except Exception:  # told by the import
            write_frame(leaving, _pickled(UnexpectedError(traceback.format_exc())))
        write_frame(leaving, END)
