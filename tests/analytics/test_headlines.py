"""Which tier to use, and what days are called."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument.analytics import Alternative, Estimate, Period, Proportion, SideBySide
from learning_instrument.analytics.events import Event, day_name, evidence, sentence
from learning_instrument.analytics.headings import Heading
from learning_instrument.analytics.headlines import advice, comparison_days
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


def told(*alternatives, events=(), days=WEEK):
    found = SideBySide("model_tier", ("task_type",), alternatives, 0, 0)
    return advice(found, days, {event.spell.figure: event for event in events}, WEEK)


def dominated(value, success, cost, by):
    return replace(alternative(value, success, cost, "dominated"), dominated_by=(by,))


def test_tier_that_dominates_is_to_be_used():
    """With what another one costs, and whether it is worse."""
    small, large = alternative("small", 0.95, 0.01), dominated("large", 0.95, 0.08, "small")

    assert told(small, large) == Heading(
        "Use tier small: 95% succeed; large does no better and costs 8 times as much",
        "small 95% at $0.0100 a success, large 95% at $0.0800",
    )
    worse = dominated("large", 0.8, 0.08, "small")
    assert told(small, worse).text == "Use tier small: 95% succeed; large does worse (80%) and costs 8 times as much"


def test_cheaper_tier_that_succeeds_less_is_not_advised():
    """Beyond chance; what it saves is told."""
    text = told(alternative("small", 0.8, 0.01), alternative("large", 0.95, 0.08)).text

    assert text == "Use tier large: 95% succeed; with small only 80% do, at 12% of the cost"


def test_lead_that_may_be_chance_is_said_to_be():
    """The interval of the difference has 0 in it."""
    small, large = (alternative(*each, width=0.04) for each in (("small", 0.9, 0.01), ("large", 0.95, 0.08)))

    text = told(small, large).text

    assert text == "Use tier small: 90% succeed; large costs 8 times as much, and its lead of 5 points may be chance"


def test_cheapest_is_not_advised_where_it_may_lose_much():
    """Few executions tell nothing."""
    small, large = (alternative(*each, width=0.15) for each in (("small", 0.8, 0.01), ("large", 0.95, 0.08)))

    assert told(small, large).text == "Too little is known to choose a tier: 80% to 95% of 200 executions succeed"


def test_tiers_that_nothing_tells_apart_are_said_to_be_so():
    """Neither costs nor success; another one that is dearer is named."""
    small, large = (alternative(each, 0.95, 0.01) for each in ("small", "large"))
    dear = alternative("dear", 0.951, 0.08)

    assert told(small, large).text == "Nothing tells the 2 tiers apart: 95% succeed"
    assert told(small, large, dear).text == (
        "Use tier small or large: 95% succeed; dear costs 8 times as much, and its lead may be chance"
    )


def test_costs_that_are_unknown_advise_nothing():
    """A tier is then not told to be cheap."""
    assert "Use" not in told(alternative("small", 0.9, None), alternative("large", 0.95, 0.1)).text


def test_unreported_tier_is_not_advised():
    """Nobody can use it."""
    assert "unknown" not in told(alternative("unknown", 0.95, 0.01), alternative("large", 0.95, 0.1)).text


def test_no_tier_is_advised_where_nothing_succeeds():
    """Their costs are then of nothing."""
    text = told(*(alternative(value, 0.0, None) for value in ("small", "large"))).text

    assert text == "No tier can be advised: none of 200 executions succeeded"


def failing(**fields):
    return Event(replace(SPELL, **fields), Place("model_tier", "small", Contrast(0.3, 0.95), is_all=True))


def test_tiers_are_compared_without_the_days_of_an_outage_that_is_over():
    """Those before it, else those after it; the whole period is asked where these tell too little."""
    before, after, whole = comparison_days({"success": failing()}, WEEK)

    assert (before.since, before.until) == (WEEK.before.since, datetime(2026, 11, 24, tzinfo=timezone.utc))
    assert (after.since, after.until, whole) == (datetime(2026, 11, 25, tzinfo=timezone.utc), WEEK.until, WEEK)
    assert comparison_days({}, WEEK) == (WEEK,)
    tiers = alternative("small", 0.94, 0.01, width=0.03), alternative("large", 0.97, 0.08, width=0.03)
    assert told(*tiers, days=before, events=[failing()]).text == (
        "Use tier small: 94% succeeded before Tuesday;"
        " large costs 8 times as much, and its lead of 3 points may be chance"
    )


def test_tier_that_recovered_says_how_it_does_since():
    """Where the days after an outage have enough executions of it."""
    tiers = alternative("small", 0.94, 0.01, width=0.03), alternative("large", 0.97, 0.08, width=0.03)
    found, events = SideBySide("model_tier", ("task_type",), tiers, 0, 0), {"success": failing()}
    before, *_ = comparison_days(events, WEEK)

    def text(succeeded, executions):
        return advice(found, before, events, WEEK, later={"small": (succeeded, executions)}).text

    assert text(93.0, 100.0).startswith(
        "Use tier small: 94% succeeded before Tuesday, 93% since Wednesday; large costs"
    )
    assert text(2.0, 3.0).startswith("Use tier small: 94% succeeded before Tuesday; large costs")


def test_figures_name_the_model_of_a_tier_and_the_tier_that_is_used_most():
    """And that costs are averages, where these changed within the days."""
    small, large = alternative("small", 0.95, 0.01), dominated("large", 0.95, 0.08, "small")
    found = SideBySide("model_tier", ("task_type",), (replace(small, executions=300), large), 0, 0)
    cost = Event(replace(SPELL, figure="cost", is_over=False, last="2026-11-27"))

    assert advice(found, WEEK, {"cost": cost}, WEEK, {"large": "deep-5"}).evidence == (
        "costs are averages of before and since Tuesday; small 95% at $0.0100 a success, large (deep-5) 95% at $0.0800;"
        " most used is small, 75% of executions"
    )


def test_tier_that_still_fails_is_not_advised():
    """Also where its figures are still the best."""
    tiers = (alternative("small", 0.94, 0.01), alternative("large", 0.97, 0.08), alternative("medium", 0.97, 0.03))
    event = failing(last="2026-11-27", is_over=False)

    assert told(*tiers, events=[event]).text == (
        "Until tier small recovers, use medium: 97% succeed; large does no better and costs 2.7 times as much"
    )
    assert told(*tiers[:2], events=[event]).text == (
        "Until tier small recovers, use large: 97% succeed at $0.0800 for each success"
    )


@pytest.mark.parametrize(
    ("first", "last", "is_over", "words"),
    [
        ("2026-11-24", "2026-11-24", True, "fell to 70% on Tuesday (24 Nov); over since Wednesday"),
        ("2026-11-24", "2026-11-25", True, "fell to 70% on Tuesday and Wednesday (24-25 Nov); over since Thursday"),
        ("2026-11-23", "2026-11-25", True, "fell to 70% from Monday to Wednesday (23-25 Nov); over since Thursday"),
        ("2026-11-18", "2026-11-19", True, "fell to 70% on 18 November and 19 November; over since 20 November"),
        ("2026-11-24", "2026-11-27", False, "is down to 70% since Tuesday (24 Nov); still so today"),
        ("2026-11-24", "2026-11-25", False, "is down to 70% since Tuesday (24 Nov); still so on the last day with any"),
        ("2026-11-27", "2026-11-27", False, "is down to 70% today (27 Nov)"),
        ("2026-11-21", "2026-11-27", False, "is down to 70% in these 7 days; still so today"),
    ],
)
def test_days_are_named_as_people_do(first, last, is_over, words):
    """With their dates, and whether it is over."""
    event = Event(replace(SPELL, first=first, last=last, is_over=is_over))

    assert sentence(event, WEEK) == f"Success {words}"


def test_days_of_old_are_dates():
    """Also of a period that is over: Tuesday was some week."""
    assert day_name("2026-11-20", Period.last(30, WEEK.until)) == "20 November"
    assert day_name("2026-11-21", Period.last(30, WEEK.until)) == "Saturday"
    assert day_name("2026-11-24", Period.last(7, WEEK.until + timedelta(hours=12))) == "24 November"


def test_other_figures_are_ratios():
    """Of the place, where it is in one alone."""
    cost = replace(SPELL, figure="cost", contrast=Contrast(0.018, 0.01), is_over=False, last="2026-11-27")
    most, only = (Place("pool_type", "agents", Contrast(0.05, 0.02), is_all=each) for each in (False, True))

    assert sentence(Event(cost, most), WEEK) == (
        "An execution costs 1.8 times as much since Tuesday (24 Nov), mostly in pool agents"
    )
    assert sentence(Event(cost, only), WEEK) == "Pool agents costs 2.5 times as much since Tuesday (24 Nov)"
    wait = replace(cost, figure="queue wait", is_over=True, last="2026-11-25", contrast=Contrast(0.5, 1.0))
    assert sentence(Event(wait), WEEK) == (
        "Tasks waited 50% less in the queue on Tuesday and Wednesday (24-25 Nov); over since Thursday"
    )


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (1.01, ": its price rose"),
        (1.2, ": its price rose"),
        (2.4, ", with 2.4 times as many tokens"),
        (None, ""),
    ],
)
def test_price_is_said_to_rise_where_tokens_do_not_explain_the_cost(tokens, words):
    """And so is what it comes to so far."""
    spell = replace(SPELL, figure="cost", contrast=Contrast(0.018, 0.01), is_over=False, last="2026-11-27")
    event = Event(spell, Place("model_tier", "large", Contrast(0.05, 0.02), is_all=True), tokens=tokens, extra_usd=4.6)

    assert sentence(event, WEEK) == (
        f"Tier large costs 2.5 times as much since Tuesday (24 Nov){words}; about $4.60 more so far"
    )
    assert evidence(event) == (
        f"$0.0200 an execution before, $0.0500 now{', for the same number of tokens' if tokens == 1.01 else ''}"
    )
