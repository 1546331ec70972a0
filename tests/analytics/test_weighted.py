"""Means over a mix of cells: what independent executions give, and what blocks add."""

import math
import random
import statistics

import pytest

from learning_instrument.analytics import wilson
from learning_instrument.analytics.blocks import Sums
from learning_instrument.analytics.weighted import exponential, log_cost, log_cost_per_success, log_duration, success

ONE = {("fix",): 1.0}


def blocks(counts):
    """Return one cell: block -> trials and successes."""
    return {("fix",): {str(n): Sums(executions=trials, succeeded=good) for n, (trials, good) in enumerate(counts)}}


def test_even_blocks_give_the_interval_of_independent_executions():
    """With Student's t in place of the normal distribution, so slightly wider than Wilson's."""
    mean, interval = success(blocks([(20, 18)] * 20), ONE)
    exact = wilson(360, 400)

    assert (mean.mean, mean.degrees) == (pytest.approx(0.9), 19)
    assert interval.low < exact.low < exact.high < interval.high
    assert interval.high - interval.low == pytest.approx(exact.high - exact.low, rel=0.1)


def test_success_in_bursts_has_the_variance_of_blocks():
    """All failures in two of 20 blocks: the standard error is that of the blocks' shares."""
    shares = [1.0] * 18 + [0.0] * 2
    mean, interval = success(blocks([(20, 20 * share) for share in shares]), ONE)

    assert math.sqrt(mean.variance) == pytest.approx(statistics.stdev(shares) / math.sqrt(20), rel=0.15)
    assert (interval.low, interval.high) == (pytest.approx(0.70, abs=0.03), pytest.approx(0.97, abs=0.02))


def test_blocks_that_fail_in_several_cells_at_once_count_together():
    """An outage hits all kinds of tasks: the cells are no further evidence."""
    cell = {str(n): Sums(executions=20, succeeded=0 if n == 7 else 20) for n in range(20)}
    apart = {**cell, "7": Sums(executions=20, succeeded=20), "8": Sums(executions=20)}
    halves = {("a",): 0.5, ("b",): 0.5}

    together = success({("a",): cell, ("b",): cell}, halves)[0]
    scattered = success({("a",): cell, ("b",): apart}, halves)[0]

    assert together.mean == scattered.mean
    assert together.variance > 1.5 * scattered.variance


@pytest.mark.parametrize("good", [0, 10])
def test_share_of_0_or_1_has_a_width(good):
    """As Wilson's interval does."""
    mean, interval = success(blocks([(10, good)] * 20), ONE)

    assert interval.high - interval.low > 0.02
    assert mean.variance > 0


def test_duration_is_the_geometric_mean():
    """Weighted by cells, with an interval from its logarithms."""
    logs = [math.log(value) for value in (1.0, 2.0, 4.0, 8.0)] * 10
    cell = {
        str(n): Sums(timed=2, logs=sum(logs[n : n + 2]), squares=sum(x * x for x in logs[n : n + 2])) for n in range(39)
    }
    slow = {"0": Sums(timed=1, logs=math.log(100.0), squares=math.log(100.0) ** 2)}

    found = exponential(log_duration({("fix",): cell, ("docs",): slow}, {("fix",): 0.5, ("docs",): 0.5}))

    assert found.estimate == pytest.approx(math.sqrt(8**0.5 * 100.0), rel=0.05)
    assert found.low < found.estimate < found.high


def test_one_execution_has_no_interval():
    """Of duration and cost; only its success has a wide one."""
    only = {("fix",): {"1": Sums(executions=1, timed=1, logs=1.0, squares=1.0, priced=1, priced_succeeded=1, cost=2.0)}}

    for log in (log_duration(only, ONE), log_cost(only, ONE), log_cost_per_success(only, ONE)):
        found = exponential(log)
        assert (found.low, found.high) == (None, None)
    assert success(only, ONE)[1].high == pytest.approx(0.99, abs=0.03)


def test_cost_per_success_is_that_of_all_for_each_success():
    """Its interval holds the true one in 95% of cases, or more."""
    generator = random.Random(5)
    held = 0
    for _ in range(200):
        cell = {}
        for block in range(20):
            costs = [generator.lognormvariate(0, 0.8) for _ in range(15)]
            good = sum(generator.random() < 0.8 for _ in costs)
            cell[str(block)] = Sums(executions=15, priced=15, priced_succeeded=good, cost=sum(costs))
        found = exponential(log_cost_per_success({("fix",): cell}, ONE))
        held += found.low < math.exp(0.32) / 0.8 < found.high

    assert 0.9 < held / 200 < 0.99
