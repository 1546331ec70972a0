"""What is in flight, and what ended lately, is found by its span."""

from learning_instrument.ids import execution_id
from learning_instrument.recording import in_flight
from learning_instrument.recording.in_flight import InFlight


def running_with(*span_ids):
    """Return the executions in flight of some spans, which are stored somewhere."""
    running = InFlight(lambda: None, lambda *call: None)
    for span_id in span_ids:
        start(running, span_id)
    return running


def start(running, span_id):
    running.by_id[execution_id(span_id, 1, span_id)] = None


def end(running, span_id):
    running.ended.append(execution_id(span_id, 1, span_id))
    del running.by_id[execution_id(span_id, 1, span_id)]


def found(running, span_ids):
    return [span_id for span_id in span_ids if running.execution_of(span_id) is not None]


def test_only_what_is_stored_is_looked_through():
    """And no longer than it is used."""
    running, without = running_with(1), InFlight(lambda: None)

    assert running in in_flight.all_stored()
    assert without not in in_flight.all_stored()

    before = len(in_flight._stored)
    del running
    assert len(in_flight._stored) == before - 1


def test_those_that_begin_and_end_between_two_questions_are_found():
    running = running_with(1, 2)
    assert found(running, [1, 2, 3]) == [1, 2]

    end(running, 2)
    start(running, 3)
    start(running, 4)
    end(running, 4)

    assert found(running, [1, 2, 3, 4, 5]) == [1, 2, 3, 4]


def test_change_by_another_thread_in_the_middle_of_reading_loses_none():
    """Python raises a ``RuntimeError`` then."""
    running = running_with(*range(1, 10))
    place_of, changes = running._running._place_of, [20, 21]

    def place_and_change(item):
        if changes:
            start(running, changes.pop())
        return place_of(item)

    running._running._place_of = place_and_change

    assert found(running, range(30)) == [*range(1, 10), 20, 21]


def test_forked_child_finds_those_of_its_parent():
    """They are not in flight there."""
    running = running_with(1, 2)

    running.reset()

    assert running.by_id == {}
    assert found(running, [1, 2]) == [1, 2]
