"""The user's own ``redact``, applied to every text after our rules, in this process and in those of its pools."""

import functools
import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from .guards import guarded, is_interruption, warn
from .named_secrets import MARKER

log = logging.getLogger(__name__)

Redact = str | re.Pattern[str] | Sequence[str | re.Pattern[str]] | Callable[[str], str]
"""What ``configure(redact=)`` takes: patterns, each match of which is replaced, or a function ``text -> text``."""

Setting = tuple[re.Pattern[str], ...] | Callable[[str], str]
"""The same, checked."""

_F = TypeVar("_F", bound=Callable[..., Any])


class Own:
    """The setting of this process. A forked process inherits it."""

    #: Patterns, or a function, or None.
    setting: Setting | None = None
    #: Applies it.
    redact: Callable[[str], str] | None = None


_caches: Final[list[Callable[[], None]]] = []


def cached(function: _F) -> _F:
    """Remember the results of *function* for texts that repeat, until the setting changes."""
    remembering = functools.lru_cache(maxsize=4096)(function)
    _caches.append(remembering.cache_clear)
    return remembering  # type: ignore[return-value]


def use(setting: Setting | None) -> None:
    """Apply *setting*, a result of :func:`parsed`, from now on."""
    Own.setting = setting
    if setting is None:
        Own.redact = None
    elif isinstance(setting, tuple):
        Own.redact = functools.partial(_without_matches, setting)
    else:
        Own.redact = functools.partial(_called, setting)
    for clear in _caches:
        clear()


def parsed(redact: Any) -> Setting | None:
    """Return the setting of an argument *redact*.

    Raises:
        ValueError: for anything but patterns or a function.
    """
    if redact is None or (callable(redact) and not isinstance(redact, type)):
        return redact
    parts = [redact] if isinstance(redact, (str, re.Pattern)) else redact
    if not isinstance(parts, (list, tuple, set, frozenset)) or not all(map(_is_pattern, parts)):
        raise ValueError(f"Invalid redact {redact!r}: expected a pattern, several of them, or a function text -> text.")
    try:
        return tuple(map(re.compile, parts)) or None
    except re.error as error:
        raise ValueError(f"Invalid redact {redact!r}: expected regular expressions: {error}.") from error


def _is_pattern(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, re.Pattern) and isinstance(part.pattern, str))


def hide(text: str) -> str:
    """Return the marker, for any *text*."""
    return MARKER


def _without_matches(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    for pattern in patterns:
        text = pattern.sub(MARKER, text)
    return text


class _Running(threading.local):
    is_on = False


_running: Final = _Running()


def _called(function: Callable[[str], str], text: str) -> str:
    """Call the user's *function*, guarded. A text that it does not answer for is hidden."""
    if _running.is_on:  # it records an execution of its own
        return MARKER
    _running.is_on = True
    try:
        found = function(text)
        if isinstance(found, str):
            return str.__str__(found)
        fault: BaseException = TypeError(f"it returned {type(found).__name__}, and not text")
    except BaseException as raised:  # it may raise SystemExit; the task must not see it
        if is_interruption(raised):
            raise
        fault = raised
    finally:
        _running.is_on = False
    guarded(_warn_of_fault, function, type(fault).__name__)
    return MARKER


@functools.lru_cache(maxsize=64)
def _warn_of_fault(function: Callable[[str], str], fault: str) -> None:
    """Log, once for each function, that it failed; its text is in no message."""
    warn(log, "The function redact of configure() raised %s: its texts are stored as %s.", fault, MARKER)
