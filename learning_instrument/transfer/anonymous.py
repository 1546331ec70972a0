"""Replaces what may identify people, customers and code by keyed hashes, which still join.

The same text under the same key is the same hash, within and between exports. Numbers, times, outcomes, and the words
that reports are grouped by stay.
"""

import functools
import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final

from ..columns import COLUMN_OF, metadata_text
from ..errors import ConfigurationError
from ..message_templates import mask
from ..record import parse_metadata
from ..safety.named_secrets import MARKER
from .nested import FEEDBACK, MODEL_CALLS

_LEAST_BYTES: Final = 16
_MOST_BYTES: Final = 2**16
#: Letters alone: a digit would make a hash a variable part of a message, and hide which messages are alike.
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_WORD_CHARACTERS: Final = 20
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_EXECUTION_ID: Final = re.compile(r"([0-9a-f]{16})-([0-9a-f]{32})-([0-9a-f]{16})")


class Treatment(Enum):
    """What becomes of the values of a column."""

    #: Numbers, times, truths, and words that reports are grouped by.
    KEPT = auto()
    #: Text: a word of letters.
    TEXT = auto()
    #: Ids, also several with blanks between: digits of the same number where they are hexadecimal, else words.
    ID = auto()
    #: Messages: the word of what is constant in them, so that those of one statement stay one group.
    MESSAGE = auto()
    #: Qualified names: each part a word.
    NAME = auto()
    #: JSON objects: the keys stay, also those of the task in it. Values but truths become words.
    OBJECT = auto()


def _treated(**columns: str) -> dict[str, Treatment]:
    return {name: Treatment[how] for how, names in columns.items() for name in names.split()}


#: Every column of every table that is exported has one; a test compares.
EXECUTIONS: Final = _treated(
    KEPT="timestamp task_type file_count estimated_tokens model_tier pool_type swarm_topology routing_confidence"
    " complexity_score success duration_seconds quality_score cost_estimate actual_cost error_type user_accepted"
    " user_rating peak_memory_mb cpu_time_seconds outcome exception_type queue_seconds model input_tokens output_tokens"
    " cost_source process_id defaulted outcome_source wait_seconds attempt",
    TEXT="task_description repo solution_summary service_name",
    ID="task_id execution_id trace_id span_id parent_execution_id batch_id pool_id worker_id",
    MESSAGE="error_message",
    NAME="function_name",
    OBJECT="metadata",
)
CALLS: Final = _treated(
    KEPT="timestamp model response_model provider input_tokens cached_tokens cache_write_tokens output_tokens cost"
    " cost_source price_table duration_seconds error_type scope operation finish_reason usage"
    " time_to_first_chunk_seconds",
    ID="execution_id trace_id span_id parent_span_id path awaited_span_id response_id",
)
FEEDBACK_COLUMNS: Final = _treated(KEPT="timestamp accepted rating visibility", TEXT="comment source")
_NESTED: Final = {MODEL_CALLS: CALLS, FEEDBACK: FEEDBACK_COLUMNS}


class Anonymizer:
    """Replaces values under one key.

    Args:
        key: a secret. Anyone who has it can check whether a hash is that of a given text.
    """

    def __init__(self, key: bytes) -> None:
        self._digest = functools.lru_cache(maxsize=2**12)(
            lambda text: hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
        )
        self._change: Mapping[Treatment, Callable[[str], str]] = {
            Treatment.TEXT: self._word,
            Treatment.ID: self._ids,
            Treatment.MESSAGE: lambda text: self._word(mask(text)),
            Treatment.NAME: self._name,
            Treatment.OBJECT: self._object,
        }

    def slices(self, found: Iterable[Any]) -> Iterator[Any]:
        """Yield slices of rows with their values replaced."""
        for each in found:
            yield each._replace(rows=[self._row(row) for row in each.rows])

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        changed = {**row, **self._columns(row, EXECUTIONS)}
        for name, treatments in _NESTED.items():
            if name in row:
                changed[name] = [self._columns(each, treatments) for each in row[name]]
        return changed

    def _columns(self, row: Mapping[str, Any], treatments: Mapping[str, Treatment]) -> dict[str, Any]:
        return {name: self._changed(name, row[name], how) for name, how in treatments.items() if name in row}

    def _changed(self, name: str, value: Any, how: Treatment) -> Any:
        if how is Treatment.KEPT or value is None or value == "":
            return value
        if name in COLUMN_OF and value == COLUMN_OF[name].default:
            return value  # such as unknown
        return self._change[how](str(value))

    def _word(self, text: str) -> str:
        return self._digest(text)[:_WORD_CHARACTERS].translate(_LETTERS)

    def _ids(self, text: str) -> str:
        return " ".join(map(self._id, text.split(" ")))

    def _id(self, text: str) -> str:
        if found := _EXECUTION_ID.fullmatch(text):
            return f"{found[1]}-{self._id(found[2])}-{self._id(found[3])}"
        return self._digest(text)[: len(text)] if _HEXADECIMAL.fullmatch(text) else self._word(text)

    def _name(self, text: str) -> str:
        return ".".join(part if part.startswith("<") else self._word(part) if part else "" for part in text.split("."))

    def _object(self, text: str) -> str:
        metadata = parse_metadata(text)
        changed = {
            key: {inner: self._value(item) for inner, item in value.items()}
            if key == "task" and isinstance(value, dict)
            else self._value(value)
            for key, value in metadata.items()
        }
        return json.dumps(changed, separators=(",", ":"))

    def _value(self, value: Any) -> Any:
        is_plain = value is None or isinstance(value, bool) or value == MARKER
        return value if is_plain else self._word(metadata_text(value))


def key_in(path: str | os.PathLike[str]) -> bytes:
    """Return the key in a file: its bytes as they are.

    Raises:
        ConfigurationError: if it cannot be read, or is too short or too long. The message does not quote it.
    """
    name = os.path.expanduser(os.fsdecode(path))
    try:
        with open(name, "rb") as file:
            key = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"There is no key file {name}; make one for you alone: (umask 077; head -c 32 /dev/urandom > {name})."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"Cannot read the key file {name}: {error.strerror or error}.") from error
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        size = f"more than {_MOST_BYTES:,}" if len(key) > _MOST_BYTES else f"{len(key)}"
        raise ConfigurationError(
            f"Invalid key file {name} of {size} bytes: expected a key of {_LEAST_BYTES} to {_MOST_BYTES:,} bytes."
        )
    return key


def is_open_to_others(path: str | os.PathLike[str]) -> bool:
    """Tell whether other users of this machine may read a file."""
    mode = os.stat(os.path.expanduser(os.fsdecode(path))).st_mode
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & 0o077)
