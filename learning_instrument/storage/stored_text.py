"""Removes secrets from records and rows that did not come through capture: a user's own, and imported ones."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from ..columns import COLUMNS, TABLE, Kind
from ..ids import execution_id, new_uuid
from ..record import ExecutionRecord, Row
from ..safety.guards import is_interruption
from ..safety.named_secrets import MARKER
from ..safety.redaction import redact_all
from ..safety.sanitize import repeated_id_of
from ..safety.secret_names import names_a_secret

_IDS: Final = frozenset(
    {"task_id", "execution_id", "trace_id", "span_id", "parent_execution_id", "batch_id", "pool_id", "worker_id"}
)
_TEXTS: Final = tuple(column.name for column in TABLE if column.kind is Kind.TEXT)
_PLACES: Final = {name: COLUMNS.index(name) for name in (*_TEXTS, "metadata", "defaulted")}


def redacted(record: ExecutionRecord) -> ExecutionRecord:
    """Return *record* without secrets; one that cannot be read as it is, for the store counts it."""
    try:
        changes = _changes({name: getattr(record, name) for name in (*_TEXTS, "metadata", "defaulted")})
        return dataclasses.replace(record, **changes) if changes else record
    except Exception as fault:  # no record at all
        if is_interruption(fault):
            raise
        return record


def redacted_row(row: Row) -> Row:
    """Return *row* without secrets."""
    values = {name: row[place] for name, place in _PLACES.items()}
    try:
        values["metadata"] = json.loads(values["metadata"])
    except (ValueError, RecursionError):  # an attribute length limit of its host cut it
        values["metadata"] = redact_all(values["metadata"])
    changes = _changes({**values, "defaulted": tuple(json.loads(values["defaulted"]))})
    if type(values["metadata"]) is str and values["metadata"] != row[_PLACES["metadata"]]:
        changes["metadata"] = values["metadata"]
    if not changes:
        return row
    changed = list(row)
    for name, value in changes.items():
        changed[_PLACES[name]] = value if type(value) is str or value is None else _json(value)
    return tuple(changed)


_json: Final = functools.partial(json.dumps, separators=(",", ":"))


def _changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of *values* that hold secrets, with what replaces them."""
    changes: dict[str, Any] = {}
    hidden = []
    for name in _TEXTS:
        value = values[name]
        if type(value) is not str:
            continue
        if name not in _IDS:
            found = redact_all(value)
            if found != value:
                changes[name] = found
        elif repeated_id_of(value) is None:
            changes[name] = _another(name, value)
            hidden.append(name)
    if hidden:
        changes["defaulted"] = (*values["defaulted"], *[name for name in hidden if name not in values["defaulted"]])
    metadata = _without_secrets(values["metadata"])
    if metadata != values["metadata"]:
        changes["metadata"] = metadata
    return changes


def _another(name: str, value: str) -> str | None:
    """Return what replaces an id that holds a secret: of an execution always the same, so that it is stored once."""
    if name != "execution_id":
        return new_uuid() if name == "task_id" else None
    digits = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return execution_id(int(digits[:15], 16), int(digits[15:47], 16), int(digits[47:63], 16))


def _without_secrets(value: Any) -> Any:
    if type(value) is str:
        return redact_all(value)
    if type(value) is dict:
        return {
            redact_all(key) if type(key) is str else key: MARKER
            if type(key) is str and item is not None and names_a_secret(key)
            else _without_secrets(item)
            for key, item in value.items()
        }
    return [_without_secrets(item) for item in value] if type(value) is list else value
