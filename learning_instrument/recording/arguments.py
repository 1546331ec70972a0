"""Describes a call by the plain values among its arguments: text and numbers, as ``"https://...", 3, retries=2``.

Other arguments are left out: no code of theirs runs.
"""

import enum
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..columns import COLUMN_OF
from ..safety.guards import is_interruption
from ..safety.named_secrets import MARKER
from ..safety.sanitize import INTEGER_LIMIT, exact, text_of
from ..safety.secret_names import Name, can_be_secret, kind_of

#: Of each kind, positional and named.
_MOST_ARGUMENTS: Final = 20
_LIMIT: Final = COLUMN_OF["task_description"].limit
_INSTANCES: Final = ("self", "cls")
#: Modules whose objects have a text that is as plain.
_PLAIN_MODULES: Final = ("uuid", "pathlib", "pathlib._local")


def text_of_call(args: Sequence[Any], kwargs: Mapping[str, Any], parameters: Sequence[str]) -> str | None:
    """Return the plain values of a call, or None where there are none.

    Args:
        args: the positional arguments.
        kwargs: the named ones.
        parameters: the names of the positional parameters: the value of one called ``password`` is redacted.
    """
    shown = []
    for number, value in enumerate(args[:_MOST_ARGUMENTS]):
        if value is not None:
            name = parameters[number] if number < len(parameters) else ""
            if number or name not in _INSTANCES:
                text = _shown(value, name)
                if text is not None:
                    shown.append(text)
    if kwargs:
        for name, value in itertools.islice(kwargs.items(), _MOST_ARGUMENTS):
            text = None if value is None else _shown(value, name)
            if text is not None:
                shown.append(f"{name}={text}")
    return ", ".join(shown) or None


def is_a_secret(task: str, args: Sequence[Any], kwargs: Mapping[str, Any], parameters: Sequence[str]) -> bool:
    """Tell whether the *task* of a call is the value of an argument whose name says that it is a secret."""
    named = itertools.islice(kwargs.items(), _MOST_ARGUMENTS)
    return any(
        value is task and _names_a_secret(name, plain_text(value) or "")
        for name, value in itertools.chain(zip(parameters, args, strict=False), named)
    )


def texts_among(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
    """Return the texts among the arguments of a call."""
    values = itertools.chain(args[:_MOST_ARGUMENTS], itertools.islice(kwargs.values(), _MOST_ARGUMENTS))
    return [text for text in map(plain_text, values) if text is not None]


def plain_text(value: Any) -> str | None:
    """Return *value* as text if it is one; None: it is something else, or its class raises."""
    cls = type(value)
    if cls is str:
        return value  # type: ignore[no-any-return]
    try:
        if not issubclass(cls, (str, enum.Enum)):
            return None
        value = exact(value)
    except BaseException as fault:  # such as an enum without a value
        if is_interruption(fault):
            raise
        return None
    return value if type(value) is str else None


def _shown(value: Any, name: str) -> str | None:
    """Return a plain *value*, redacted; None: it is none."""
    cls = type(value)
    try:
        if cls is not int and cls is not str:
            value = exact(value)
            cls = type(value)
        if cls is float or (cls is int and -INTEGER_LIMIT <= value < INTEGER_LIMIT):
            return MARKER if name and kind_of(name) >= Name.SECRET else repr(value)
        if cls is not str:
            if cls.__module__ not in _PLAIN_MODULES:
                return None
            value = str(value)
    except BaseException as fault:  # its class is foreign code
        if is_interruption(fault):
            raise
        return None
    return f'"{MARKER if _names_a_secret(name, value) else text_of(value, _LIMIT)}"'


def _names_a_secret(name: str, text: str) -> bool:
    kind = kind_of(name) if name else Name.OTHER
    return kind >= Name.SECRET or (kind is not Name.OTHER and can_be_secret(kind, text, is_quoted=True))
