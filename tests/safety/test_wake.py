"""Waking a thread of ours."""

import threading
import time

from learning_instrument.safety.wake import Latch, Wake


def test_set_before_the_wait_is_not_lost():
    """A wait ends at once where it was set before, once."""
    wake = Wake()
    wake.set()
    wake.set()

    began = time.monotonic()
    wake.wait(60)
    assert time.monotonic() - began < 30

    began = time.monotonic()
    wake.wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_clear_forgets_it():
    """After clear() a wait lasts."""
    wake = Wake()
    wake.set()
    wake.clear()

    began = time.monotonic()
    wake.wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_set_by_many_threads_wakes_one():
    """Threads that set it at the same time do not fail."""
    wake = Wake()
    faults = []

    def set_often():
        try:
            for _ in range(2000):
                wake.set()
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=set_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        wake.wait(0.01)

    assert not faults


def test_latch_lets_all_pass_once_open():
    """Those that wait, and those that come later; before, a wait ends when its time is over."""
    latch, passed = Latch(), []
    assert not latch.wait(0.01)
    threads = [threading.Thread(target=lambda: passed.append(latch.wait(60))) for _ in range(20)]
    for thread in threads:
        thread.start()

    latch.open()

    for thread in threads:
        thread.join(60)
    assert passed == [True] * 20
    assert latch.wait(0)
