"""Calls whose start their worker notes in shared memory; here the worker is the same process, or a fork of it."""

import gc
import os
import pickle

import pytest

from learning_instrument.instrumentation import noted_calls
from learning_instrument.instrumentation.noted_calls import NotedCall

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="there is no such memory")


class Asking:
    """A call that tells what is noted of another one."""

    noted = None

    def __call__(self):
        return Asking.noted.note()


def sent(call):
    """Return *call* as it arrives in the process that runs it."""
    return pickle.loads(pickle.dumps(call))


def test_call_is_noted_while_it_runs():
    """With its process, its start, and its number among those of the pickled call."""
    Asking.noted = NotedCall(Asking())
    arrived = sent(Asking.noted)

    assert Asking.noted.note() is None
    first, second = arrived(), arrived()

    assert (first.process_id, first.number, second.number) == (os.getpid(), 1, 2)
    assert 0 < first.started <= second.started
    assert Asking.noted.note() is None


def test_call_that_fails_is_not_noted_any_more():
    """It has ended."""
    call = NotedCall(len)
    with pytest.raises(TypeError):
        sent(call)(1)

    assert call.note() is None


def test_call_that_is_dropped_in_a_fork_keeps_its_note():
    """The fork has a copy of the call, and the same memory."""
    Asking.noted = call = NotedCall(Asking())
    arrived = sent(call)
    child = os.fork()
    if not child:
        Asking.noted = call = None
        gc.collect()
        others = [NotedCall(len) for _ in range(noted_calls._MOST)]
        pickle.dumps(others)
        os._exit(0)
    os.waitpid(child, 0)

    assert arrived().process_id == os.getpid()
    assert call.note() is None


def test_calls_beyond_the_memory_run_without_notes():
    """They are noted again when others have ended."""
    calls = [NotedCall(abs) for _ in range(noted_calls._MOST)]
    pickle.dumps(calls)
    beyond = NotedCall(abs)

    assert sent(beyond) is abs
    del calls
    gc.collect()
    assert sent(beyond) is not abs


def test_another_file_is_left_alone(tmp_path):
    """The process that submitted a call may have ended, and another have its id and other files."""
    call = NotedCall(abs)
    place = call.__reduce__()[1][1]
    with (tmp_path / "theirs").open("w+b") as theirs:
        found = noted_calls._received(abs, place._replace(descriptor=theirs.fileno()))
        gone = noted_calls._received(abs, place._replace(process_id=999_999_999))

    assert found is gone is abs
    assert (tmp_path / "theirs").read_bytes() == b""
