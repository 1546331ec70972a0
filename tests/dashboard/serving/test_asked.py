"""What the parameters of an address ask for."""

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from asking import NOON, record, store
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.periods import Period
from learning_instrument.dashboard.serving import asked
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
VALUES = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def day(number):
    return datetime(2026, 11, number, tzinfo=timezone.utc)


def query(**values):
    return {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}


@given(VALUES, VALUES, VALUES, VALUES, st.lists(st.tuples(st.just("model"), VALUES.filter(bool)), max_size=3))
def test_address_of_rows_asks_for_those_rows(repo, pool_type, model_tier, task_type, where):
    """Whatever the values are, and with its window to the microsecond."""
    since = NOW - timedelta(days=7, microseconds=1)
    selection = Selection(
        since=since,
        until=NOW,
        repo=repo,
        pool_type=pool_type,
        model_tier=model_tier,
        task_type=task_type,
        where=where,
    )

    address = asked.address_of_rows(selection)
    parameters = {name: tuple(values) for name, values in parse_qs(urlsplit(address).query).items()}
    assert urlsplit(address).path == "/executions"
    assert asked.selection_of(parameters, NOW) == selection


def test_address_of_all_rows_and_of_others():
    assert asked.address_of_rows(Selection()) == "/executions"
    assert asked.address_of_rows(Selection(repo="a"), outcome="failed") == "/executions?repo=a&outcome=failed"


def test_address_of_an_execution_is_one_part_of_a_path():
    """Ids that come from elsewhere may have any character."""
    assert asked.address_of_execution("a/../b?c#d") == "/executions/a%2F..%2Fb%3Fc%23d"


def test_empty_fields_of_a_form_choose_nothing():
    """And of several values of one, the last one counts."""
    empty = query(**dict.fromkeys(asked.CHOOSING, ""))

    assert asked.selection_of(empty, NOW) == Selection()
    several = query(repo=("a", "b"), where=("", "model=x"))
    assert asked.selection_of(several, NOW) == Selection(repo="b", where="model=x")


def test_unknown_parameter_is_an_error():
    """It would be ignored, and what is shown would not be what was asked for."""
    with pytest.raises(ConfigurationError, match="Invalid parameter 'pool': expected one of days, repo"):
        asked.check_names(query(pool="a"), ("days", "repo"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (query(since="soon"), "Invalid time 'soon'"),
        (query(since="2026-11-02", until="2026-11-01"), "Invalid window"),
        (query(where="model"), "Invalid condition 'model'"),
        (query(where="modle=x"), "Invalid where 'modle': .* Did you mean model"),
    ],
)
def test_invalid_value_is_an_error(given, message):
    with pytest.raises(ConfigurationError, match=message):
        asked.selection_of(given, NOW)


@pytest.fixture
def database(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path, record(timestamp=NOON))
    with ReadOnlyDatabase(path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        (query(), day(21), NOW),
        (query(days="30"), datetime(2026, 10, 29, tzinfo=timezone.utc), NOW),
        (query(days="1"), day(27), NOW),
        (query(since="24h"), NOW - timedelta(days=1), NOW),
        (query(since="2026-11-01", until="2026-11-03", days="7"), day(1), day(3)),
        (query(until="2026-11-03", days="1"), day(2), day(3)),
    ],
)
def test_period_is_the_last_days_or_the_window(database, given, since, until):
    """A window goes before the days."""
    assert asked.period_of(given, NOW, database) == Period(since, until)


def test_period_of_an_old_database_ends_with_it(database):
    """Its last days would be empty."""
    later = NOW + timedelta(days=1000)

    assert asked.period_of(query(), later, database).until == day(21)


@pytest.mark.parametrize("days", ["0", "-1", "7.5", "x", "1e3", "\u0667", "9" * 5000])
def test_invalid_days_are_an_error(database, days):
    with pytest.raises(ConfigurationError, match="Invalid days"):
        asked.period_of(query(days=days), NOW, database)


def test_more_days_than_the_calendar_has_are_an_error(database):
    with pytest.raises(ConfigurationError, match="Invalid days"):
        asked.period_of(query(days="99999", until="0100-01-01"), NOW, database)
