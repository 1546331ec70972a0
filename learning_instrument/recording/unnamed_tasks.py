"""Notes the names that a pool's tasks have, where their type or description is not found: ``doctor`` tells of them."""

import itertools
from collections.abc import Iterable
from typing import Any, Final

from ..safety.guards import guarded
from ..safety.sanitize import label_of
from .fields import FIELDS

#: The executions of one decorated function, in one process, whose tasks are looked at.
_EXECUTIONS: Final = 100
#: The names of one task, the longest of them, and those looked at.
_NAMES: Final = 20
_LONGEST: Final = 60
_MOST_LOOKED_AT: Final = 100
#: Those that are found as they are.
_KNOWN: Final = frozenset(
    {"metadata", *(name for field in FIELDS for name in (*field.task_names, *field.guessed_in_task))}
)


class UnnamedTasks:
    """The tasks of one decorated function that lack a type or a description."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _EXECUTIONS

    def names(self, task: Any) -> list[str]:
        """Return the names that *task* has, which lacks a type or a description, if it is one of the first.

        No value is read, and no code of the task's class is run.
        """
        if not self._left:
            return []
        self._left -= 1
        found = (name for name in guarded(_names_of, task) or () if _is_telling(name))
        return list(dict.fromkeys(itertools.islice(found, _NAMES)))


def _names_of(task: Any) -> Iterable[Any]:
    cls = type(task)
    if issubclass(cls, dict):
        return itertools.islice(dict.keys(task), _MOST_LOOKED_AT)
    names: list[Any] = []
    for base in type.__dict__["__mro__"].__get__(cls):
        slots = type.__dict__["__dict__"].__get__(base).get("__slots__", ())
        names += [slots] if type(slots) is str else slots if type(slots) in (tuple, list) else ()
    own = guarded(object.__getattribute__, task, "__dict__")
    return names + list(itertools.islice(own, _MOST_LOOKED_AT)) if type(own) is dict else names


def _is_telling(name: Any) -> bool:
    return (
        type(name) is str
        and len(name) <= _LONGEST
        and name.isidentifier()
        and not name.startswith("_")
        and name not in _KNOWN
        and label_of(name) == name
    )
