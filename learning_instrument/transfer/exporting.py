"""Exports executions to a file, which is written whole or not at all."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, Literal

from ..atomic_file import atomic_write
from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..sqlite.file_watch import is_database
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Queryable, Selection
from ..storage.feedback import Visibility, check_visibility
from .anonymous import Anonymizer, key_in
from .importing import Progress
from .nested import FEEDBACK, held_by
from .slices import Slice, slices
from .writers import WRITERS, Form

Format = Literal["jsonl", "csv", "parquet", "otlp"]
"""The format of a file."""

FORMATS: Final = tuple(WRITERS)
STDOUT: Final = "-"
_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class ExportAnswer:
    """The numbers of an export."""

    executions: int
    #: Pieces of feedback in it.
    feedback: int
    format: str
    output: str


def export_executions(
    database: LearningDatabase | ReadOnlyDatabase | str | os.PathLike[str],
    output: str | os.PathLike[str],
    selection: Selection | None = None,
    *,
    format: Format | None = None,  # noqa: A002 - the name of the command's option
    visibility: Visibility = "team",
    raw: bool = False,
    anonymous_key_file: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> ExportAnswer:
    """Write executions to a file, whole or not at all.

    Args:
        database: the source.
        output: the file; an existing one is replaced, unless it is a database. ``-`` is the standard output.
        selection: the executions; None: all.
        format: ``"csv"``, ``"jsonl"``, ``"parquet"`` or ``"otlp"``; by default by the file's suffix.
        visibility: the most confidential feedback to include: ``"public"``, ``"team"`` or ``"private"``. CSV
            has no comments.
        raw: whether CSV has text as it is. By default a text that a spreadsheet takes for a formula is quoted, and on
            a terminal control characters are escaped.
        anonymous_key_file: a file with a secret key of at least 16 bytes. With it, descriptions, messages, summaries,
            comments, repositories, names of services and functions, the values of metadata, and ids are keyed hashes.
            The same text under the same key is the same hash.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: for an invalid format, visibility or key, or a file that cannot be written.
        DatabaseError: if the database cannot be read.
    """
    target = os.path.expanduser(os.fsdecode(output))
    chosen = format or _format_of(target)
    if chosen not in WRITERS:
        raise ConfigurationError(f"Invalid format {chosen!r}: expected one of {', '.join(FORMATS)}.")
    check_visibility(visibility)
    anonymizer = None
    if anonymous_key_file is not None:
        anonymizer = Anonymizer(key_in(anonymous_key_file))
        if os.path.realpath(target) == os.path.realpath(os.path.expanduser(os.fsdecode(anonymous_key_file))):
            raise ConfigurationError(f"{target} is the key, which is not overwritten: name another file.")
    counts = [0, 0]
    with _opened(database) as source, writable(target) as file:
        nested = [name for name in held_by(source.query) if name == FEEDBACK or chosen != "csv"]
        found = slices(source, selection or Selection(), visibility, _ROWS, nested)
        if anonymizer is not None:
            found = anonymizer.slices(found)
        form = Form(held_by(source.query, visibility), raw, target == STDOUT and sys.stdout.isatty())
        WRITERS[chosen](file, _counted(found, counts, progress), form)
    return ExportAnswer(counts[0], counts[1], chosen, target)


def _counted(found: Iterable[Slice], counts: list[int], progress: Progress | None) -> Iterator[list[dict[str, Any]]]:
    for rows, done, of in found:
        counts[0] += len(rows)
        counts[1] += sum(len(row.get(FEEDBACK, ())) for row in rows)
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
def writable(output: str) -> Iterator[IO[bytes]]:
    """Yield the open file *output*, which appears whole or not at all; ``-`` is the standard output.

    Raises:
        ConfigurationError: for a database, or a file that cannot be written; where that is known, before the block.
        BrokenPipeError: where the reader of a pipe has gone.
    """
    try:
        with _target(output) as file:
            yield file
            file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigurationError(f"Cannot write {output}: {error.strerror or error}.") from error


@contextlib.contextmanager
def _target(output: str) -> Iterator[IO[bytes]]:
    """Yield a temporary file that replaces *output*, or a device or pipe itself."""
    if output == STDOUT:
        yield sys.stdout.buffer
        return
    path = os.path.realpath(output)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    if os.path.exists(path) and is_database(path):
        raise ConfigurationError(f"{path} is a database, which is not overwritten: name another file.")
    with atomic_write(path) as unfinished, open(unfinished, "wb") as file:
        yield file
