"""The rows of the panes of ``top``, and their order."""

from asking import NOON, record
from watched import before

from learning_instrument.dashboard.top.panes import RECENT
from learning_instrument.dashboard.top.state import Asked, Look
from learning_instrument.sqlite.selection import Selection


def test_end_of_an_execution_without_a_measured_length_is_unknown():
    """It is as new as its start, whatever stands in for its length."""
    stand_in = {"duration_seconds": 600.0, "defaulted": ("duration_seconds",)}
    executions = (
        record(execution_id="old", timestamp=before(minutes=3)),
        record(execution_id="item", timestamp=before(minutes=2), **stand_in),
        record(execution_id="new", timestamp=before(minutes=1), wait_seconds=2.0),
    )
    look = Look(Asked(Selection()), NOON, (), (), executions, (), (), 0.0)
    (ended,) = (column for column in RECENT.columns if column.heading == "ended")

    found = [(row.execution_id, ended.cell(row, look)) for row in RECENT.ordered(look, ended, False)]

    assert found == [("new", "11:59:03"), ("item", "-"), ("old", "11:57:01")]
