"""Writes answers for other programs: JSON and CSV whose columns are those of the answer's type, for any rows."""

import csv
import dataclasses
import enum
import json
import math
import sys
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ..safety import formulas
from ..safety.control_characters import escaped
from .terminal import RAW, is_told, write, writes_unicode

#: JSON has these as they are. The types of nearly all values; asking for one is fast.
_ATOMS: Final = frozenset({bool, int, str, type(None)})


def print_json(document: Any, indent: int | None = 2) -> None:
    """Print one JSON document; that of an iterator is an array, printed while it is read."""
    if not isinstance(document, Iterator):
        write(_json(document, indent))
        return
    separator = "[\n"
    for item in document:
        sys.stdout.write(separator + textwrap.indent(_json(item, indent), " " * (indent or 0)))
        separator = ",\n"
    write("[]" if separator == "[\n" else "\n]")


def print_csv(rows: Iterable[Any], names: Sequence[str], with_heading: bool = True) -> None:
    """Print the columns *names* of *rows*, while they are read."""
    is_raw = is_told(RAW)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if with_heading:
        writer.writerow(_csv_cell(name, is_raw) for name in names)
    for row in rows:
        values = _flat(row)
        writer.writerow([_csv_cell(plain(values.get(name)), is_raw) for name in names])
    sys.stdout.flush()


def csv_names(answer: type[Any]) -> tuple[str, ...]:
    """Return the columns of a dataclass in CSV; a dataclass in it has columns of its own: ``success_low``."""
    hints = typing.get_type_hints(answer)
    return tuple(
        name if inner is None else f"{name}_{of_inner}"
        for name in (item.name for item in dataclasses.fields(answer))
        for inner in [_dataclass_of(hints[name])]
        for of_inner in (csv_names(inner) if inner is not None else [""])
    )


def fields_of(answer: Any) -> dict[str, Any]:
    """Return the fields of a dataclass."""
    return {item.name: getattr(answer, item.name) for item in dataclasses.fields(answer)}


def plain(value: Any) -> Any:
    """Return *value* in JSON types: dataclasses as objects, datetimes in ISO form, NaN and infinity as null."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(fields_of(value))
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (int, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json(document: Any, indent: int | None) -> str:
    text = json.dumps(plain(document), indent=indent, ensure_ascii=not writes_unicode(), allow_nan=False)
    return text if is_told(RAW) else escaped(text)


def _dataclass_of(hint: Any) -> type[Any] | None:
    """Return the dataclass that a value of type *hint* is, None apart."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    for each in typing.get_args(hint) if is_union else [hint]:
        if isinstance(each, type) and dataclasses.is_dataclass(each):
            return each
    return None


def _flat(row: Any) -> Mapping[str, Any]:
    """Return *row* with the fields of a dataclass in it as fields of its own: ``success_low``."""
    items = row if isinstance(row, Mapping) else fields_of(row)
    flat: dict[str, Any] = {}
    for name, value in items.items():
        if type(value) not in _ATOMS and dataclasses.is_dataclass(value):
            flat |= {f"{name}_{inner}": part for inner, part in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _csv_cell(value: Any, is_raw: bool) -> Any:
    if isinstance(value, str):
        return value if is_raw else formulas.escaped(escaped(value))
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value) if isinstance(value, (dict, list)) else value
