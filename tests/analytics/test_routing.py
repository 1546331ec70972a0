"""Whether the confidence of routing is what it says, worked out from the rows and beside published formulas."""

import math
import random
from datetime import timedelta
from itertools import pairwise

import pytest
from asking import NOON, record
from executions import database_of
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument.analytics import Selection, routing_calibration, wilson

DAY = timedelta(days=1)
CONFIDENCE = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.floats(0, 1))
RECORDS = st.lists(
    st.builds(
        lambda confidence, success, day, repo: record(
            routing_confidence=confidence, success=success, timestamp=NOON + day * DAY, repo=repo
        ),
        CONFIDENCE,
        st.booleans(),
        st.integers(0, 3),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


def routed(count, confidence, share, *, days=10, seed=1):
    """Return executions of which that share succeeds, by chance."""
    chance = random.Random(f"{seed} {confidence} {share}")
    return [
        record(
            routing_confidence=confidence,
            success=chance.random() < share,
            timestamp=NOON + timedelta(days=number % days, seconds=number),
        )
        for number in range(count)
    ]


def test_confidences_nobody_reported_are_left_out(database):
    """A default of 1 is no confidence."""
    nothing = routing_calibration(database)
    database.append([record(), record(routing_confidence=0.8)])

    found = routing_calibration(database)

    assert (nothing.executions, nothing.unreported, nothing.mean_confidence, nothing.success) == (0, 0, None, None)
    assert (nothing.gap, nothing.brier, nothing.p_value, nothing.is_off, nothing.bins) == (None, None, None, False, ())
    assert (found.executions, found.unreported, found.mean_confidence) == (1, 1, 0.8)


def test_bins_hold_their_lower_edge(database):
    """And the last one its upper edge."""
    database.append([record(routing_confidence=each / 10) for each in range(11)])

    bins = routing_calibration(database).bins

    assert [each.executions for each in bins] == [1] * 9 + [2]
    assert [(each.low, each.high) for each in bins] == [(each / 10, (each + 1) / 10) for each in range(10)]


def test_confidence_that_is_too_high_is_found(database):
    """In the bins where it is, and on the whole."""
    database.append(routed(300, 0.65, 0.65) + routed(300, 0.95, 0.7))

    found = routing_calibration(database)

    assert [(each.low, each.is_off) for each in found.bins] == [(0.6, False), (0.9, True)]
    assert (found.is_off, found.gap > 0.1, found.p_value < 0.001) == (True, True, True)


def test_confidences_too_extreme_are_found_where_the_means_agree(database):
    """By Spiegelhalter's z, which is above 0 then."""
    database.append(routed(400, 0.05, 0.25) + routed(400, 0.95, 0.75))

    found = routing_calibration(database)

    assert abs(found.gap) < 0.02
    assert (found.spiegelhalter_z > 3, found.is_off) == (True, True)


def test_constant_half_is_found_where_half_is_wrong(database):
    """Spiegelhalter's z says nothing of it: the means do."""
    database.append(routed(200, 0.5, 0.9))

    found = routing_calibration(database)

    assert (found.spiegelhalter_z, found.is_off, [each.is_off for each in found.bins]) == (None, True, [True])


def test_one_failure_does_not_refute_a_rounded_one(database):
    """Of a confidence of 1."""
    database.append([record(routing_confidence=1.0, success=number > 0) for number in range(200)])

    assert not routing_calibration(database).is_off


def test_outage_of_one_day_is_no_finding(database):
    """Executions of one day depend on one another: a bad day among five shows nothing of the others."""
    database.append(routed(400, 0.9, 0.98, days=4))
    database.append([record(routing_confidence=0.9, success=False, timestamp=NOON + 5 * DAY) for _ in range(100)])

    found = routing_calibration(database)

    assert (found.gap > 0.1, abs(found.spiegelhalter_z) > 3, found.is_off) == (True, True, False)


def test_small_difference_in_a_bin_does_not_matter(database):
    """However sure it is."""
    database.append([record(routing_confidence=0.9, success=number % 100 < 93) for number in range(2000)])

    found = routing_calibration(database)

    assert (found.is_off, [each.is_off for each in found.bins]) == (True, [False])


@pytest.mark.slow
def test_confidence_that_holds_is_rarely_refuted():
    """In 5% of worlds at the most, and a few by chance."""
    refuted = 0
    for seed in range(200):
        chance = random.Random(seed)
        records = [
            record(routing_confidence=sure, success=chance.random() < sure, timestamp=NOON + number % 7 * DAY)
            for number, sure in enumerate(chance.uniform(0.3, 1.0) for _ in range(200))
        ]
        with database_of(records) as database:
            refuted += routing_calibration(database).is_off

    assert refuted <= 16


@given(records=RECORDS, selection=st.sampled_from([Selection(), Selection(repo="a"), Selection(since=NOON + DAY)]))
def test_figures_are_those_of_the_rows(records, selection):
    """For any executions: counts, means, Brier score and z, by their formulas."""
    with database_of(records) as database:
        found = routing_calibration(database, selection)
    chosen = [
        each
        for each in records
        if (selection.repo in (None, each.repo)) and (selection.since is None or each.timestamp >= selection.since)
    ]
    known = [(each.routing_confidence, each.success) for each in chosen if "routing_confidence" not in each.defaulted]

    assert (found.executions, found.unreported) == (len(known), len(chosen) - len(known))
    assert found.success == wilson(sum(o for _, o in known), len(known))
    assert sum(each.executions for each in found.bins) == len(known)
    assert list(found) == list(found.bins)
    if not known:
        return
    assert found.mean_confidence == pytest.approx(math.fsum(p for p, _ in known) / len(known))
    assert found.brier == pytest.approx(math.fsum((o - p) ** 2 for p, o in known) / len(known))
    assert found.gap == pytest.approx(math.fsum(p - o for p, o in known) / len(known))
    assert 0 <= found.p_value <= 1
    assert found.detectable >= 0
    for each in found.bins:
        assert each.low - 1e-9 <= each.mean_confidence <= each.high + 1e-9
        assert not each.is_off or abs(each.gap) >= 0.05
    assert all(one.high <= other.low + 1e-12 for one, other in pairwise(found.bins))
    if all(0.005 <= p <= 0.995 for p, _ in known) and (
        variance := math.fsum((1 - 2 * p) ** 2 * p * (1 - p) for p, _ in known)
    ):
        skew = math.fsum((o - p) * (1 - 2 * p) for p, o in known)
        assert found.spiegelhalter_z == pytest.approx(skew / math.sqrt(variance), abs=1e-6)


@settings(max_examples=20)
@given(records=RECORDS)
def test_means_are_off_by_what_the_bins_are_off(records):
    """The gap of the whole is that of the bins, each by its executions."""
    with database_of(records) as database:
        found = routing_calibration(database)

    if found.executions:
        assert found.gap * found.executions == pytest.approx(
            math.fsum(each.gap * each.executions for each in found.bins), abs=1e-9
        )
