"""Judges a result by its own words: each field is read at most once, and every read is guarded."""

import enum
import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from ..columns import COLUMN_OF
from ..outcome import (
    ASSUMED,
    FAILURE_CODES,
    QUALITY_GATE,
    SUCCEEDED,
    Outcome,
    Verdict,
    judge_exception,
    judge_result,
    outcome_of_status,
)
from ..safety.guards import guarded, is_interruption, warn
from ..safety.readers import Reader
from ..safety.sanitize import exact, json_of, label_of, message_of, shown, text_of, type_name

log = logging.getLogger(__name__)

MESSAGE_LIMIT: Final = COLUMN_OF["error_message"].limit
_STATUS_LIMIT: Final = 100
#: What such a result has under these names are its members and defaults.
_WITHOUT_WORDS: Final = (type, enum.Enum)
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
    cls = type(result)
    if opinion is None and success is None and (read is None or (cls is not dict and issubclass(cls, _WITHOUT_WORDS))):
        return ASSUMED
    if opinion or (opinion is None and success):
        return SUCCEEDED
    read = read or _NO_FIELDS
    try:
        return _judge(read, opinion, success, message)
    except BaseException as fault:  # a key of a user's dict, which may raise when it is compared
        if is_interruption(fault):
            raise
        return _judge(functools.partial(guarded, read), opinion, success, message)


def judge_raised(exception: BaseException) -> Verdict:
    """Judge an *exception*: its message and the name of its class without secrets."""
    verdict = judge_exception(exception, _text_of_error(exception))
    if verdict.exception_type is None:
        return verdict
    return verdict._replace(exception_type=label_of(verdict.exception_type))


def _judge(read: Reader, opinion: bool | None, success: bool | None, message: Any) -> Verdict:
    """Judge a result by its fields. Most of them say it in the first ones, or have none."""
    if opinion is None and success is None:
        success = read("success")
        if success is not True:
            success = _bool_of(success)
            if success is None:
                success = _bool_of(read("ok"))
        if success:
            return SUCCEEDED
    status, outcome = _status(read)
    error = read("error")
    failed = not _is_empty(error)
    code = _failure_code(read("status_code")) if outcome is None and not failed else None
    if opinion is None and success is None:
        if outcome is Outcome.SUCCEEDED:
            return SUCCEEDED
        if outcome is None and not failed and code is None:
            return ASSUMED
    message = _message(read("error_message") if message is None else message) or _message(error) or code
    if opinion is not None:
        return QUALITY_GATE if message is None else QUALITY_GATE._replace(error_message=message)
    status = None if status is None else text_of(status, _STATUS_LIMIT)
    return judge_result(success=success, status=status, failed=failed or code is not None, message=message)


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
    warn(log, "The function success_when %s failed; results are judged without it.", shown(success_when), exc_info=True)


def _bool_of(value: Any) -> bool | None:
    if value is not None and type(value) is not bool:
        value = guarded(exact, value)
    return value if type(value) is bool else None


def _status(read: Reader) -> tuple[str | None, Outcome | None]:
    """Return ``result.status``, or ``result.state`` where only that is a known word; and the outcome it reports."""
    status = _word(read("status"))
    outcome = None if status is None else outcome_of_status(status)
    if outcome is None:
        state = _word(read("state"))
        outcome = None if state is None else outcome_of_status(state)
        if outcome is not None:
            status = state
    return status, outcome


def _word(value: Any) -> str | None:
    """Return a status as text: of an enum its value, or its name where the value is not text."""
    if value is None or type(value) is str:
        return value
    text = guarded(exact, value)
    if type(text) is not str and issubclass(type(value), enum.Enum):
        text = value._name_
    return text if type(text) is str else None


def _failure_code(code: Any) -> str | None:
    """Return the error that ``result.status_code`` reports, as text; None where it reports none."""
    code = None if code is None else guarded(exact, code)
    return f"status_code {code}" if type(code) is int and code in FAILURE_CODES else None


def _is_empty(error: Any) -> bool:
    """Tell whether ``result.error`` is empty, without calling ``bool()`` on a foreign object."""
    if error is not None:
        error = guarded(exact, error)
    cls = type(error)
    if error is None or cls is bool or cls is int or cls is float or cls is str:
        return not error
    if callable(error) and not issubclass(cls, BaseException):
        return True  # a method of that name, as of a logger
    return any(issubclass(cls, kind) and not kind.__len__(error) for kind in (list, tuple, set, frozenset, dict, bytes))


def _message(error: Any) -> str | None:
    """Return the text of a result's error."""
    error = guarded(exact, error)
    if _is_empty(error) or type(error) is bool:
        return None
    if issubclass(type(error), BaseException):
        return _text_of_error(error)
    if type(error) is not str:
        error = json_of({"error": error}, MESSAGE_LIMIT)
    return text_of(error, MESSAGE_LIMIT)


def _text_of_error(error: BaseException) -> str:
    return text_of(message_of(error) or type_name(type(error)), MESSAGE_LIMIT)
