"""The event ``exception`` of a span: class, message and stack, without secrets."""

import traceback
from typing import Final

from .. import semconv
from ..outcome import Verdict
from ..safety.sanitize import text_of
from .contents import frames_without_source
from .judging import MESSAGE_LIMIT

_STACK_FRAMES: Final = 32
#: Of the text of a stack, in characters.
_STACK_LIMIT: Final = 4 * MESSAGE_LIMIT
# Bypasses the attribute access of a user's class.
_traceback_of: Final = vars(BaseException)["__traceback__"].__get__


def exception_event(exception: BaseException, verdict: Verdict, with_source: bool) -> dict[str, str]:
    """Describe *exception* with redacted texts; ``record_exception`` would format it again."""
    return {
        semconv.EXCEPTION_TYPE: verdict.exception_type or "",
        semconv.EXCEPTION_MESSAGE: verdict.error_message or "",
        semconv.EXCEPTION_STACKTRACE: _stack_of(exception, with_source),
    }


def _stack_of(exception: BaseException, with_source: bool) -> str:
    """Return the innermost frames of *exception* that fit, redacted."""
    raised = _traceback_of(exception)
    frames = (
        traceback.format_tb(raised, -_STACK_FRAMES) if with_source else frames_without_source(raised, _STACK_FRAMES)
    )
    while len(frames) > 1:
        stack = "".join(frames)
        if len(stack) <= _STACK_LIMIT:
            stack = text_of(stack, _STACK_LIMIT + 1)
            if len(stack) <= _STACK_LIMIT:  # the marker may be longer than the secret
                return stack
        del frames[0]
    return text_of("".join(frames), _STACK_LIMIT)
