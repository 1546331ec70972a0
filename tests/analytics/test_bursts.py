"""Bursts of failures."""

import math
from datetime import datetime, timedelta, timezone

import pytest
from asking import record, store

from learning_instrument.analytics import Selection
from learning_instrument.analytics.bursts import burst_of, counts_before
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

NOW = datetime.now(timezone.utc)


@pytest.mark.parametrize(
    "counts",
    [(9, 20, 30, 1000), (5, 5, 10, 1000), (40, 400, 2000, 60_000), (300, 1000, 9000, 999_000), (6, 10, 0, 200)],
)
def test_p_value_is_that_of_fishers_test(counts):
    """One-sided, with the counts of both times."""
    failures, executions, others, other_executions = counts
    every, failed = executions + other_executions, failures + others
    expected = (
        sum(
            math.comb(failed, count) * math.comb(every - failed, executions - count)
            for count in range(failures, min(failed, executions) + 1)
        )
        / math.comb(every, executions)
        if every < 100_000
        else None
    )

    burst = burst_of(*counts)

    assert (burst.failures, burst.executions, burst.failures_before, burst.executions_before) == counts
    assert burst.p_value < 1e-6
    assert expected is None or burst.p_value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "counts",
    [
        (4, 4, 0, 100_000),  # too few
        (5, 40, 30, 1000),  # by chance
        (5, 5, 0, 0),  # without a before
        (5, 5, 0, 10),  # with little of it
        (150, 1000, 9000, 100_000),  # more, and less than twice as many
        (0, 0, 0, 0),
        (50, 100, 50_000, 100_000),
    ],
)
def test_what_is_no_burst(counts):
    assert burst_of(*counts) is None


def test_before_is_a_day(tmp_path):
    """Of the executions that pass the filters."""
    path = str(tmp_path / "learning.db")
    ages = [timedelta(hours=hours) for hours in (1, 5, 23, 26)]
    store(path, *(record(timestamp=NOW - age, repo="shop", outcome=Outcome.FAILED) for age in ages))
    store(path, record(timestamp=NOW, repo="shop"), record(timestamp=NOW))

    with ReadOnlyDatabase(path) as database:
        assert counts_before(database, Selection(repo="shop"), NOW) == (4, 3)
        assert counts_before(database, Selection(repo="none"), NOW) == (0, 0)
