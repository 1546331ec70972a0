"""What executions are grouped and filtered by: ``NAME`` is a column, ``metadata.KEY`` a key of metadata.

Each is text: a value of another type is written as JSON has it, and a missing one is ``unknown``. Executions of an
unknown type are told apart by their function, as ``unknown: Crawler.fetch``.
"""

import difflib
import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..columns import TABLE, UNKNOWN, Kind, metadata_key, metadata_text
from ..errors import ConfigurationError

#: The dimensions of time, and how much of a timestamp each is.
TIME_BUCKETS: Final = {"day": 10, "hour": 13}
#: A day and this is later than every timestamp of the day.
AFTER: Final = "U"
_UNKNOWN_OF: Final = f"{UNKNOWN}: "


def _up_to_last_dot(text: str) -> str:
    return f"rtrim({text}, replace({text}, '.', ''))"


_FUNCTION: Final = "replace(function_name, '.<locals>', '')"
_ABOVE: Final = f"rtrim({_up_to_last_dot(_FUNCTION)}, '.')"
#: The last two parts of the name. As SQL it is worked out for executions of an unknown type alone.
_SHORT_FUNCTION: Final = f"substr({_FUNCTION}, length({_up_to_last_dot(_ABOVE)}) + 1)"
#: Dimension -> its SQL. Those that reports are usually asked for; roll-ups have most of them.
DIMENSIONS: Final = {
    "task_type": f"CASE WHEN task_type = '{UNKNOWN}' AND function_name <> '' THEN '{_UNKNOWN_OF}' || {_SHORT_FUNCTION}"
    " ELSE task_type END",
    **{name: f"coalesce({name}, '{UNKNOWN}')" for name in ("model_tier", "pool_type", "repo", "worker_id", "model")},
    **{name: f"substr(timestamp, 1, {length})" for name, length in TIME_BUCKETS.items()},
}
_KINDS: Final = (Kind.TEXT, Kind.WORD)
#: Numbers that are no quantities.
_NUMBERS: Final = ("process_id", "user_rating", "attempt")
_BY_NAME: Final = DIMENSIONS | {
    column.name: f"coalesce(CAST({column.name} AS TEXT), '{UNKNOWN}')"
    for column in TABLE
    if (column.kind in _KINDS or column.name in _NUMBERS) and column.name not in DIMENSIONS
}
#: They are stored as 1 and 0.
_TRUTHS: Final = frozenset(column.name for column in TABLE if column.kind is Kind.BOOLEAN)
_BY_NAME.update({name: f"CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE '{UNKNOWN}' END" for name in _TRUTHS})
#: What stands between the words of a name or a value.
_SEPARATORS: Final = re.compile(r"[\W_]+")
#: Where a key is looked for: in the metadata of the task, then in that of the execution.
_PLACES: Final = ("$.task", "$")


@functools.lru_cache(maxsize=256)
def dimension(name: str, argument: str = "where") -> str:
    """Return the SQL of a dimension, over a row of ``executions``.

    Args:
        name: a column, or ``metadata.KEY``.
        argument: what gave the name, for the message.

    Raises:
        ConfigurationError: for a name that is neither a column nor ``metadata.KEY``.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    key = metadata_key(name)
    if key is None:
        meant = nearest(name, _BY_NAME)
        raise ConfigurationError(
            f"Invalid {argument} {name!r}: expected one of {', '.join(sorted(_BY_NAME))}, or metadata.KEY for a key of"
            f" the tasks' metadata, such as metadata.customer.{f' Did you mean {meant}?' if meant else ''}"
        )
    value = _plain_value if _is_plain(key) else _any_value
    # Metadata cut by an attribute length limit of the host is not valid JSON.
    found = f"CASE WHEN json_valid(metadata) THEN coalesce({', '.join(value(place, key) for place in _PLACES)}) END"
    return f"coalesce({found}, '{UNKNOWN}')"


def value_in(row: Mapping[str, Any], name: str) -> str:
    """Return what :func:`dimension` gives for *row*, a row of ``executions`` that may not be stored yet."""
    if name in TIME_BUCKETS:
        return str(row["timestamp"][: TIME_BUCKETS[name]])
    key = metadata_key(name)
    if key is None:
        value = row[name]
        if name == "task_type" and value == UNKNOWN and row["function_name"]:
            return _UNKNOWN_OF + _short_function(row["function_name"])
        return metadata_text(value if value is None or name not in _TRUTHS else bool(value))
    try:
        metadata = json.loads(row["metadata"])
    except ValueError:
        return UNKNOWN
    own = metadata if isinstance(metadata, dict) else {}
    of_task = own.get("task")
    value = of_task.get(key) if isinstance(of_task, dict) else None
    return metadata_text(own.get(key) if value is None else value)


def _short_function(name: str) -> str:
    name = name.replace(".<locals>", "")
    above = name.rstrip(name.replace(".", "")).rstrip(".")
    return name[len(above.rstrip(above.replace(".", ""))) :]


def equals(column: str, name: str, parameter: str) -> str:
    """Return the condition that the dimension *name*, whose SQL is *column*, has the value of *parameter*.

    The type ``unknown`` is that of all functions.
    """
    if name != "task_type":
        return f"{column} = {parameter}"
    is_of_any = f"substr({column}, 1, {len(_UNKNOWN_OF)}) = '{_UNKNOWN_OF}'"
    return f"({column} = {parameter} OR {parameter} = '{UNKNOWN}' AND {is_of_any})"


def is_equal(name: str, found: str, value: str) -> bool:
    """Tell whether the dimension *name* of an execution, as it is *found*, is *value*: as :func:`equals` does."""
    return found == value or (name == "task_type" and value == UNKNOWN and found.startswith(_UNKNOWN_OF))


def is_of_function(name: str, value: str) -> bool:
    """Tell whether *value* of the dimension *name* tells executions of an unknown type apart."""
    return name == "task_type" and value.startswith(_UNKNOWN_OF)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that *name* is most like, in any case of its letters; None: it is like none.

    That is the first which has it as a word (``model_tier`` for ``tier``), else the one that is spelt most like it.
    """
    letters = name.casefold()
    by_letters = {each.casefold(): each for each in reversed([*known])}
    if letters in by_letters:
        return by_letters[letters]
    having = [each for each in reversed(by_letters) if letters and letters in _SEPARATORS.split(each)]
    found = having or difflib.get_close_matches(letters, by_letters, 1)
    return by_letters[found[0]] if found else None


def column_names() -> tuple[str, ...]:
    """Return the columns that executions can be grouped and filtered by."""
    return tuple(_BY_NAME)


def is_column(name: str) -> bool:
    """Tell whether *name* is a column that executions can be grouped and filtered by."""
    return name in _BY_NAME


def is_key(name: str) -> bool:
    """Tell whether *name* is ``metadata.KEY``."""
    return metadata_key(name) is not None


def _is_plain(key: str) -> bool:
    """Tell whether a JSON path finds *key*: SQLite compares it with the key as the document writes it, escapes too."""
    return key.isascii() and key.isprintable() and not {'"', "\\"} & set(key)


def _plain_value(place: str, key: str) -> str:
    path = literal(f'{place}."{key}"')
    return (
        f"CASE json_type(metadata, {path}) WHEN 'text' THEN json_extract(metadata, {path}) WHEN 'true' THEN 'true'"
        f" WHEN 'false' THEN 'false' ELSE CAST(json_extract(metadata, {path}) AS TEXT) END"
    )


def _any_value(place: str, key: str) -> str:
    return (
        "(SELECT CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(value AS TEXT) END"
        f" FROM json_each(metadata, '{place}') WHERE key = {literal(key)} LIMIT 1)"
    )


def literal(text: str) -> str:
    """Return *text* as it is written in SQL."""
    return "'" + text.replace("'", "''") + "'"
