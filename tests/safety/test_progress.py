"""Waiting for another thread: as long as it makes progress."""

import itertools
import os
import threading

import pytest

from learning_instrument.safety import progress
from learning_instrument.safety.threads import BackgroundThread


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A stall is short."""
    monkeypatch.setattr(progress, "STALLED_SECONDS", 0.02)
    monkeypatch.setattr(progress, "_LEAST_TURNS", 3)
    monkeypatch.setattr(progress, "_TURN_SECONDS", 0.01)


def test_wait_goes_on_while_there_is_progress():
    """Far longer than a stall may be."""
    attempts = iter([False] * 50 + [True])
    pause = threading.Event()

    assert progress.wait_for(lambda seconds: pause.wait(seconds) or next(attempts), itertools.count().__next__)


def test_wait_ends_without_progress():
    """A thread that hangs must not hang the caller."""
    pause = threading.Event()

    assert not progress.wait_for(pause.wait, lambda: 1)


def test_caller_that_was_kept_from_running_waits_for_some_turns_more():
    """The clock alone says nothing on a busy machine."""
    turns = []

    assert not progress.wait_for(lambda seconds: threading.Event().wait(0.05) or turns.append(None), lambda: 1)
    assert len(turns) == 4


def test_join_waits_at_most_so_long():
    """At the end of a process the deadline counts, progress or not."""
    over = threading.Event()
    thread = BackgroundThread("waits", over.wait, ())
    thread.start()

    assert not progress.join(thread, itertools.count().__next__, 0.05)
    over.set()
    assert progress.join(thread, itertools.count().__next__)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="the system does not list the threads of a process")
def test_joined_thread_is_gone_for_the_system_too():
    """Python alone would join one in some hundred a moment before."""
    for _ in range(2000):
        thread = BackgroundThread("ends", int, ())
        thread.start()
        assert progress.join(thread, itertools.count().__next__)
        assert not os.path.exists(f"/proc/self/task/{thread.native_id}")
