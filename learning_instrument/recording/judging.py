"""Judges a result by its own words: each field is read at most once, and every read is guarded."""

import enum
import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from ..columns import COLUMN_OF
from ..outcome import ASSUMED, FAILURE_CODES, QUALITY_GATE, SUCCEEDED, Verdict, judge_result, outcome_of_status
from ..safety.guards import guarded, is_interruption
from ..safety.readers import Reader
from ..safety.sanitize import exact, json_of, message_of, text_of, type_name

log = logging.getLogger(__name__)

MESSAGE_LIMIT: Final = COLUMN_OF["error_message"].limit
_STATUS_LIMIT: Final = 100
#: Reads a result without fields.
_NO_FIELDS: Final[Reader] = dict[str, Any]().get


def judge(
    result: Any,
    read: Reader | None,
    success_when: Callable[[Any], bool | None] | None,
    success: bool | None,
    message: Any,
) -> Verdict:
    """Judge what a task returned, by the first that says something.

    Args:
        result: what it returned.
        read: the reader of its fields; None where it has none.
        success_when: the user's own judgement.
        success: the success that was set from outside the result.
        message: the error message that was set.
    """
    opinion = None if success_when is None else _opinion(success_when, result)
    if opinion is None and success is None and read is None:
        return ASSUMED
    read = read or _NO_FIELDS
    if opinion is None and success is None:
        success = _bool_of(read, "success")
        if success is None:
            success = _bool_of(read, "ok")
    if opinion or (opinion is None and success):
        return SUCCEEDED
    error = guarded(read, "error")
    message = _message(guarded(read, "error_message") if message is None else message) or _message(error)
    if opinion is not None:
        return QUALITY_GATE if message is None else QUALITY_GATE._replace(error_message=message)
    status, failed = _status(read), not _is_empty(error)
    if success is None and not failed and (status is None or outcome_of_status(status) is None):
        code = _failure_code(read)
        failed, message = code is not None, message or code
    return judge_result(success=success, status=status, failed=failed, message=message)


def _opinion(success_when: Callable[[Any], bool | None], result: Any) -> bool | None:
    try:
        opinion = success_when(result)
        return None if opinion is None else bool(opinion)
    except BaseException as fault:  # the user's function failed: the result decides
        if is_interruption(fault):
            raise
        guarded(_warn_of_success_when, success_when)
        return None


@functools.lru_cache(maxsize=64)
def _warn_of_success_when(success_when: Callable[[Any], bool | None]) -> None:
    """Log, once for each function, that it failed."""
    log.warning("The function success_when %r failed; results are judged without it.", success_when, exc_info=True)


def _bool_of(read: Reader, name: str) -> bool | None:
    value = guarded(read, name)
    if value is not None and type(value) is not bool:
        value = guarded(exact, value)
    return value if type(value) is bool else None


def _status(read: Reader) -> str | None:
    """Return ``result.status``, or ``result.state`` where only that is a known word."""
    status = _word(guarded(read, "status"))
    if status is not None and outcome_of_status(status) is not None:
        return status
    state = _word(guarded(read, "state"))
    return state if state is not None and outcome_of_status(state) is not None else status


def _word(value: Any) -> str | None:
    """Return a status as text: of an enum its value, or its name where the value is not text."""
    text = None if value is None else guarded(exact, value)
    if text is not None and type(text) is not str and issubclass(type(value), enum.Enum):
        text = value._name_
    return text_of(text, _STATUS_LIMIT) if type(text) is str else None


def _failure_code(read: Reader) -> str | None:
    """Return the error that ``result.status_code`` reports, as text; None where it reports none."""
    code = guarded(read, "status_code")
    code = None if code is None else guarded(exact, code)
    return f"status_code {code}" if type(code) is int and code in FAILURE_CODES else None


def _is_empty(error: Any) -> bool:
    """Tell whether ``result.error`` is empty, without calling ``bool()`` on a foreign object."""
    error = guarded(exact, error)
    cls = type(error)
    if error is None or cls is bool or cls is int or cls is float or cls is str:
        return not error
    if issubclass(cls, BaseException):
        return False
    if callable(error) or any("__get__" in vars(base) for base in type.mro(cls)):
        return True  # a method of that name, as of a logger; or a property, where the result is a class
    return any(issubclass(cls, kind) and not kind.__len__(error) for kind in (list, tuple, set, frozenset, dict, bytes))


def _message(error: Any) -> str | None:
    """Return the text of a result's error."""
    error = guarded(exact, error)
    if _is_empty(error) or type(error) is bool:
        return None
    if issubclass(type(error), BaseException):
        return text_of(message_of(error) or type_name(type(error)), MESSAGE_LIMIT)
    if type(error) is not str:
        error = json_of({"error": error}, MESSAGE_LIMIT)
    return text_of(error, MESSAGE_LIMIT)
