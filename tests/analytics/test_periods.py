"""Periods of whole days, and the one before each."""

import itertools
from datetime import datetime, timedelta, timezone

import pytest
from asking import record
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics import PERIODS, Period, default_periods
from learning_instrument.errors import ConfigurationError

NOW = datetime(2026, 11, 27, 14, 30, tzinfo=timezone.utc)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))


def midnight(year, month, day):
    return datetime(year, month, day, tzinfo=timezone.utc)


def test_last_days_are_today_and_those_before():
    """They begin at midnight, and end now; the period before ends at the same time of day."""
    week = Period.last(7, NOW)

    assert (week.since, week.until, week.days) == (midnight(2026, 11, 21), NOW, 7)
    assert (week.before.since, week.before.until) == (midnight(2026, 11, 14), NOW - timedelta(days=7))
    assert week.dates[0] == "2026-11-21"
    assert week.dates[-1] == "2026-11-27"
    assert week.cut_dates == ("2026-11-27",)


def test_midnight_ends_the_day_before():
    """A period until midnight has whole days alone."""
    assert Period.last(1, midnight(2026, 11, 27)) == Period(midnight(2026, 11, 26), midnight(2026, 11, 27))
    assert Period.last(1, midnight(2026, 11, 27)).cut_dates == ()


@given(MOMENTS, st.integers(1, 200), st.integers(0, 3 * 86400))
def test_period_and_the_one_before_are_alike_and_apart(since, days, seconds):
    """As many days, as much time, no time in common, and its parts of days make up the whole."""
    period = Period(since, since + timedelta(days=days, seconds=seconds))
    before, parts = period.before, [period.of_date(date) for date in period.dates]

    assert before.days == period.days == len(period.dates)
    assert before.until - before.since == period.until - period.since
    assert before.until <= period.since
    assert (before.until - period.until) % timedelta(days=1) == timedelta(0)
    assert (parts[0].since, parts[-1].until) == (period.since, period.until)
    assert all(one.until == other.since for one, other in itertools.pairwise(parts))
    cut = {date for date, part in zip(period.dates, parts, strict=True) if part.until - part.since < timedelta(days=1)}
    assert set(period.cut_dates) == cut


def test_times_are_those_of_utc():
    """A day of another zone is no day of the file."""
    zone = timezone(timedelta(hours=9))

    period = Period(datetime(2026, 11, 26, tzinfo=zone), datetime(2026, 11, 27, tzinfo=zone))

    assert period.dates == ("2026-11-25", "2026-11-26")


@pytest.mark.parametrize("days", [0, -1, True, 1.5, 10**7])
def test_impossible_number_of_days_is_refused(days):
    """The message names it."""
    with pytest.raises(ConfigurationError, match=f"{days!r}"):
        Period.last(days, NOW)


def test_period_before_all_days_is_refused():
    """The calendar begins with the year 1."""
    with pytest.raises(ConfigurationError, match="before"):
        Period(midnight(1, 1, 2), NOW)


def test_default_periods_end_now(database):
    """Also where nothing was recorded."""
    assert [period.days for period in default_periods(database, NOW)] == list(PERIODS)
    assert {period.until for period in default_periods(database, NOW)} == {NOW}

    database.append([record(timestamp=NOW - timedelta(days=89))])

    assert {period.until for period in default_periods(database, NOW)} == {NOW}


def test_default_periods_end_at_the_present(database):
    """Where no other end is asked for."""
    before = datetime.now(timezone.utc)
    ends = {period.until for period in default_periods(database)}

    assert len(ends) == 1
    assert before <= ends.pop() <= datetime.now(timezone.utc)


def test_default_periods_of_an_old_file_end_with_its_last_day(database):
    """Nothing started in the last 90 days: what is there is shown."""
    database.append([record(timestamp=NOW - timedelta(days=120)), record(timestamp=NOW + timedelta(days=1))])

    assert {period.until for period in default_periods(database, NOW)} == {midnight(2026, 7, 31)}


@pytest.mark.parametrize("until", ["9999-12-31T00:00:00.000001+00:00", "9999-12-31T23:59:59.999999+00:00"])
def test_period_that_ends_on_the_last_day_there_is_is_refused(until):
    """Its midnight has no date; a day less has one."""
    with pytest.raises(ConfigurationError, match="no day after it"):
        Period(datetime(9999, 12, 1, tzinfo=timezone.utc), datetime.fromisoformat(until))
    period = Period(datetime(9999, 12, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, tzinfo=timezone.utc))
    assert period.cut_dates == ()
    assert period.of_date(period.dates[-1]).until == period.until
