"""Looking at what other threads change."""

import threading
import weakref

from learning_instrument.safety.forks import copy_of


class Thing:
    """Something that can be referred to weakly."""


def test_copy_is_complete_while_other_threads_add():
    """Python refuses to go through a set that changes its size: one look in a hundred, here."""
    things = weakref.WeakSet(first := [Thing() for _ in range(100)])
    is_over = threading.Event()

    def add():
        while not is_over.is_set():
            things.update([Thing() for _ in range(10)])

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        looks = [set(copy_of(things)) for _ in range(2000)]
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    assert all(look.issuperset(first) for look in looks)
