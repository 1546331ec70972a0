"""Text to time and time to text."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.errors import ConfigurationError
from learning_instrument.timestamps import age, from_iso, iso, iso_of_nanoseconds, moment

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@given(st.integers(0, 2**62))
def test_timestamps_sort_as_text(nanoseconds):
    """Microseconds, UTC, always 32 characters; and they lead back to the time."""
    stamp = iso_of_nanoseconds(nanoseconds)

    assert len(stamp) == 32
    assert stamp.endswith("+00:00")
    moment = from_iso(stamp)
    since = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    assert since == nanoseconds // 1000
    assert iso(moment) == stamp


@pytest.mark.parametrize("zone", ["Z", "z", "+00:00"])
def test_iso_text_is_read_with_its_time_zone(zone):
    assert from_iso(f"2026-11-22T12:00:00{zone}") == NOW


def test_ages_have_a_unit(subtests):
    for text, expected in [
        ("90d", timedelta(days=90)),
        ("24h", timedelta(hours=24)),
        ("1.5 h", timedelta(minutes=90)),
        ("30m", timedelta(minutes=30)),
        ("2w", timedelta(days=14)),
        (" 10s ", timedelta(seconds=10)),
    ]:
        with subtests.test(text=text, expected=expected):
            assert age(text) == expected


def test_invalid_ages_are_refused(subtests):
    for text in ["", "d", "90", "-1d", "1y", "9" * 30 + "d", "\N{ARABIC-INDIC DIGIT ONE}d", "7 days"]:
        with subtests.test(text=text), pytest.raises(ConfigurationError, match="Invalid age"):
            age(text)


def test_times_are_ages_or_dates(subtests):
    for text, expected in [
        ("24h", NOW - timedelta(days=1)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=timezone.utc)),
        ("2026-11-20T10:30", datetime(2026, 11, 20, 10, 30, tzinfo=timezone.utc)),
        ("2026-11-20T10:30:00Z", datetime(2026, 11, 20, 10, 30, tzinfo=timezone.utc)),
        ("2026-11-20 10:30+02:00", datetime(2026, 11, 20, 8, 30, tzinfo=timezone.utc)),
    ]:
        with subtests.test(text=text, expected=expected):
            assert moment(text, NOW) == expected


def test_invalid_times_are_refused(subtests):
    for text in ["", "yesterday", "2026-13-01", "2026-02-30", "999999d", "0001-01-01T00:00+05:00"]:
        with subtests.test(text=text), pytest.raises(ConfigurationError, match="Invalid time"):
            moment(text, NOW)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_is_refused(text):
    """Nothing else is raised."""
    try:
        found = moment(text, NOW)
    except ConfigurationError:
        return
    assert found.tzinfo is not None
