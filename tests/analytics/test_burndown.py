"""How long a budget lasts."""

import math
import random
from datetime import datetime, timedelta, timezone

import pytest
from executions import database_of
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, burn_down
from learning_instrument.analytics.burndown import BURN_DOWN_PERIODS, period_around
from learning_instrument.errors import ConfigurationError

NOW = datetime(2026, 11, 15, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def spend(cost, days_ago, **values):
    moment = NOW.replace(hour=10) - days_ago * DAY
    return ExecutionRecord(**{"task_type": "fix", "timestamp": moment, "actual_cost": cost} | values)


def test_even_spend_runs_out_on_the_day_that_division_says(database):
    """$10 a day since the middle of October: 15 days of November are spent, and $50 of $200 last five more."""
    database.append([spend(10.0, days) for days in range(32)])

    answer = burn_down(database, 200.0, "month", now=NOW)

    assert (answer.spent_usd, answer.left_usd) == (150.0, 50.0)
    assert (answer.daily_mean_usd, answer.history_days) == (10.0, 28)
    assert answer.run_out - NOW == pytest.approx(5 * DAY, abs=timedelta(seconds=1))
    for edge in (answer.earliest, answer.latest):  # no day was different
        assert edge - NOW == pytest.approx(5 * DAY, abs=timedelta(seconds=1))
    assert (answer.expected_left_usd, answer.trend) == (pytest.approx(-105.0), pytest.approx(0.0))
    assert (answer.period_start.day, answer.period_end) == (1, datetime(2026, 12, 1, tzinfo=timezone.utc))
    assert not answer.lasts


def test_budget_that_lasts_says_so(database):
    """The period ends before the money."""
    database.append([spend(1.0, days) for days in range(32)])

    assert burn_down(database, 100.0, now=NOW).lasts


def test_overspent_budget_has_run_out_already(database):
    """However little a day costs."""
    database.append([spend(1.0, days) for days in range(10)])

    answer = burn_down(database, 5.0, now=NOW)

    assert (answer.left_usd, answer.run_out, answer.lasts) == (-5.0, NOW, False)


def test_nothing_spent_never_runs_out(database):
    """And with nothing known there is no band."""
    answer = burn_down(database, 5.0, now=NOW)

    assert (answer.spent_usd, answer.left_usd, answer.history_days, answer.daily_mean_usd) == (0.0, 5.0, 0, 0.0)
    assert (answer.run_out, answer.earliest, answer.latest, answer.lasts) == (None, None, None, None)


@pytest.mark.parametrize(("days", "learned_from"), [(5, 0), (27, 0), (28, 28), (55, 49), (70, 56)])
def test_few_days_have_no_band(database, days, learned_from):
    """They say too little of trend and scatter; of many the last eight weeks count."""
    database.append([spend(float(1 + ago % 3), ago) for ago in range(1, days + 1)])

    answer = burn_down(database, 100.0, now=NOW)

    assert (answer.history_days, answer.forecast_days) == (min(days, 28), learned_from)
    assert answer.run_out is not None
    has_band = learned_from > 0
    assert [value is not None for value in (answer.earliest, answer.left_low_usd, answer.trend)] == 3 * [has_band]


def test_spend_on_few_days_has_no_band(database):
    """Those of two months' invoices, say."""
    database.append([spend(30.0, ago) for ago in (14, 45)])

    answer = burn_down(database, 100.0, now=NOW)

    assert (answer.forecast_days, answer.earliest, answer.trend) == (0, None, None)
    assert answer.daily_mean_usd == pytest.approx(30.0 / 28)


def test_growth_is_seen(database):
    """Two percent a day: forty days ago a day cost less than half as much."""
    database.append([spend(10.0 * 1.02**-ago, ago) for ago in range(1, 60)])

    answer = burn_down(database, 200.0, "year", now=NOW)

    assert answer.trend == pytest.approx(0.02, abs=0.001)
    assert answer.trend_low > 0
    assert answer.expected_daily_usd == pytest.approx(10.0, rel=0.02)
    assert answer.daily_mean_usd < 8.0


def test_weekends_without_spend_are_seen(database):
    """A budget that is spent on Friday lasts until Monday."""
    friday = datetime(2026, 11, 13, 0, tzinfo=timezone.utc)
    days = [(ago, friday - ago * DAY) for ago in range(1, 57)]
    spent = [
        ExecutionRecord(task_type="fix", timestamp=day, actual_cost=10.0 + ago % 3)
        for ago, day in days
        if day.weekday() < 5
    ]
    database.append(spent)

    answer = burn_down(database, sum(record.actual_cost for record in spent) + 15.0, "year", now=friday)

    assert answer.weekdays[5:] == (pytest.approx(0.0, abs=0.02), pytest.approx(0.0, abs=0.02))
    assert answer.weekdays[:5] == 5 * (pytest.approx(1.4, rel=0.05),)
    assert answer.run_out.weekday() == 0


def test_no_date_after_the_renewal(subtests):
    """For any spend: such a budget lasts, and the answer says what is left then."""
    for cost in (0.01, 1.0, 6.0, 7.0, 8.0, 9.0, 50.0):
        with subtests.test(cost=cost), database_of([spend(cost * (1 + ago % 3), ago) for ago in range(40)]) as asked:
            answer = burn_down(asked, 400.0, now=NOW)
            renewed = answer.until_renewal()
            dates = [date for date in (renewed.earliest, renewed.run_out, renewed.latest) if date is not None]

            assert all(date < answer.period_end for date in dates)
            assert dates == sorted(dates)
            assert (renewed.run_out is None) == answer.lasts == renewed.lasts
            assert answer.lasts == (answer.expected_left_usd >= 0)
            assert answer.left_low_usd <= answer.expected_left_usd <= answer.left_high_usd


def test_today_is_spent_and_no_day_to_learn_from(database):
    """It is not over yet."""
    database.append([spend(7.0, 0), spend(1.0, 1), spend(1.0, 2)])

    answer = burn_down(database, 100.0, now=NOW)

    assert (answer.spent_usd, answer.daily_mean_usd, answer.history_days) == (9.0, 1.0, 2)


def test_first_day_tells_no_pace(database):
    """Nine of ten dollars are spent this morning: whether the rest lasts until December is unknown."""
    database.append([spend(9.0, 0)])

    answer = burn_down(database, 10.0, now=NOW)

    assert (answer.left_usd, answer.history_days, answer.lasts) == (1.0, 0, None)


def test_day_without_executions_cost_nothing(database):
    """Since the first execution; those before it are not known."""
    database.append([spend(8.0, 8), spend(8.0, 1)])

    answer = burn_down(database, 100.0, now=NOW)

    assert (answer.history_days, answer.daily_mean_usd) == (8, 2.0)


def test_what_nobody_reported_is_not_spent(database):
    """Calls without a price are counted, for their cost comes on top."""
    database.append([spend(5.0, 1), spend(5.0, 1, defaulted=("actual_cost",)), spend(0.0, 1, cost_source="unpriced")])
    database.append([spend(0.0, 20, cost_source="unpriced")])  # of another month

    answer = burn_down(database, 100.0, now=NOW)

    assert (answer.spent_usd, answer.unpriced) == (5.0, 1)


def test_cost_of_which_a_part_is_unknown_is_spent_and_counted(database):
    """Of the period, and of the days that the pace is known from."""
    database.append([spend(5.0, 1, cost_source="partial"), spend(7.0, 0), spend(1.0, 20, cost_source="partial")])

    answer = burn_down(database, 100.0, "week", now=NOW)

    assert (answer.spent_usd, answer.partial, answer.unpriced, answer.unreported) == (12.0, 1, 0, 0)
    assert answer.history_unknown == 2


def test_unknown_costs_are_no_zeros(database):
    """Of a period without any known cost the spend is unknown; days without one are in no mean."""
    database.append([spend(8.0, 8), *[spend(0.0, days, defaulted=("actual_cost",)) for days in range(1, 8)]])

    answer = burn_down(database, 100.0, "week", now=NOW)

    assert (answer.spent_usd, answer.left_usd, answer.unreported) == (None, 100.0, 6)
    assert (answer.history_days, answer.daily_mean_usd) == (1, 8.0)


def test_selection_says_whose_budget_it_is(database):
    """Its times do not count, and neither does what is to come."""
    database.append([spend(5.0, 1, repo="ours"), spend(70.0, 1, repo="theirs"), spend(9.0, -1, repo="ours")])

    answer = burn_down(database, 100.0, selection=Selection(repo="ours", since=NOW - DAY / 24, until=NOW), now=NOW)

    assert answer.spent_usd == 5.0


def test_amount_that_is_none_is_refused(database, subtests):
    """In words."""
    for amount in [0, -1.0, math.nan, math.inf, "10", None]:
        with subtests.test(amount=amount), pytest.raises(ConfigurationError, match="amount_usd"):
            burn_down(database, amount)


def test_unknown_period_is_refused(database):
    """With those there are."""
    with pytest.raises(ConfigurationError, match="day, week, month, quarter, year"):
        burn_down(database, 1.0, "fortnight")


@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)),
    period=st.sampled_from(BURN_DOWN_PERIODS),
)
def test_periods_follow_each_other(moment, period):
    """Each moment is in one, which ends where the next begins."""
    start, end = period_around(moment, period)

    assert start <= moment < end
    assert period_around(end, period)[0] == end
    assert period_around(end - timedelta(microseconds=1), period) == (start, end)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", (2026, 11, 15), (2026, 11, 16)),
        ("week", (2026, 11, 9), (2026, 11, 16)),
        ("month", (2026, 11, 1), (2026, 12, 1)),
        ("quarter", (2026, 10, 1), (2027, 1, 1)),
        ("year", (2026, 1, 1), (2027, 1, 1)),
    ],
)
def test_periods_are_those_of_the_calendar(period, start, end):
    """In UTC; weeks begin on Monday."""
    expected = tuple(datetime(*day, tzinfo=timezone.utc) for day in (start, end))

    assert period_around(NOW.astimezone(timezone(timedelta(hours=-9))), period) == expected


def test_band_holds_four_of_five():
    """Simulated in full: 28 days of history and the days to come are drawn from one distribution."""
    generator = random.Random(5)
    rounds, inside = 60, 0
    for _ in range(rounds):
        history = [spend(generator.lognormvariate(0, 0.8), days) for days in range(1, 29)]
        with database_of(history) as asked:
            answer = burn_down(asked, 60.0, "year", now=NOW)
        left, days = answer.left_usd, 0
        while left > 0:
            left -= generator.lognormvariate(0, 0.8)
            days += 1
        # It runs out in the course of that day.
        inside += answer.earliest <= NOW + days * DAY and (
            answer.latest is None or answer.latest > NOW + (days - 1) * DAY
        )

    assert 0.65 <= inside / rounds <= 0.97


def test_credits_are_no_spend_to_come(database):
    """Imported, of costs below 0: they are taken off what is spent, and expected of no other day."""
    database.append([spend(-5.0 if ago % 2 else 1.0, ago) for ago in range(1, 60)])

    answer = burn_down(database, 100.0, now=NOW)

    assert answer.spent_usd == pytest.approx(-5.0 * 7 + 7)
    assert answer.forecast_days == 56
    assert answer.expected_daily_usd == pytest.approx(0.5, rel=0.1)
