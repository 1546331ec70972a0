"""Means over a mix of cells: what independent executions give, and what blocks add."""

import math
import random
import statistics

import pytest

from learning_instrument.analytics import wilson
from learning_instrument.analytics.blocks import Cell, Sums
from learning_instrument.analytics.weighted import (
    Mean,
    exponential,
    log_cost,
    log_cost_per_success,
    log_duration,
    quality,
    success,
)

ONE = {("fix",): 1.0}


def cell(sums):
    """Return a cell with a block of each of *sums*, all of one day."""
    return Cell({f"2026-11-20 {number:03}": each for number, each in enumerate(sums)})


def cells(counts):
    """Return one cell, of blocks of so many trials and successes."""
    return {("fix",): cell([Sums(executions=trials, succeeded=good) for trials, good in counts])}


def test_even_blocks_give_the_interval_of_independent_executions():
    """Wilson's."""
    mean, interval = success(cells([(20, 18)] * 20), ONE)
    exact = wilson(360, 400)

    assert mean.mean == pytest.approx(0.9)
    assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high), rel=0.01)


def test_success_in_bursts_has_the_variance_of_blocks():
    """All failures in two of 20 blocks: the standard error is that of the blocks' shares."""
    shares = [0.0 if number in (3, 14) else 1.0 for number in range(20)]
    mean, interval = success(cells([(20, 20 * share) for share in shares]), ONE)

    assert math.sqrt(mean.variance) == pytest.approx(statistics.stdev(shares) / math.sqrt(20), rel=0.15)
    assert (interval.low, interval.high) == (pytest.approx(0.70, abs=0.03), pytest.approx(0.97, abs=0.02))


def test_blocks_that_fail_in_several_cells_at_once_count_together():
    """An outage hits all kinds of tasks: the cells are no further evidence."""
    apart = [cell([Sums(executions=20, succeeded=20 * (n not in bad)) for n in range(20)]) for bad in ((7, 8), (1, 15))]
    halves = {("a",): 0.5, ("b",): 0.5}

    together = success({("a",): apart[0], ("b",): apart[0]}, halves)[0]
    scattered = success({("a",): apart[0], ("b",): apart[1]}, halves)[0]

    assert together.mean == scattered.mean
    assert together.variance > 1.5 * scattered.variance


@pytest.mark.parametrize("good", [0, 10])
def test_share_of_0_or_1_has_a_width(good):
    """As Wilson's interval does."""
    mean, interval = success(cells([(10, good)] * 20), ONE)

    assert interval.high - interval.low > 0.015
    assert mean.variance > 0


def test_duration_is_the_geometric_mean():
    """Weighted by cells, with an interval from its logarithms."""
    logs = [math.log(value) for value in (1.0, 2.0, 4.0, 8.0)] * 10
    slow = math.log(100.0)
    found = exponential(
        log_duration(
            {
                ("fix",): cell([Sums(timed=1, logs=log, squares=log * log) for log in logs]),
                ("docs",): cell([Sums(timed=1, logs=slow, squares=slow * slow)]),
            },
            {("fix",): 0.5, ("docs",): 0.5},
        )
    )

    assert found.estimate == pytest.approx(math.sqrt(8**0.5 * 100.0), rel=0.05)
    assert found.low < found.estimate < found.high


def test_days_that_differ_count_as_days():
    """However many executions each has; few of them are told."""
    days = {
        f"2026-11-{day:02} {block:03}": Sums(executions=50, succeeded=45 if day % 2 else 30)
        for day in range(1, 5)
        for block in range(10)
    }

    mean, interval = success({("fix",): Cell(days)}, ONE)

    assert mean.has_few_days
    assert interval.high - interval.low > 0.3


def test_one_execution_has_no_interval():
    """Of duration and cost; only its success has a wide one."""
    sums = Sums(executions=1, succeeded=1, timed=1, logs=1.0, squares=1.0, priced=1, priced_succeeded=1, cost=2.0)
    only = {("fix",): cell([sums])}

    for log in (log_duration(only, ONE), log_cost(only, ONE), log_cost_per_success(only, ONE)):
        found = exponential(log)
        assert (found.low, found.high) == (None, None)
    assert success(only, ONE)[1].high == pytest.approx(0.99, abs=0.03)


def test_cost_per_success_is_that_of_all_for_each_success():
    """Its interval holds the true one in 95% of cases, or more."""
    generator = random.Random(5)
    held = 0
    for _ in range(200):
        sums = []
        for _ in range(40):
            costs = [generator.lognormvariate(0, 0.8) for _ in range(8)]
            good = sum(generator.random() < 0.8 for _ in costs)
            sums.append(Sums(executions=8, priced=8, priced_succeeded=good, cost=sum(costs)))
        found = exponential(log_cost_per_success({("fix",): cell(sums)}, ONE))
        held += found.low < math.exp(0.32) / 0.8 < found.high

    assert 0.9 < held / 200 < 0.99


def test_bounds_of_a_wide_interval_are_numbers():
    """Two days that differ by a lot leave less than one degree of freedom."""
    estimate = exponential(Mean(1.0, 1e6, 0.6))

    assert estimate.estimate == pytest.approx(math.e)
    assert 0 <= estimate.low < math.e < estimate.high < math.inf


def scored(scores):
    """Return one cell, of a block for each quality."""
    return {("fix",): cell([Sums(executions=2, rated=1, quality=score) for score in scores])}


def test_quality_is_the_mean_of_those_that_have_one():
    """With the interval of a mean, which ends where scores do."""
    scores = [70.0, 80.0, 90.0, 80.0] * 10
    found = quality(scored(scores), ONE)
    error = statistics.stdev(scores) / math.sqrt(len(scores))

    assert found.estimate == pytest.approx(80.0)
    assert (found.low, found.high) == (
        pytest.approx(80 - 2.02 * error, abs=0.2), pytest.approx(80 + 2.02 * error, abs=0.2)
    )  # fmt: skip
    assert quality(scored([100.0, 100.0, 100.0, 90.0]), ONE).high == 100.0
    assert quality(scored([0.0, 0.0, 0.0, 10.0]), ONE).low == 0.0


@pytest.mark.parametrize("scores", [[80.0], [80.0] * 40])
def test_quality_that_does_not_vary_has_no_interval(scores):
    """How far it is off is not known."""
    found = quality(scored(scores), ONE)
    assert (found.estimate, found.low, found.high) == (80.0, None, None)
