"""Judging exceptions and results: outcome, error type, message and class."""

import asyncio
import builtins
import concurrent.futures
import importlib
import multiprocessing
import sys
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.thread import BrokenThreadPool

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import EXCEPTIONS, texts

from learning_instrument.outcome import (
    ASSUMED,
    ENDINGS,
    QUALITY_GATE,
    RETRIES,
    SUCCEEDED,
    ErrorType,
    Outcome,
    Verdict,
    error_type_of,
    judge_exception,
    judge_result,
    qualified_name,
    reason_of,
)

if sys.version_info >= (3, 11):
    _Group = builtins.BaseExceptionGroup
else:
    _Group = importlib.import_module("exceptiongroup").BaseExceptionGroup  # which pytest needs there

TIMEOUTS = [TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError, multiprocessing.TimeoutError]
CANCELLATIONS = [asyncio.CancelledError, concurrent.futures.CancelledError, GeneratorExit]
SUCCESS_WORDS = ["completed", "complete", "success", "succeeded", "successful", "ok", "done"]
FAILURE_WORDS = [
    "failed", "fail", "failure", "error", "errored", "rejected", "aborted", "crashed", "killed", "invalid", "denied",
    "unknown",
]  # fmt: skip
TIMEOUT_WORDS = ["timeout", "timed_out", "timedout", "timed out"]
CANCELLED_WORDS = ["cancelled", "canceled", "revoked"]
STATUS_WORDS = SUCCESS_WORDS + FAILURE_WORDS + TIMEOUT_WORDS + CANCELLED_WORDS

optional_texts = st.none() | texts
SPELLINGS = [str.lower, str.upper, str.title, "  {}\n".format]


def judged(success=None, status=None, failed=False, message=None):
    return judge_result(success=success, status=status, failed=failed, message=message)


def validation_error():
    class Model(pydantic.BaseModel):
        number: int

    with pytest.raises(pydantic.ValidationError) as caught:
        Model(number="none")
    return caught.value


# Exceptions.


@pytest.mark.parametrize("cls", TIMEOUTS)
def test_timeout_errors_are_timeouts(cls):
    """Whichever library the class is from; without a message, the class name is one."""
    verdict = judge_exception(cls(), "")

    assert verdict[:3] == (Outcome.TIMEOUT, ErrorType.TIMEOUT, cls.__name__)


@pytest.mark.parametrize("cls", CANCELLATIONS)
def test_cancellations_are_cancelled(cls):
    """asyncio's, concurrent.futures', and a generator that is closed."""
    verdict = judge_exception(cls(), "")

    assert verdict[:3] == (Outcome.CANCELLED, ErrorType.CANCELLED, cls.__name__)


def ending_named(name):
    """Return an exception that ENDINGS has under *name*, from some module of its package."""
    package, _, own = name.rpartition(".")
    module = package if package == "builtins" else f"{package or 'anywhere'}._core.exceptions"
    return type(own, (BaseException,), {"__module__": module})()


@pytest.mark.parametrize("name", sorted(ENDINGS))
def test_endings_of_other_libraries_are_known_by_name(name):
    """Whichever module of the package defines the class; one of another package says nothing."""
    verdict = judge_exception(reason_of(ending_named(name)), "")
    other = judge_exception(ending_named(f"mine.{name.rpartition('.')[2]}"), "told")

    assert verdict[:2] == ENDINGS[name]
    assert verdict.source == ("reported" if verdict.outcome is Outcome.SUCCEEDED else "raised")
    if "." in name:
        assert other[:2] == (Outcome.ERROR, ErrorType.UNKNOWN)


@pytest.mark.parametrize("name", sorted(RETRIES))
def test_retry_is_judged_by_what_it_was_raised_for(name):
    """Without a reason it is no failure."""
    retry = ending_named(name)
    retry.__context__ = ValueError("down")

    assert reason_of(retry) is retry.__context__
    assert judge_exception(reason_of(ending_named(name)), "").outcome is Outcome.CANCELLED


def _group(*exceptions):
    return _Group("several", exceptions)


@pytest.mark.parametrize(
    ("group", "ending"),
    [
        (_group(asyncio.CancelledError()), (Outcome.CANCELLED, ErrorType.CANCELLED)),
        (_group(asyncio.CancelledError(), _group(GeneratorExit())), (Outcome.CANCELLED, ErrorType.CANCELLED)),
        (_group(TimeoutError(), _group(TimeoutError(), asyncio.TimeoutError())), (Outcome.TIMEOUT, ErrorType.TIMEOUT)),
        (_group(BrokenProcessPool(), BrokenThreadPool()), (Outcome.ERROR, ErrorType.CRASH)),
        (_group(asyncio.CancelledError(), TimeoutError()), (Outcome.ERROR, ErrorType.UNKNOWN)),
        (_group(asyncio.CancelledError(), ValueError()), (Outcome.ERROR, ErrorType.UNKNOWN)),
        (_group(ValueError(), _group(asyncio.CancelledError())), (Outcome.ERROR, ErrorType.UNKNOWN)),
        (_group(*[asyncio.CancelledError()] * 2000), (Outcome.ERROR, ErrorType.UNKNOWN)),  # too many to look at
    ],
    ids=repr,
)
def test_group_is_judged_by_what_all_of_it_says(group, ending):
    """A group of cancellations alone is cancelled; whatever is mixed is an error."""
    assert judge_exception(group, "several")[:2] == ending


def test_group_is_read_without_its_own_code():
    """As any other object of a user's."""

    class Own(_Group):
        @property
        def exceptions(self):
            raise SystemExit

    assert judge_exception(Own("x", [asyncio.CancelledError()]), "").outcome is Outcome.CANCELLED


def test_deep_group_is_judged():
    """Without recursion."""
    group = asyncio.CancelledError()
    for _ in range(900):
        group = _group(group)

    assert judge_exception(group, "").outcome is Outcome.CANCELLED


def test_subclasses_are_judged_as_their_base(subtests):
    """A user's subclass, of any name, is judged as its base."""
    for cls in TIMEOUTS + CANCELLATIONS:
        with subtests.test(cls=cls):
            own = type("Own", (cls,), {})

            assert judge_exception(own(), "x").outcome is judge_exception(cls(), "x").outcome


def test_every_other_exception_is_an_error(subtests):
    """``KeyboardInterrupt`` and ``SystemExit`` included."""
    for cls in [ValueError, KeyboardInterrupt, SystemExit, StopIteration, MemoryError]:
        with subtests.test(cls=cls):
            assert judge_exception(cls(), "") == Verdict(
                Outcome.ERROR, ErrorType.UNKNOWN, cls.__name__, cls.__name__, "raised"
            )


def test_pydantic_validation_error_is_a_validation_error():
    """By its class, for any message."""
    verdict = judge_exception(validation_error(), "timed out")

    assert (verdict.outcome, verdict.error_type) == (Outcome.ERROR, ErrorType.VALIDATION)


@pytest.mark.parametrize("cls", [BrokenProcessPool, BrokenThreadPool, concurrent.futures.BrokenExecutor])
def test_broken_pool_is_a_crash(cls):
    """By its class, for any message."""
    verdict = judge_exception(cls(), "timed out")

    assert (verdict.outcome, verdict.error_type) == (Outcome.ERROR, ErrorType.CRASH)


def test_class_goes_before_message():
    """A timeout whose message speaks of validation is a timeout."""
    assert judge_exception(TimeoutError(), "validation").error_type is ErrorType.TIMEOUT


def test_message_decides_where_the_class_does_not():
    """An exception of no known class is judged by its words."""
    verdict = judge_exception(RuntimeError(), "Request timed out")

    assert (verdict.outcome, verdict.error_type) == (Outcome.ERROR, ErrorType.TIMEOUT)


def test_class_of_the_same_name_alone_is_not_a_timeout():
    """A user's own ``TimeoutError`` without the base is an error, though its name tells the type."""
    own = type("TimeoutError", (Exception,), {"__module__": "mine"})

    assert judge_exception(own(), "") == Verdict(
        Outcome.ERROR, ErrorType.TIMEOUT, "TimeoutError", "mine.TimeoutError", "raised"
    )


def test_every_exception_has_a_verdict(subtests):
    """However odd it is: never a success, always with a type, a message and a class that UTF-8 can hold."""
    for name in EXCEPTIONS:
        for message in ["", "told"]:
            with subtests.test(name=name, message=message):
                verdict = judge_exception(EXCEPTIONS[name](), message)

                assert verdict.outcome in (Outcome.ERROR, Outcome.TIMEOUT, Outcome.CANCELLED)
                assert isinstance(verdict.error_type, ErrorType)
                assert verdict.error_message
                assert verdict.exception_type.encode()


def test_qualified_name_leaves_builtins_out():
    """As OpenTelemetry's ``error.type`` has it."""
    assert qualified_name(ValueError) == "ValueError"
    assert qualified_name(BrokenProcessPool) == "concurrent.futures.process.BrokenProcessPool"
    assert qualified_name(type("Inner", (Exception,), {"__module__": "a.b", "__qualname__": "Outer.Inner"})) == (
        "a.b.Outer.Inner"
    )


# Messages.


def test_error_type_is_inferred_from_words(subtests):
    """ "timeout" or "timed out", then "validation", else unknown; upper and lower case are one."""
    for spell in SPELLINGS:
        for words, expected in [
            ("gateway timeout after 3 s", ErrorType.TIMEOUT),
            ("the call timed out", ErrorType.TIMEOUT),
            ("validation of the timeout", ErrorType.TIMEOUT),
            ("schema validation failed", ErrorType.VALIDATION),
            ("something broke", ErrorType.UNKNOWN),
            ("", ErrorType.UNKNOWN),
        ]:
            with subtests.test(spell=spell, words=words, expected=expected):
                assert error_type_of(spell(words)) is expected


@given(texts, texts)
def test_the_words_count_wherever_they_stand(before, after):
    """Within any other text."""
    assert error_type_of(f"{before}Timed Out{after}") is ErrorType.TIMEOUT
    assert error_type_of(f"{before}VALIDATION{after}") is not ErrorType.UNKNOWN


# Results.


@given(optional_texts | st.sampled_from(STATUS_WORDS), st.booleans(), optional_texts)
def test_success_takes_precedence(status, failed, message):
    """A bool goes before status and error."""
    assert judged(True, status, failed, message) is SUCCEEDED
    assert judged(False, status, failed, message).outcome is Outcome.FAILED


def test_status_words_of_success(subtests):
    """They go before a non-empty error."""
    for spell in SPELLINGS:
        for word in SUCCESS_WORDS:
            with subtests.test(spell=spell, word=word):
                assert judged(status=spell(word), failed=True, message="a warning") is SUCCEEDED


def test_status_words_of_failure(subtests):
    """Without a message, the status is one."""
    for spell in SPELLINGS:
        for word in FAILURE_WORDS:
            with subtests.test(spell=spell, word=word):
                assert judged(status=spell(word)) == Verdict(Outcome.FAILED, ErrorType.UNKNOWN, spell(word))


def test_status_words_of_a_timeout(subtests):
    """The message does not change the type."""
    for spell in SPELLINGS:
        for word in TIMEOUT_WORDS:
            with subtests.test(spell=spell, word=word):
                assert judged(status=spell(word)) == Verdict(Outcome.TIMEOUT, ErrorType.TIMEOUT, spell(word))
                assert judged(status=spell(word), message="validation").error_type is ErrorType.TIMEOUT


def test_status_words_of_a_cancellation(subtests):
    """Either spelling."""
    for spell in SPELLINGS:
        for word in CANCELLED_WORDS:
            with subtests.test(spell=spell, word=word):
                assert judged(status=spell(word)) == Verdict(Outcome.CANCELLED, ErrorType.CANCELLED, spell(word))


@given(optional_texts.filter(lambda status: status is None or status.strip().lower() not in STATUS_WORDS))
def test_other_status_words_leave_it_to_the_error(status):
    """A non-empty error is a failure, anything else is assumed to have succeeded."""
    assert judged(status=status, failed=False) is ASSUMED
    assert judged(status=status, failed=True).outcome is Outcome.FAILED


def test_failure_with_a_timeout_status_is_a_failure_by_timeout():
    """``success=False`` makes the outcome, the status the type."""
    assert judged(False, "timeout") == Verdict(Outcome.FAILED, ErrorType.TIMEOUT, "timeout")


def test_failure_is_typed_by_its_message():
    """The message goes before the status."""
    assert judged(status="failed", message="Validation: x") == Verdict(
        Outcome.FAILED, ErrorType.VALIDATION, "Validation: x"
    )


@given(st.none() | st.booleans(), optional_texts | st.sampled_from(STATUS_WORDS), st.booleans(), optional_texts)
def test_failure_has_a_type_and_a_message(success, status, failed, message):
    """A success has none."""
    verdict = judged(success, status, failed, message)

    if verdict.outcome is Outcome.SUCCEEDED:
        assert verdict in (SUCCEEDED, ASSUMED)
        assert verdict[1:4] == (None, None, None)
    else:
        assert verdict.error_type is not None
        assert verdict.error_message
        assert verdict.exception_type is None
        assert verdict.source == "reported"


def test_quality_gate_names_success_when():
    """The verdict for a result that ``success_when`` refused."""
    assert Verdict(Outcome.FAILED, ErrorType.QUALITY_GATE, "success_when said no") == QUALITY_GATE
