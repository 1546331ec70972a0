"""Executions as a Parquet file. Needs pyarrow (the extra ``scale``)."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from .errors import ConfigurationError
from .record import COLUMNS

_WHOLE: Final = frozenset(
    {"file_count", "estimated_tokens", "user_rating", "input_tokens", "output_tokens", "process_id"}
)
_REAL: Final = frozenset(
    {
        "routing_confidence", "complexity_score", "duration_seconds", "quality_score", "cost_estimate", "actual_cost",
        "peak_memory_mb", "cpu_time_seconds", "queue_seconds",
    }
)  # fmt: skip
_BOOL: Final = frozenset({"success", "user_accepted"})


def check_new(path: str) -> None:
    """Make sure that a Parquet file can be made at *path*.

    Raises:
        ConfigurationError: if pyarrow is not installed, or the file exists.
    """
    _libraries()
    if os.path.lexists(path):
        raise ConfigurationError(f"{path} exists already, and nothing is written over it; name a new file.")


def append_parquet(path: str, batches: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    """Add rows of ``executions`` to a file, all or none; return how many they were.

    Args:
        path: the file; it is made where there is none.
        batches: rows as the table has them.

    Raises:
        ConfigurationError: if pyarrow is not installed, or the file cannot be written.
    """
    arrow, parquet = _libraries()
    schema, count = _schema(arrow), 0
    with _whole_or_not_at_all(path) as unfinished, parquet.ParquetWriter(unfinished, schema) as file:
        if os.path.exists(path):
            for batch in parquet.ParquetFile(path).iter_batches():
                file.write_batch(batch)
        for rows in batches:
            columns = {name: [_value(name, row[name]) for row in rows] for name in COLUMNS}
            file.write_table(arrow.table(columns, schema=schema))
            count += len(rows)
    return count


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigurationError("Parquet needs pyarrow; run: pip install 'learning_instrument[scale]'.") from error


def _schema(arrow: Any) -> Any:
    def kind(name: str) -> Any:
        if name == "timestamp":
            return arrow.timestamp("us", tz="UTC")
        if name in _BOOL:
            return arrow.bool_()
        return arrow.int64() if name in _WHOLE else arrow.float64() if name in _REAL else arrow.string()

    return arrow.schema([(name, kind(name)) for name in COLUMNS])


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "timestamp":
        return datetime.fromisoformat(value)
    return bool(value) if name in _BOOL else value


@contextlib.contextmanager
def _whole_or_not_at_all(path: str) -> Iterator[str]:
    """Yield the path of a file beside *path* that takes its place when all went well, and is on the disk by then."""
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=".", suffix=".unfinished", dir=os.path.dirname(path) or ".")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield unfinished
        os.fsync(descriptor)
        os.replace(unfinished, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
