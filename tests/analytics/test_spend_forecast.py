"""What the days to come cost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.spend_forecast import FEWEST_DAYS, SpendForecast
from tests.statistics.burndown import measure

DAYS = st.lists(st.one_of(st.none(), st.just(0.0), st.floats(0.0, 1e6)), max_size=70)


@given(daily=DAYS, elapsed=st.floats(0.0, 0.99))
def test_band_holds_the_expected_spend_and_never_shrinks(daily, elapsed):
    """For any costs of the days, and any number of unknown ones."""
    path = list(SpendForecast.of(daily).path(elapsed, 60))

    assert all(math.isfinite(value) for spend in path for value in spend)
    assert all(0 <= spend.low <= spend.expected <= spend.high for spend in path)
    assert path == sorted(path)


@given(daily=DAYS, left=st.floats(-10.0, 1e5))
def test_earliest_is_first_and_latest_last(daily, left):
    """None being later than all."""
    earliest, expected, latest = (
        math.inf if days is None else days for days in SpendForecast.of(daily).run_out(left, 0.5, 100)
    )

    assert earliest <= expected <= latest
    assert (left <= 0) == (expected == 0)


def test_unknown_days_are_no_zeros():
    """A week counts by its known days, where they are most of them."""
    known = SpendForecast.of([7.0] * FEWEST_DAYS)
    some = SpendForecast.of([None if day % 7 in (2, 5) else 7.0 for day in range(FEWEST_DAYS)])

    assert some.days == known.days == FEWEST_DAYS
    assert some.daily_usd == pytest.approx(known.daily_usd) == pytest.approx(7.0)
    assert SpendForecast.of([None if day % 7 > 2 else 7.0 for day in range(FEWEST_DAYS)]).days == 0


def width_in_20_days(daily):
    *_, spend = SpendForecast.of(daily).path(0.0, 20)
    return (spend.high - spend.low) / spend.expected


def test_level_shift_widens_the_band():
    """A doubling two weeks ago may be the beginning of more."""
    steady, doubled = ([(3.0 + day % 2) * (factor if day >= 42 else 1) for day in range(56)] for factor in (1, 2))

    assert width_in_20_days(doubled) > 3 * width_in_20_days(steady)
    assert SpendForecast.of(doubled).trend > 0.005


def test_days_that_resemble_their_neighbours_widen_the_band():
    """Eight dear days and eight cheap ones say less than as many in turns."""
    turns, spells = ([2.0 + day // length % 2 for day in range(56)] for length in (1, 8))

    assert width_in_20_days(spells) > 2 * width_in_20_days(turns)


@pytest.mark.slow
def test_band_covers_in_every_world():
    """72 to 93% of the run-out dates, within what 300 rounds tell (the standard error is 2.3%), or there is no band."""
    rows = measure(rounds=300)

    assert not [row for row in rows if row.covered is not None and not 0.72 - 0.05 <= row.covered <= 0.93 + 0.05]
    without = [row for row in rows if row.history_days == 5 or row.world == "month starts only"]
    assert {row.with_band for row in without} == {0.0}
    assert min(row.with_band for row in rows if row not in without) > 0.9


def test_spend_that_ended_weeks_ago_has_no_trend():
    """The days on which something was spent are in no whole week."""
    forecast = SpendForecast.of([1.0] * 6 + [0.0] * FEWEST_DAYS)

    assert (forecast.days, forecast.daily_usd) == (0, 0.0)
