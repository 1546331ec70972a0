"""Which tier to use, and what days are called."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument.analytics import Alternative, Estimate, Period, Proportion, SideBySide
from learning_instrument.analytics.events import Event, day_name, sentence, times
from learning_instrument.analytics.headlines import advice
from learning_instrument.analytics.spells import Contrast, Place, Spell

WEEK = Period.last(7, datetime(2026, 11, 27, 12, tzinfo=timezone.utc))
SPELL = Spell("success", "2026-11-24", "2026-11-24", True, Contrast(0.7, 0.95), 13, 0.001, 100)


def alternative(value, success, cost, standing="not dominated", *, width=0.01):
    known = None if cost is None else Estimate(cost, cost / 1.1, cost * 1.1)
    return Alternative(
        value=value,
        executions=100,
        assumed=0,
        compared=100,
        success=Proportion(success, success - width, min(1.0, success + width)),
        duration_seconds=None,
        cost_usd=known,
        cost_per_success_usd=known,
        cost_status="unknown" if cost is None else "known",
        priced=0 if cost is None else 100,
        partial=0,
        unpriced=0,
        standing=standing,
        dominated_by=(),
    )


def told(*alternatives, events=()):
    found = SideBySide("model_tier", ("task_type",), alternatives, 0, 0)
    return advice(found, {event.spell.figure: event for event in events}, WEEK)


def test_tier_that_dominates_is_to_be_used():
    """With what another one costs, and whether it is worse."""
    small, large = alternative("small", 0.95, 0.01), alternative("large", 0.955, 0.08, "dominated")

    assert told(small, large).text == "Use tier small: large is no better and costs 8.0 times as much for each success"
    worse = replace(large, success=Proportion(0.8, 0.79, 0.81))
    assert (
        told(small, worse).text
        == "Use tier small: large succeeds less often and costs 8.0 times as much for each success"
    )


def test_tiers_that_are_better_in_one_each_are_named_for_it():
    """Beyond chance."""
    text = told(alternative("small", 0.8, 0.01), alternative("large", 0.95, 0.08)).text

    assert text == "Use tier large for success (95% against 80%), tier small for cost (an eighth for each success)"


def test_lead_that_may_be_chance_is_said_to_be():
    """The interval of the difference has 0 in it."""
    small, large = (alternative(*each, width=0.04) for each in (("small", 0.9, 0.01), ("large", 0.95, 0.08)))

    assert (
        told(small, large).text
        == "Use tier small: large costs 8.0 times as much, and its lead (95% against 90%) may be chance"
    )


def test_tiers_that_nothing_tells_apart_are_said_to_be_so():
    """Neither costs nor success."""
    small, large = (alternative(each, 0.95, 0.01, "no difference shown") for each in ("small", "large"))

    assert told(small, large).text.startswith("Nothing tells the 2 tiers apart")


def test_costs_that_are_unknown_advise_nothing():
    """A tier is then not told to be cheap."""
    assert "Use" not in told(alternative("small", 0.9, None), alternative("large", 0.95, 0.1)).text


def test_days_on_which_a_tier_failed_are_named_beside_the_advice():
    """Its figures have these days in them."""
    place = Place("model_tier", "small", Contrast(0.3, 0.95), is_all=True)

    evidence = told(
        alternative("small", 0.8, 0.01), alternative("large", 0.95, 0.08), events=[Event(SPELL, place)]
    ).evidence

    assert evidence == (
        "success: small 80% (79 to 81), large 95% (94 to 96); same mix of tasks; with what happened on Tuesday"
    )


@pytest.mark.parametrize(
    ("first", "last", "is_over", "words"),
    [
        ("2026-11-24", "2026-11-24", True, "on Tuesday"),
        ("2026-11-24", "2026-11-25", True, "on Tuesday and Wednesday"),
        ("2026-11-23", "2026-11-25", True, "from Monday to Wednesday"),
        ("2026-11-24", "2026-11-27", False, "on Tuesday and stays there"),
        ("2026-11-21", "2026-11-27", False, "in these 7 days"),
    ],
)
def test_days_are_named_as_people_do(first, last, is_over, words):
    """Whether they are over as well."""
    event = Event(replace(SPELL, first=first, last=last, is_over=is_over))

    assert sentence(event, WEEK) == f"Success fell to 70% {words}"


def test_days_of_old_are_dates():
    """Also of a period that is over: Tuesday was some week."""
    assert day_name("2026-11-20", Period.last(30, WEEK.until)) == "20 November"
    assert day_name("2026-11-21", Period.last(30, WEEK.until)) == "Saturday"
    assert day_name("2026-11-24", Period.last(7, WEEK.until + timedelta(hours=12))) == "24 November"


def test_other_figures_are_ratios():
    """Those of a place are named with it."""
    cost = replace(SPELL, figure="cost", contrast=Contrast(0.018, 0.01), is_over=False, last="2026-11-27")
    place = Place("pool_type", "agents", Contrast(0.05, 0.02), is_all=False)

    assert sentence(Event(cost, place), WEEK) == (
        "An execution cost 1.8 times as much from Tuesday on, most of it in pool agents (2.5 times)"
    )
    assert sentence(Event(cost, place, is_of_place=True), WEEK) == (
        "An execution of pool agents cost 1.8 times as much from Tuesday on"
    )
    assert times(0.5) == "0.50 times"
