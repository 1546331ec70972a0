"""Items are delivered in order, on a thread, or at once where none can be started."""

import pytest

from learning_instrument.cli.deliveries import Deliveries
from learning_instrument.safety import threads


@pytest.mark.parametrize("can_start", [True, False])
def test_items_are_delivered_in_order(monkeypatch, can_start):
    if not can_start:
        monkeypatch.setattr(threads, "start", lambda *args, **options: False)
    delivered = []
    deliveries = Deliveries(delivered.append, capacity=10)

    assert all(deliveries.put(number) for number in range(10))

    assert deliveries.wait(10) == 0
    assert delivered == list(range(10))
