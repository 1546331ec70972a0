"""The slowest and the dearest executions."""

import pytest
from executions import NEW, database_of
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics import Selection, extremes
from learning_instrument.analytics.executions import is_cost_known
from learning_instrument.errors import ConfigurationError


def durations(records):
    return [each.duration_seconds for each in records if "duration_seconds" not in each.defaulted]


def known_costs(records):
    return [each.actual_cost for each in records if is_cost_known(each) and each.actual_cost > 0]


@given(records=st.lists(NEW, max_size=20), limit=st.integers(1, 5), rolled_up=st.sampled_from([0, 20]))
def test_they_are_the_largest_that_are_known(records, limit, rolled_up):
    """Defaulted durations and unknown costs are no extremes, and the sums are of all."""
    with database_of(records, rolled_up) as database:
        found = extremes(database, limit=limit)

    assert [each.duration_seconds for each in found.slowest] == sorted(durations(records), reverse=True)[:limit]
    assert [each.actual_cost for each in found.dearest] == sorted(known_costs(records), reverse=True)[:limit]
    assert (found.executions, found.timed) == (len(records), len(durations(records)))
    assert found.seconds is None or found.seconds == pytest.approx(sum(durations(records)), abs=1e-3)
    assert (found.cost_usd is None) == (not any(map(is_cost_known, records)))
    assert found.cost_usd is None or found.cost_usd == pytest.approx(sum(known_costs(records)), abs=1e-6)
    ids = [each.execution_id for each in found]
    assert len(set(ids)) == len(ids)
    assert set(ids) == {each.execution_id for each in (*found.slowest, *found.dearest)}


@given(records=st.lists(NEW, max_size=20))
def test_they_are_of_the_selection(records):
    """And of no other executions."""
    with database_of(records) as database:
        found = extremes(database, Selection(repo="a"))

    assert found.executions == sum(each.repo == "a" for each in records)
    assert all(each.repo == "a" for each in found)


def test_limit_below_one_is_refused(database):
    """There is no such list."""
    with pytest.raises(ConfigurationError, match="Invalid limit 0"):
        extremes(database, limit=0)
