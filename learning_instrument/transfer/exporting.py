"""Database -> file, which appears whole or not at all."""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Queryable, Selection
from ..storage.feedback import VISIBILITIES
from .atomic_file import atomic_write
from .importing import Progress
from .slices import slices
from .writers import WRITERS

FORMATS: Final = tuple(WRITERS)
STDOUT: Final = "-"
_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class ExportAnswer:
    """What was exported."""

    executions: int
    #: Pieces of feedback that went along.
    feedback: int
    format: str
    output: str


def export_executions(
    database: LearningDatabase | ReadOnlyDatabase | str | os.PathLike[str],
    output: str | os.PathLike[str],
    selection: Selection | None = None,
    *,
    format: str | None = None,  # noqa: A002 - what the command's option is called
    visibility: str = "team",
    progress: Progress | None = None,
) -> ExportAnswer:
    """Write executions to a file, which takes its place when it is whole.

    Args:
        database: where from.
        output: the file; one that is there is written over, unless it is a database. ``-`` is the standard output.
        selection: which executions; None: all.
        format: ``"csv"``, ``"jsonl"``, ``"parquet"`` or ``"otlp"``; by default what the file's name says.
        visibility: the most confidential feedback that goes along: ``"public"``, ``"team"`` or ``"private"``.
            Ratings that are more so are left out, comments and all. Only JSON Lines have comments.
        progress: told how far it is.

    Raises:
        ConfigurationError: for a format or a visibility that is none, or a file that cannot be written.
        DatabaseError: if the database cannot be read.
    """
    target = os.fsdecode(output)
    chosen = format or _format_of(target)
    if chosen not in WRITERS:
        raise ConfigurationError(f"format={chosen!r} is none of {', '.join(FORMATS)}.")
    if visibility not in VISIBILITIES:
        raise ConfigurationError(f"visibility={visibility!r} is none of {', '.join(VISIBILITIES)}.")
    counts = [0, 0]
    try:
        with _opened(database) as source, _writable(target) as file:
            WRITERS[chosen](file, _counted(source, selection or Selection(), visibility, counts, progress))
            file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror or error}.") from error
    return ExportAnswer(counts[0], counts[1], chosen, target)


def _counted(
    source: Queryable, selection: Selection, visibility: str, counts: list[int], progress: Progress | None
) -> Iterator[list[dict[str, Any]]]:
    for rows, done, of in slices(source, selection, visibility, _ROWS):
        counts[0] += len(rows)
        counts[1] += sum(len(row.get("feedback", ())) for row in rows)
        yield rows
        if progress is not None:
            progress("Exporting", done, of)


def _format_of(output: str) -> str:
    endings = {".csv": "csv", ".parquet": "parquet", ".otlp": "otlp", ".otlp.json": "otlp", ".otlp.jsonl": "otlp"}
    return next((name for ending, name in endings.items() if output.lower().endswith(ending)), "jsonl")


@contextlib.contextmanager
def _opened(database: LearningDatabase | ReadOnlyDatabase | str | os.PathLike[str]) -> Iterator[Queryable]:
    if isinstance(database, (LearningDatabase, ReadOnlyDatabase)):
        yield database
    else:
        with ReadOnlyDatabase(database) as opened:
            yield opened


@contextlib.contextmanager
def _writable(output: str) -> Iterator[IO[bytes]]:
    """Yield the file that is written to: beside the one that is wanted, or a device or a pipe itself."""
    if output == STDOUT:
        yield sys.stdout.buffer
        return
    path = os.path.realpath(output)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read(15) == b"SQLite format 3":
                raise ConfigurationError(f"{path} is a database, which is not written over; name another file.")
    with atomic_write(path) as unfinished, open(unfinished, "wb") as file:
        yield file
