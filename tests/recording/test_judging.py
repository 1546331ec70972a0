"""Judging results: which words count, what they rest on, and which objects only look as if they said something."""

import dataclasses
import enum
import http
import types
from unittest import mock

import pytest

from learning_instrument.outcome import Outcome
from learning_instrument.recording.judging import judge
from learning_instrument.safety.readers import reader_of


def judged(result, success_when=None, success=None, message=None):
    return judge(result, reader_of(result), success_when, success, message)


def scalar(value):
    """Return a scalar of numpy's: an object of a class of that module, with ``item()``."""
    return type("scalar", (), {"__module__": "numpy", "item": lambda self: value})()


class State(enum.Enum):
    FAILURE = "FAILURE"
    SUCCESS = 1


class Odd:
    """Says nothing, in every way there is."""

    @property
    def success(self):
        raise SystemExit

    def ok(self):
        return False

    status = 500
    state = object()
    status_code = "500"

    @property
    def error(self):
        raise RuntimeError


class Answer(enum.Enum):
    """Its members are attributes of each other, but on Python 3.11."""

    ok = True
    error = "error"
    status = "failed"


@dataclasses.dataclass
class Default:
    ok: bool = False
    status: str = "failed"
    error: str = "not run"


@pytest.mark.parametrize(
    ("result", "outcome", "message"),
    [
        ({"ok": False}, Outcome.FAILED, "failed"),
        ({"ok": False, "error": "no_channel"}, Outcome.FAILED, "no_channel"),
        ({"ok": True, "error": "a warning"}, Outcome.SUCCEEDED, None),
        ({"ok": scalar(False)}, Outcome.FAILED, "failed"),
        ({"state": "FAILURE"}, Outcome.FAILED, "FAILURE"),
        ({"state": "REVOKED"}, Outcome.CANCELLED, "REVOKED"),
        ({"state": "TIMED_OUT"}, Outcome.TIMEOUT, "TIMED_OUT"),
        ({"state": State.FAILURE}, Outcome.FAILED, "FAILURE"),
        ({"state": State.SUCCESS}, Outcome.SUCCEEDED, None),
        ({"status": "processing", "state": "failed"}, Outcome.FAILED, "failed"),
        ({"status_code": 500}, Outcome.FAILED, "status_code 500"),
        ({"status_code": 400, "error": ""}, Outcome.FAILED, "status_code 400"),
        ({"status_code": 599, "error_message": "down"}, Outcome.FAILED, "down"),
        ({"status_code": http.HTTPStatus.NOT_FOUND}, Outcome.FAILED, "status_code 404"),
        ({"status_code": scalar(503)}, Outcome.FAILED, "status_code 503"),
        (types.SimpleNamespace(ok=False, status_code=404), Outcome.FAILED, "status_code 404"),
        ({"ok": True, "status_code": 404}, Outcome.SUCCEEDED, None),
        (types.SimpleNamespace(status_code=404, reason="Not Found"), Outcome.FAILED, "status_code 404"),
    ],
)
def test_words_of_results_count(result, outcome, message):
    """In a mapping and in an object; what they say is reported."""
    verdict = judged(result)

    assert (verdict.outcome, verdict.error_message, verdict.source) == (outcome, message, "reported")


@pytest.mark.parametrize(
    "result",
    [
        None, True, False, "done", b"failed", 0, 3.5, (False, "bad"), [], ["error"], {}, {"output": "x"}, {"error": ""},
        {"error": None}, {"status": "processing"}, {"state": "PENDING"}, {"state": "California"}, {"ok": 0},
        {"ok": "no"}, {"ok": None}, {"success": None}, {"status": 500}, {"status_code": 200}, {"status_code": 302},
        {"status_code": 399}, {"status_code": 600}, {"status_code": True}, {"status_code": "500"},
        {"status_code": 500.0}, {"status_code": -404}, Odd(), mock.Mock(), mock.MagicMock(), mock.NonCallableMock(),
        mock.AsyncMock(), scalar([False]), object(), type, Odd, Answer.ok,
        Answer.error, Default, http.HTTPStatus.NOT_FOUND,
    ],
    ids=lambda result: type(result).__name__,
)  # fmt: skip
def test_success_without_a_word_is_assumed(result):
    """Whatever its type: a bool may be the answer, a method is no field, and a mock makes up every name."""
    assert judged(result).outcome is Outcome.SUCCEEDED
    assert judged(result).source == "assumed"


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"success": True, "ok": False, "status": "failed", "state": "failed", "error": "e"}, Outcome.SUCCEEDED),
        ({"ok": True, "status": "failed", "state": "failed", "status_code": 500, "error": "e"}, Outcome.SUCCEEDED),
        ({"status": "done", "state": "failed", "status_code": 500, "error": "e"}, Outcome.SUCCEEDED),
        ({"state": "done", "status_code": 500, "error": "e"}, Outcome.SUCCEEDED),
        ({"success": False, "status": "timeout"}, Outcome.FAILED),
        ({"ok": False, "status": "done"}, Outcome.FAILED),
        ({"success": "yes", "ok": False}, Outcome.FAILED),
    ],
)
def test_the_first_word_decides(result, outcome):
    """In the order of the reference page."""
    assert judged(result).outcome is outcome


def test_refused_result_keeps_its_own_error():
    """Else one message would stand for all."""

    def refuse(result):
        return False

    refused = judged({"success": True, "error": "reviewer said no"}, refuse)
    assert (refused.error_message, refused.error_type) == ("reviewer said no", "quality_gate")
    assert judged({"error_message": "m", "error": "e"}, refuse).error_message == "m"
    assert judged({"error": "e"}, refuse, message="set").error_message == "set"
    assert judged({"output": ""}, refuse).error_message == "success_when said no"
    assert judged(False, bool).error_message == "success_when said no"


def test_opinion_and_success_that_is_set_are_reported():
    """By the user, in place of the result."""
    assert judged(True, bool).source == "reported"
    assert judged(None, lambda result: None).source == "assumed"
    assert judged(None, success=True).source == judged("text", success=False).source == "reported"
