"""The first screen: figures that are those of the rows, and sentences that say what happened."""

import math
import re
from datetime import timedelta

import pytest
from asking import NOON, record
from executions import NEW, START, Asked, database_of, is_priced, is_reported, spent
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument.analytics import (
    Period,
    Selection,
    briefing,
    briefings,
    default_periods,
    performance,
    wilson,
)
from learning_instrument.analytics.days import read_days
from learning_instrument.analytics.headings import Heading
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.dimensions import value_in
from learning_instrument.timestamps import iso

from . import weeks

SLICES = ("task_type", "model_tier", "pool_type", "repo", "model", "metadata.customer")
#: Around the days on which the executions of ``NEW`` start.
SPANS = st.builds(
    lambda start, length: Period(START + timedelta(minutes=start), START + timedelta(minutes=start + length)),
    st.integers(-3000, 4000),
    st.integers(1, 5000),
)


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    """Give databases of some weeks by their kind, made once."""
    folder = tmp_path_factory.mktemp("weeks")
    made = {}

    def history(kind):
        if kind not in made:
            made[kind] = Asked(
                weeks.build(folder / f"{kind}.db", kind, days=30, executions_per_day=120, seed=5, with_calls=False)
            )
        return made[kind]

    return history


def inside(rows, period):
    return [row for row in rows if iso(period.since) <= row["timestamp"] < iso(period.until)]


def texts(told):
    return [heading.text for heading in told.headlines]


def changed(told):
    return told.success, told.cost, told.p95


def check(told, rows):
    """Compare every figure with what the rows say."""
    before, after = inside(rows, told.period.before), inside(rows, told.period)
    assert (told.executions.before, told.executions.after) == (len(before), len(after))
    success = wilson(sum(row["success"] for row in after), len(after))
    assert told.success.after == (success and success.estimate)
    assert (told.success.low, told.success.high) == ((success.low, success.high) if success else (None, None))
    assert told.cost.before == (spent(before) and pytest.approx(spent(before), abs=1e-6))
    assert told.cost.after == (spent(after) and pytest.approx(spent(after), abs=1e-6))
    durations = sorted(row["duration_seconds"] for row in after if is_reported(row, "duration_seconds"))
    assert (told.p95.after is None) == (not durations)
    if durations:
        exact = durations[math.ceil(0.95 * len(durations)) - 1]
        assert told.p95.after == pytest.approx(exact, rel=0.016, abs=1e-6)
    assert [day.day for day in told.days] == list(told.period.dates)
    for day in told.days:
        of_day = [row for row in after if row["timestamp"][:10] == day.day]
        assert day.executions == len(of_day)
        assert day.success == wilson(sum(row["success"] for row in of_day), len(of_day))
        assert day.cost_usd == (spent(of_day) and pytest.approx(spent(of_day), abs=1e-6))
        assert day.unpriced == sum(row["cost_source"] == "unpriced" for row in of_day)
        assert day.unreported == len(of_day) - day.unpriced - sum(is_priced(row) for row in of_day)


@settings(max_examples=40, deadline=None)
@given(st.lists(NEW, max_size=30), st.integers(0, 30), SPANS, st.sampled_from(SLICES), st.booleans())
def test_slices_are_what_the_rows_say(records, rolled_up, period, by, is_filtered):
    """Each figure and each day, however far the roll-ups are, of any period, as performance() answers."""
    with database_of(records, rolled_up) as database:
        rows = database.executions()
        periods = [period, period.before]
        found = briefings(database, periods, by)
        assert briefings(database, periods, by, days=read_days(database, periods, Selection())) == found
        groups = {answer.group[0]: answer for answer in performance(database, by, _selection(period))}
        assert {*groups} >= {value for value, of_value in found.items() if of_value[period].totals}
        for value, of_value in found.items():
            own = [row for row in rows if value_in(row, by) == value]
            for told in of_value.values():
                check(told, own)
            assert (of_value[period].totals is None) == (value not in groups)
            if value in groups:
                totals, expected = of_value[period].totals, groups[value]
                assert (totals.executions, totals.success, totals.tasks) == (
                    expected.executions, expected.success, expected.tasks,
                )  # fmt: skip
                assert (totals.p50_seconds, totals.cost_usd) == (expected.p50_seconds, expected.cost_usd)
        if is_filtered and found:
            value = next(iter(found))
            chosen, own = Selection(where={by: value}), [row for row in rows if value_in(row, by) == value]
            check(briefing(database, period, chosen), own)
            for other, of_other in briefings(database, [period], "outcome", selection=chosen).items():
                check(of_other[period], [row for row in own if row["outcome"] == other])


def _selection(period):
    return Selection(since=period.since, until=period.until)


def test_quiet_week_is_said_to_be_one(histories):
    """With what could have been seen, and the tier to use."""
    told = briefing(histories("quiet"), Period.last(7, weeks.NOW))

    first, second = texts(told)
    assert first.startswith("A quiet week: ")
    assert first.endswith("succeeded, as before; no new kind of failure")
    assert told.headlines[0].evidence.startswith("we would see a change of ")
    assert second.startswith("Use tier small: ")
    assert told.tiers_heading == told.headlines[-1]
    assert told.tiers_period == told.period
    assert told.success.verdict == told.cost.verdict == told.p95.verdict == "no change"
    assert all("as before" in figure.change.text or "chance" in figure.change.text for figure in changed(told))
    assert not told.new_errors
    assert re.fullmatch(r"\d+ failures of \d kinds, none new", told.failures_heading.text)
    models = r"small \(quick-2\) \d+% at .* medium \(steady-3\) .* large \(deep-5\) .*; most used is small, 5\d% .*"
    assert re.fullmatch(models, told.tiers_heading.evidence)


def test_outage_is_told_with_its_days_and_its_place(histories):
    """Success of all, that of the tier, the new failures, and which tier to use."""
    told = briefing(histories("outage"), Period.last(7, weeks.NOW))

    first, second, third = texts(told)
    assert first.startswith("Success fell to ")
    assert " on Tuesday and Wednesday (24-25 Nov): only tier small fell, to " in first
    assert first.endswith("; over since Thursday")
    assert second.startswith("Two new kinds of failure, both in tier small: ")
    assert {"OverloadedError", "ConnectionResetError"} == {*re.findall(r"(\w+) \(\d+\)", second)}
    assert re.match(r"Use tier small: 9\d% succeeded before Tuesday, \d+% since Thursday; ", third)
    assert len(told.new_errors) == 2
    assert re.fullmatch(r"\d+ failures of \d+ kinds; 2 kinds are new", told.failures_heading.text)
    assert iso(told.outage.since)[:10] == "2026-11-24"
    assert (told.tiers_period.since, iso(told.tiers_period.until)[:10]) == (told.period.before.since, "2026-11-24")
    assert (told.success.verdict, told.success.change.evidence) == ("worse", "")
    assert told.days_heading.text == first
    assert any("lost when their process ended" in each for each in told.left_out)


def test_price_rise_is_told_with_its_day_its_tier_and_that_tokens_explain_little(histories):
    """Cost is that of an execution; the model is the only one of the tier."""
    told = briefing(histories("price-rise"), Period.last(7, weeks.NOW))

    costs = r"Tier large costs (1\.[6-9]|2(?:\.[12])?) times as much since Wednesday \(25 Nov\): its price rose; "
    found = re.fullmatch(costs + r"about (\S+) more so far", texts(told)[0])
    assert told.headlines[0].evidence.endswith("; tier large is model deep-5")
    assert told.tiers_heading.evidence.startswith("since Wednesday; small (quick-2) ")
    assert told.cost.verdict == "worse"
    assert told.cost.change.text == f"about {found[2]} more since Wednesday"
    dearer = (
        row["actual_cost"] * (1 - 1 / weeks.DEARER)
        for row in inside(histories("price-rise").executions(), told.period)
        if row["model"] == weeks.DEARER_MODEL
        and row["timestamp"] >= iso(weeks.NOW - weeks.PRICE_RISE)
        and is_priced(row)
    )
    assert float(found[2].lstrip("$")) == pytest.approx(sum(dearer), rel=0.3)
    assert told.spend_heading.text == texts(told)[0]


def test_outage_that_lasts_is_said_to_do_so_and_another_tier_is_advised(tmp_path):
    """Until the tier recovers."""
    path = weeks.build(tmp_path / "outage.db", "outage", days=30, with_calls=False)
    begun = Asked(path)

    told = briefing(begun, Period.last(7, weeks.NOW - timedelta(days=1, hours=13)))

    first, *_, last = texts(told)
    when = r"(today \(25 Nov\)|since Tuesday \(24 Nov\))"
    assert re.fullmatch(rf"Success is down to \d+% {when}: only tier small fell, to \d+%(; still so today)?", first)
    assert last.startswith("Until tier small recovers, use medium: 9")
    assert "small" not in told.tiers_heading.evidence


def test_slices_of_what_happened_tell_it_where_it_was(histories):
    """The tier that failed says so, another does not."""
    week = Period.last(7, weeks.NOW)

    found = briefings(histories("outage"), [week], "model_tier")

    assert texts(found["small"][week])[0].startswith("Success fell to ")
    assert texts(found["small"][week])[0].endswith("; over since Thursday")
    assert "fell" not in texts(found["medium"][week])[0]


def test_slice_with_nothing_in_the_part_of_a_day_has_none_of_its_rest(database):
    """A day that began before the period counts from then on, for each value alike."""
    database.append(
        [
            record(model_tier=tier, timestamp=NOON + timedelta(hours=hour))
            for tier, hour in (("a", -1), ("a", 20), ("b", 1))
        ]
    )
    period = Period(NOON, NOON + timedelta(days=2))

    found = briefings(database, [period, period.before], "model_tier")

    assert {tier: told[period].totals.executions for tier, told in found.items()} == {"a": 1, "b": 1}


@pytest.mark.parametrize("kind", weeks.KINDS)
def test_any_history_has_sentences_that_can_be_read(histories, kind):
    """Short, on one line, no full stop, in all periods and slices."""
    database = histories(kind)
    periods = default_periods(database, weeks.NOW)
    all_told = [briefing(database, period) for period in periods]
    for by in ("task_type", "metadata.customer"):
        for of_value in briefings(database, periods, by, limit=3).values():
            all_told += of_value.values()

    for told in all_told:
        headings = (*told.headlines, told.days_heading, told.spend_heading, told.durations_heading)
        for heading in headings:
            assert heading.text.isprintable()
            assert 0 < len(heading.text) < 140
            assert "p <" not in heading.evidence
            assert not heading.text.endswith(".")
        assert 1 <= len(told.headlines) <= 3


def test_nothing_recorded_is_said(database):
    """No figure is made up."""
    told = briefing(database, Period.last(7, NOON))

    assert texts(told) == ["Nothing is recorded yet"]
    assert told.totals is None
    assert (told.success.after, told.cost.after, told.p95.after) == (None, None, None)
    assert [day.executions for day in told.days] == [0] * 7


def test_period_without_executions_says_when_the_last_one_was(database):
    """It is of the filtered ones, and before the period."""
    old, new = (record(timestamp=NOON - timedelta(days=days), model_tier=str(days)) for days in (40, 0))
    database.append([old, new])

    def told(tier):
        (headline,) = briefing(
            database, Period.last(7, NOON - timedelta(days=20)), Selection(model_tier=tier)
        ).headlines
        return headline

    assert told("40") == Heading("No execution in these 7 days", "the last one before was on 11 October")
    assert told("0") == Heading("No execution in these 7 days")


def test_filter_that_matches_nothing_says_what_there_is(database):
    """By itself, or together with the others."""
    database.append([record(model_tier="small", repo="shop"), record(model_tier="large", repo="site")])

    def told(**filters):
        (headline,) = briefing(database, Period.last(7, NOON + timedelta(hours=1)), Selection(**filters)).headlines
        return headline

    mistyped = told(model_tier="smal")
    assert mistyped.text == "No execution matches model_tier=smal"
    assert mistyped.evidence == (
        "No execution has model_tier=smal. Did you mean small? The values: large (1), small (1)."
    )
    assert told(model_tier="small", repo="site").evidence == (
        "Every filter matches some executions; no execution matches all of them."
    )


def test_unknown_cost_is_not_zero(database):
    """Unpriced and unreported executions are named as left out."""
    database.append([record(cost_source="unpriced"), record(), record(duration_seconds=1.0)])

    told = briefing(database, Period.last(7, NOON + timedelta(hours=1)))

    assert told.cost.after is None
    assert told.spend_heading.text == "No cost is known"
    assert told.left_out[:2] == ("1 execution that could not be priced", "2 without a reported cost")


def test_change_of_the_mix_is_no_change_of_success(database):
    """More of the harder task: fewer succeed, and the evidence says that it is the mix."""
    database.append(
        [
            record(
                task_type=task_type,
                success=number % of != 0,
                timestamp=NOON - timedelta(days=day, minutes=number),
            )
            for day in range(14)
            for task_type, of, count in (("easy", 20, 80 if day > 6 else 20), ("hard", 2, 20 if day > 6 else 80))
            for number in range(count)
        ]
    )

    told = briefing(database, Period.last(7, NOON + timedelta(hours=1)))

    assert told.success.after < told.success.before - 0.2
    assert told.success.verdict == "no change"
    assert "over the same mix of tasks, which changed" in told.success.change.evidence


def test_one_dear_execution_is_no_rise_of_cost(database):
    """A sum that one execution made says nothing of the others."""
    database.append(
        [
            record(
                actual_cost=100.0 if (day, number) == (1, 0) else 0.01 * (1 + number % 7),
                timestamp=NOON - timedelta(days=day, minutes=number),
            )
            for day in range(14)
            for number in range(40)
        ]
    )

    told = briefing(database, Period.last(7, NOON + timedelta(hours=1)))

    assert not any("cost" in text for text in texts(told))


@pytest.mark.parametrize("limit", [0, True, 1.5])
def test_impossible_limit_is_refused(database, limit):
    """As of other questions."""
    with pytest.raises(ConfigurationError, match="limit"):
        briefings(database, [Period.last(7, NOON)], "repo", limit)


def test_unknown_dimension_is_refused(database):
    """It may be mistyped."""
    with pytest.raises(ConfigurationError, match="nothing"):
        briefings(database, [Period.last(7, NOON)], "nothing")
