"""Watches ``fields=``: warns once of an entry that finds nothing or raises, and says so in the rows, for ``doctor``."""

import logging
from typing import Final

from ..safety.guards import guarded, warn
from ..safety.sanitize import label_of, type_name

log = logging.getLogger(__name__)

#: Executions that returned, in one process, of which none had a value: an entry that some tasks lack finds one by then.
ENOUGH: Final = 20


class UnmatchedFields:
    """The entries of one ``fields=`` that have found nothing so far in this process."""

    __slots__ = ("_matched", "_missed", "_warned")

    def __init__(self) -> None:
        self._matched: set[str] = set()
        self._missed: dict[str, int] = {}
        self._warned: set[str] = set()

    def found(self, column: str) -> None:
        """Note that the entry of *column* found a value."""
        self._matched.add(column)

    def missed(self, column: str, extractor: object, fault: BaseException | None) -> str | None:
        """Note that the entry of *column* found nothing, or raised; return what the row says of it.

        None: it has found values before.
        """
        if fault is not None:
            text = label_of(f"{_name(extractor)} raised {type_name(type(fault))}")
            self._warn(column, "fields[%r] failed: %s. Its column is filled as without it.", text)
            return text
        if column in self._matched:
            return None
        text = label_of(_name(extractor))
        count = self._missed[column] = self._missed.get(column, 0) + 1
        if count >= ENOUGH:
            self._warn(
                column, f"fields[%r] found nothing in {ENOUGH} executions: %s. Correct the name or the path.", text
            )
        return text

    def _warn(self, column: str, message: str, text: str) -> None:
        if column not in self._warned:
            self._warned.add(column)
            warn(log, message, column, text)


def _name(extractor: object) -> str:
    """Return a name or path as it is, and the qualified name of a function."""
    if type(extractor) is str:
        return extractor
    name = guarded(getattr, extractor, "__qualname__")
    return name if type(name) is str else type_name(type(extractor))
