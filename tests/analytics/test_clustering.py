"""What executions that depend on one another cost: blocks, days, and what must hold for any order of them."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.clustering import BLOCKS, Sample, design


def sample(values, moment):
    """Return *values*, number n of which starts at ``moment(n)``."""
    made = Sample()
    for number, value in enumerate(values):
        made.add(moment(number), value)
    return made


def minutes(number):
    """Return a moment of one day."""
    return f"2026-11-20T{number // 60:02}:{number % 60:02}"


def noon(number):
    """Return the same moment for all."""
    return "2026-11-20T12:00"


def cost(*samples):
    """Return the design of one side, each stratum with its share of the weight."""
    total = sum(each.executions for each in samples)
    weighted = [(each.executions / total, each) for each in samples]
    return design([weighted], math.fsum(w * w * each.variance / each.executions for w, each in weighted))


def test_outage_costs_nearly_all_of_its_executions():
    """Half of all failing at once is one event."""
    shape = cost(sample([1.0] * 200 + [0.0] * 200, minutes))

    assert shape.effect > 30
    assert shape.degrees < BLOCKS


def test_executions_that_alternate_cost_nothing():
    """Blocks of them vary less than chance would have it; what is saved is not taken."""
    assert cost(sample([0.0, 1.0] * 200, minutes)) == cost(sample([0.0, 1.0] * 200, noon))
    assert cost(sample([0.0, 1.0] * 200, minutes)).effect == 1.0


def test_longer_outages_than_blocks_are_seen():
    """Coarser blocks are taken where these say more."""
    generator = random.Random(4)
    values = [float(number // 100 % 2) for number in range(1000)]
    noisy = [value if generator.random() < 0.9 else 1 - value for value in values]

    assert cost(sample(noisy, minutes)).degrees < 10


def test_strata_of_one_outage_are_one_cluster():
    """It hits all task types at once."""
    generator = random.Random(2)
    fails = [200 <= number < 240 for number in range(800)]
    kinds = [generator.random() < 0.5 for _ in fails]
    of_kind = [Sample(), Sample()]
    for number, (fail, kind) in enumerate(zip(fails, kinds, strict=True)):
        of_kind[kind].add(minutes(number), 0.0 if fail else 1.0)

    together, apart = cost(*of_kind), cost(of_kind[0])

    assert together.effect > 1.5 * apart.effect


def test_days_that_differ_are_clusters():
    """Where they differ more than blocks within them."""
    generator = random.Random(3)
    rates = [0.9, 0.5, 0.95, 0.6, 0.8, 0.55, 0.9]
    moments = [f"2026-11-{20 + day}T{number // 60:02}:{number % 60:02}" for day in range(7) for number in range(200)]
    values = [float(generator.random() < rate) for rate in rates for _ in range(200)]

    shape = cost(sample(values, lambda number: moments[number]))

    assert shape.effect > 5
    assert shape.degrees == pytest.approx(6)
    assert not shape.has_few_days
    few = cost(sample(values[:400], lambda number: moments[number]))
    assert few.has_few_days
    assert few.within[0] < few.effect


values = st.lists(st.floats(-5, 5), min_size=2, max_size=120)


@given(values=values, data=st.data())
def test_order_of_executions_of_one_moment_is_no_matter(values, data):
    """Time does not tell it."""
    shuffled = list(values)
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    shuffled[start:stop] = data.draw(st.permutations(values[start:stop]))

    def moment(number):
        return minutes(start if start <= number < stop else number)

    one, other = cost(sample(values, moment)), cost(sample(shuffled, moment))

    assert other.effect == pytest.approx(one.effect, rel=1e-6)
    assert other.degrees == pytest.approx(one.degrees, rel=1e-6)


@given(strata=st.lists(values, min_size=1, max_size=4), step=st.integers(0, 30))
def test_no_order_makes_executions_say_more_than_independent_ones(strata, step):
    """The cost is never below 1."""
    shape = cost(*[sample(each, lambda number: minutes(number * step)) for each in strata])

    assert shape.effect >= 1
    assert shape.within[0] <= shape.effect
    assert shape.degrees > 0


@given(parts=st.lists(values, min_size=1, max_size=4))
def test_merged_samples_are_all_of_their_values(parts):
    """In the order of time."""
    merged = Sample.merged([sample(part, minutes) for part in parts])

    assert merged.executions == sum(map(len, parts))
    assert merged.total == pytest.approx(math.fsum(value for part in parts for value in part), abs=1e-9)
    assert merged.moments == sorted(set(merged.moments))
    assert sum(merged.counts) == merged.executions
