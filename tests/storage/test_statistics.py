"""The counts of one database in one process."""

import itertools
import signal

import pytest
from interrupting import called_with_a_signal_at, files

from learning_instrument.storage.statistics import Counters


@pytest.fixture
def on_signal():
    before = signal.getsignal(signal.SIGINT)
    yield lambda action: signal.signal(signal.SIGINT, lambda *_: action())
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("is_first", [True, False], ids=["a new reason", "a known reason"])
def test_loss_counted_by_a_signal_handler_is_not_forgotten(on_signal, is_first):
    """At any line of counting, and of taking what was counted."""
    reported = []

    def report():
        losses = counters.take_unreported()
        reported.extend(losses)
        counters.reported(losses)

    def count_and_report():
        counters.count_lost("queue full", 1)
        report()

    on_signal(count_and_report)
    for line in itertools.count(1):
        counters, reported = Counters("learning.db"), []
        if not is_first:
            counters.count_lost("queue full", 1)
        is_interrupted = called_with_a_signal_at(line, count_and_report, files("storage/statistics.py"))
        report()
        expected = 1 + is_interrupted + (not is_first)

        assert sum(count for _, _, _, count in reported) == expected
        assert counters.statistics().lost == {"queue full": expected}
        assert not counters.has_unreported
        if not is_interrupted:
            break
    assert line > 5
