"""Takes what a task or a result stores under names that are common in the trade, where promised names give nothing.

A guess is quiet: a value of another kind than the column's is passed over. The names are in the table of fields.
"""

import enum
import functools
import re
from collections.abc import Callable
from typing import Any, Final

from ..safety.guards import is_interruption
from ..safety.readers import Memo, Reader, stored_names, stored_value
from ..safety.sanitize import exact, repeated_label_of
from .fields import FIELDS, INVALID, Field

#: So that a name which is no kind does not become one group of a report each.
MOST_TYPES: Final = 1000
_IDENTIFIER: Final = re.compile(r"[A-Za-z][\w.:/-]{0,63}", re.ASCII)
_types: Final[set[str]] = set()


class Guesses:
    """The names to look for in a task or in a result.

    Args:
        rows: (name, key, cleaner) in the order of reading.
    """

    __slots__ = ("_rows_of", "names")

    def __init__(self, rows: tuple[tuple[str, str, Callable[[Any], Any]], ...]) -> None:
        self.names: Final = frozenset(name for name, _, _ in rows)
        #: Few of the names are in one object, and the same ones in many.
        self._rows_of = functools.lru_cache(maxsize=256)(lambda names: tuple(row for row in rows if row[0] in names))

    def take(self, read: Reader, attributes: dict[str, Any]) -> tuple[str, ...]:
        """Take what the object of *read* stores under the names where *attributes* lack it; return their keys."""
        names = stored_names(read, self.names)
        if not names:
            return ()
        taken: tuple[str, ...] = ()
        is_dict = type(read) is not Memo
        for name, key, clean in self._rows_of(names):
            if key not in attributes:
                try:
                    value = read(name) if is_dict else stored_value(read, name)
                    cleaned = INVALID if value is None else clean(value)
                except BaseException as fault:  # the class of the value is foreign code
                    if is_interruption(fault):
                        raise
                    continue
                if cleaned is not INVALID:
                    attributes[key] = cleaned
                    taken += (key,)
        return taken


def _type(value: Any) -> Any:
    """The kind of a task: an identifier, as text or as the value of an enum member."""
    value = _text(value)
    if value in _types and repeated_label_of(value) == value:
        return value
    if value is None or not _IDENTIFIER.fullmatch(value) or repeated_label_of(value) != value:
        return INVALID
    if value not in _types:
        if len(_types) >= MOST_TYPES:
            return INVALID
        _types.add(value)
    return value


def _label(value: Any) -> Any:
    """A short text that repeats."""
    value = _text(value)
    is_short = value and len(value) <= 100 and "\n" not in value and "\r" not in value
    return repeated_label_of(value) if is_short else INVALID


def _text(value: Any) -> str | None:
    cls = type(value)
    if cls is not str and issubclass(cls, (str, enum.Enum)):
        value = exact(value)
        cls = type(value)
    return value if cls is str else None


def _with_text(clean: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a cleaner of text that is not empty."""

    def clean_text(value: Any) -> Any:
        value = _text(value)
        return clean(value) if value else INVALID

    return clean_text


_LABELS: Final = ("repo", "model_tier", "model")
_TEXTS: Final = ("task_description", "estimated_tokens", "solution_summary")


def _cleaner(field: Field) -> Callable[[Any], Any]:
    if field.column == "task_type":
        return _type
    if field.column in _LABELS:
        return _label
    return _with_text(field.clean) if field.column in _TEXTS else field.clean


def _guesses(names_of: Callable[[Field], tuple[str, ...]], *, content: bool) -> Guesses:
    rows = tuple(
        (name, field.key, _cleaner(field))
        for field in FIELDS
        if content or not field.content
        for name in names_of(field)
    )
    return Guesses(rows)


# By capture_content.
FOR_TASK: Final = {content: _guesses(lambda field: field.guessed_in_task, content=content) for content in (True, False)}
FOR_RESULT: Final = {
    content: _guesses(lambda field: field.guessed_in_result, content=content) for content in (True, False)
}
