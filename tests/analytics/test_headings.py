"""What the figures of each section come to: exact sentences, and what holds for any answer."""

import dataclasses
import re
import types
import typing
from datetime import datetime, timedelta, timezone

import pytest
from asking import NOON, record
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import (
    BurnDown,
    CorrectionTest,
    Costs,
    DaySpend,
    ErrorGroup,
    ErrorReport,
    EstimateAccuracy,
    Extremes,
    GroupSpend,
    Performance,
    Proportion,
    QueueWait,
    RoutingBin,
    RoutingCalibration,
    Selection,
    SideBySide,
    SolutionPattern,
    Summary,
    burn_down,
    costs,
    error_groups,
    extremes,
    headings,
    performance,
    queue_waits,
    routing_calibration,
    side_by_side,
    solution_patterns,
    summary,
    wilson,
)
from learning_instrument.analytics.headings import Heading, new_kinds

from .test_side_by_side import some

DAY = timedelta(days=1)


def accuracy(bias, compared=100, within=40):
    return EstimateAccuracy(compared, 10.0 * (1 + bias), 10.0, bias, abs(bias), abs(bias), wilson(within, compared))


def spent(cost, *days, **fields):
    by_day = tuple(DaySpend(day, 1, amount, None, 0, 0) for day, amount in days)
    known = {
        "executions": 10, "priced": 10, "partial": 0, "unpriced": 0, "failures_cost_usd": None, "accuracy": None,
        "corrections": (), "correction_test": None,
    }  # fmt: skip
    return Costs(cost_usd=cost, by_day=by_day, **{**known, **fields})


def group(name, executions=100, cost=None, **fields):
    none = dict.fromkeys(field.name for field in dataclasses.fields(Performance))
    counts = {"assumed": 0, "partial": 0, "unpriced": 0, "unreported": 0 if cost else executions, "tasks": executions}
    known = {"group": (name,), "executions": executions, "success": wilson(1, 2), "cost_usd": cost, "groups": 1}
    return Performance(**{**none, **counts, **known, **fields})


def wait(name, p50, measured=100):
    return QueueWait((name,), 100, measured, p50, p50 * 2, p50 * 3, p50)


def routed(*bins, p_value=0.001, detectable=0.02, unreported=0):
    """Return a calibration of bins: from, executions, confidence, successes, whether it is off."""
    found = tuple(
        RoutingBin(low, low + 0.1, executions, sure, wilson(succeeded, executions), 0, is_off)
        for low, executions, sure, succeeded, is_off in bins
    )
    executions = sum(each.executions for each in found)
    mean = sum(each.executions * each.mean_confidence for each in found) / executions
    succeeded = sum(each[3] for each in bins)
    return RoutingCalibration(
        executions, unreported, mean, wilson(succeeded, executions), 0.2, 1.0, p_value, detectable, found
    )


def budget(**fields):
    month = datetime(2026, 11, 1, tzinfo=timezone.utc)
    known = {
        "amount_usd": 200.0, "period_start": month, "period_end": datetime(2026, 12, 1, tzinfo=timezone.utc),
        "spent_usd": 120.0, "left_usd": 80.0, "daily_mean_usd": 6.0, "history_days": 28, "history_unknown": 0,
        "run_out": month + 25 * DAY, "earliest": month + 23 * DAY, "latest": month + 28 * DAY,
        "expected_left_usd": -20.0, "left_low_usd": -40.0, "left_high_usd": -1.0, "forecast_days": 56,
        "expected_daily_usd": 6.0, "trend": 0.0, "trend_low": 0.0, "trend_high": 0.0, "weekdays": (1.0,) * 7,
        "partial": 0, "unpriced": 0, "unreported": 0,
    }  # fmt: skip
    return BurnDown(**{**known, **fields})


def test_too_few_executions_are_no_comparison(database):
    """Nor are tasks of other kinds."""
    database.append(some(6, 0.9, model_tier="small") + some(6, 0.5, model_tier="large"))
    assert headings.of_side_by_side(side_by_side(database, "model_tier")) == Heading(
        "Too few executions to choose a tier: 12"
    )

    database.append(some(60, 0.9, model_tier="small", task_type="a") + some(60, 0.5, model_tier="large", task_type="b"))
    assert headings.of_side_by_side(side_by_side(database, "model_tier")).text == (
        "The tiers cannot be compared: no two share enough tasks"
    )


def test_dimension_without_values_is_said_to_be_so(database):
    """And so is one that nothing has at all."""
    assert headings.of_side_by_side(side_by_side(database, "model_tier")).text == "No executions to compare tiers by"

    database.append(some(30, 0.9))
    assert headings.of_side_by_side(side_by_side(database, "metadata.release")).text == "No execution says its release"


def test_waits_longer_than_runs_go_first():
    """With the pool that has most of them."""
    groups = [group("chat", p50_seconds=2.0, p95_seconds=5.0), group("batch", p50_seconds=9.0, p95_seconds=30.0)]

    heading = headings.of_durations(groups, [wait("chat", 4.1), wait("batch", 1.0)], "pool_type")

    assert heading == Heading(
        "Pool chat waits longer than it runs: 4.1 s against 2.0 s",
        "medians; the wait of 100 of 100 executions is known",
    )


def test_slowest_group_is_ranked_without_a_test():
    """And the evidence says so."""
    groups = [group("chat", p50_seconds=2.0, p95_seconds=5.0), group("batch", p50_seconds=9.0, p95_seconds=125.0)]

    heading = headings.of_durations(groups, [wait("chat", 4.1, measured=3)], "task_type")

    assert heading.text == "Task type batch is slowest: half take 9.0 s or longer, 1 in 20 over 2 m 05 s"
    assert heading.evidence == "by what was measured, without a test"


def test_durations_that_nobody_measured_are_unknown():
    """Few are too few."""
    one = group("chat", executions=12, p50_seconds=2.0, p95_seconds=5.0)

    assert headings.of_durations([]).text == "No executions, so no durations"
    assert headings.of_durations([group("chat")]).text == "No duration was measured"
    assert headings.of_durations([one]).text == "Too few executions to tell durations: 12"
    assert headings.of_durations([dataclasses.replace(one, executions=40)]).text == (
        "Half take 2.0 s or longer, 1 in 20 over 5.0 s"
    )


def failing(message, exception, count, **fields):
    return [
        record(success=False, error_message=message, exception_type=exception, error_type="crash", **fields)
        for _ in range(count)
    ]


def test_largest_kind_of_failures_and_new_ones(database):
    """Kinds are templates; what they are called is counted together."""
    database.append(failing("too late after 3 s", "TimeoutError", 61, timestamp=NOON - 30 * DAY, model_tier="large"))
    database.append(failing("too late after 3 s", "TimeoutError", 61, actual_cost=0.01))
    database.append(failing("no such file", "OSError", 39) + some(100, 1.0))

    report = error_groups(database, Selection(since=NOON - DAY), with_costs=True)
    heading = headings.of_errors(report)

    assert heading.text == "61% of 100 failures are TimeoutError; 1 of 2 kinds is new"
    assert heading.evidence == "50.0% (43.1% to 56.9%) of all executions fail; they cost $0.6100"


def test_place_of_failures_is_named_where_it_is_telling(database):
    """By how much more often they are there."""
    database.append(failing("boom", "ValueError", 30, model_tier="small") + some(70, 1.0, model_tier="small"))
    database.append(failing("boom", "ValueError", 10, model_tier="large") + some(90, 1.0, model_tier="large"))

    heading = headings.of_errors(error_groups(database))

    assert heading.text == "All 40 failures are ValueError; 3 times as often in tier small as elsewhere"


def test_place_that_is_one_of_many_by_chance_is_not_named(database):
    """Telling for its group alone, and not for all groups of the report."""
    for number in range(20):
        kind = f"kind {'abcdefghijklmnopqrst'[number]}"
        database.append(failing(kind, f"Error{number}", 6, model_tier="small", repo="a", pool_type="x"))
        database.append(failing(kind, f"Error{number}", 4, model_tier="large", repo="b", pool_type="y"))
    database.append(failing("boom", "ValueError", 15, model_tier="small", repo="a", pool_type="x"))
    database.append(failing("boom", "ValueError", 3, model_tier="large", repo="b", pool_type="y"))
    database.append(some(200, 1.0, model_tier="small", repo="a") + some(200, 1.0, model_tier="large", repo="b"))

    report = error_groups(database)

    assert any(place.is_telling for place in report.groups[0].model_tiers)
    assert "tier" not in headings.of_errors(report).text


def test_no_failures_are_bounded(database):
    """As many executions as there are rule out more."""
    assert headings.of_errors(error_groups(database)).text == "No executions, so no failures"

    database.append(some(100, 1.0))
    assert headings.of_errors(error_groups(database)) == Heading(
        "No failures among 100 executions", "at most 3.7% fail, at 95%"
    )


def test_failures_are_told_by_kinds_and_how_many_are_new(database):
    """New is what was never seen before and is more than once or twice; a process that died is told as lost."""
    database.append(failing("too late", "TimeoutError", 9, timestamp=NOON - 30 * DAY) + failing("too late", None, 5))
    report = error_groups(database, Selection(since=NOON - DAY))
    database.append(failing("too late", "TimeoutError", 9) + failing("oh", "KeyError", 2))
    rare = error_groups(database, Selection(since=NOON - DAY))
    database.append(failing("no such file", "OSError", 3))
    new = error_groups(database, Selection(since=NOON - DAY))

    def text(report, is_known=True):
        return headings.of_failures(report.failures, report, new_kinds(report) if is_known else None).text

    assert headings.of_failures(0).text == "No failures"
    assert headings.of_failures(12).text == "12 failures"
    assert text(report) == "5 failures of 1 kind, none new"
    assert text(rare) == "16 failures of 3 kinds, no frequent one new"
    assert text(new) == "19 failures of 4 kinds; 1 kind is new"
    assert text(new, is_known=False) == "19 failures of 4 kinds"
    assert headings.of_errors(new).text == "47% of 19 failures are TimeoutError; 1 of 4 kinds is new"


@pytest.mark.parametrize(
    ("bias", "text"),
    [
        (-0.23, "Estimates are 23% too low on the whole; 60% are off by more than a fifth"),
        (0.5, "Estimates are 50% too high on the whole; 60% are off by more than a fifth"),
        (0.001, "Estimates are right on the whole; 60% are off by more than a fifth"),
        (24.0, "Estimates are 25 times the actual costs on the whole; 60% are off by more than a fifth"),
    ],
)
def test_estimates_are_off_by_so_much(bias, text):
    """In a direction, on the whole."""
    assert headings.of_accuracy(spent(1.0, accuracy=accuracy(bias))).text == text


def test_estimates_say_what_a_correction_brings():
    """As tried on later executions."""
    tried = CorrectionTest(NOON, 400, 100, 0.25, 0.1)

    heading = headings.of_accuracy(spent(1.0, accuracy=accuracy(-0.23), correction_test=tried))

    assert heading.evidence == (
        "$7.70 estimated, $10.00 spent on 100 executions; correction makes the typical error 1.10x, it was 1.25x"
    )


def test_unknown_accuracy_is_said_to_be_unknown():
    """And too few say nothing."""
    assert headings.of_accuracy(spent(1.0)).text == "No execution has both an estimate and a known cost"
    few = headings.of_accuracy(spent(1.0, accuracy=accuracy(-0.23, compared=12, within=3)))
    assert few.text == "Too few estimates to judge: 12"


def test_spend_is_told_with_its_days():
    """And with what went into failures."""
    found = spent(12.4, ("2026-11-20", 4.0), ("2026-11-22", 8.4), failures_cost_usd=3.1, priced=8, unpriced=1)

    heading = headings.of_spend(found)

    assert heading.text == "At least $12.40 spent in 3 days; 25% of it on failures; most on 22 November, $8.40"
    assert not heading.evidence


def test_unknown_spend_is_not_zero():
    """Nor is that of a budget."""
    unknown = spent(None, priced=0)
    of_budget = headings.of_spend(unknown, budget(spent_usd=None, unreported=10))

    assert headings.of_spend(unknown).text == "The spend is unknown: no cost was reported"
    assert of_budget.text == "How much of the month's $200.00 is spent is unknown: no cost was reported"
    assert headings.of_spend(spent(None, executions=0, priced=0)).text == "No executions, so no spend"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "The month's budget runs out between 24 and 29 November"),
        ({"earliest": NOON, "latest": NOON}, "The month's budget runs out on 20 November"),
        ({"latest": None}, "The month's budget runs out around 26 November; at the earliest on 24 November"),
        ({"earliest": None, "latest": None}, "The month's budget runs out around 26 November"),
        (
            {"run_out": None, "latest": None, "expected_left_usd": 12.0},
            "The month's budget is expected to last; it may run out from 24 November on",
        ),
        (
            {"run_out": None, "earliest": None, "latest": None, "expected_left_usd": 12.0},
            "The month's budget lasts; about $12.00 will be left",
        ),
        (
            {"spent_usd": 213.0, "left_usd": -13.0, "partial": 1},
            "The month's budget of $200.00 is spent: at least $213.00 so far",
        ),
        (
            {"history_days": 0, "run_out": None, "earliest": None, "latest": None},
            "$120.00 of the month's $200.00 is spent; no day tells the pace yet",
        ),
    ],
)
def test_budget_lasts_or_runs_out(fields, text):
    """With the band where there is one."""
    assert headings.of_spend(spent(1.0), budget(**fields)).text == text


def test_costliest_group_and_how_few_make_up_most():
    """Of spend, and of performance."""
    spend = [GroupSpend(("acme",), 10, 60.0, None, 0, 0), GroupSpend(("globex",), 10, 25.0, None, 0, 0)]
    spend += [GroupSpend((f"c{number}",), 1, 1.5, None, 0, 0) for number in range(10)]

    assert headings.of_groups(spend, "metadata.customer").text == (
        "Customer acme costs most: $60.00, 60% of the cost; 2 of 12 customers make up 85%"
    )
    assert headings.of_groups([group("api", cost=2.0), group("web", cost=2.0, partial=3)], "repo") == Heading(
        "Repository api costs most: $2.00, 50% of the known cost", "by what is known, without a test"
    )


def test_groups_without_costs_are_told_by_their_executions():
    """Unknown costs are none."""
    groups = [group("api", 61), group("unknown", 39)]

    assert headings.of_groups(groups, "repo").text == "Repository api has most executions, 61%; no cost was reported"
    assert headings.of_groups(groups[1:], "repo").text == "No execution says its repository"
    assert headings.of_groups([], "metadata.day") == Heading("No executions, so no days")


def test_confidence_that_is_too_high_is_told_from_where():
    """The worst bin is the example, and its neighbours the range."""
    found = routed((0.6, 100, 0.65, 64, False), (0.8, 100, 0.85, 70, True), (0.9, 200, 0.9, 142, True), unreported=3)

    assert headings.of_routing(found) == Heading(
        "When routing is 90% sure, 71% succeed: confidence is too high above 0.8",
        "p 0.001, by the means and Spiegelhalter's z; a gap of 2.0 points would have been seen; 3 executions without a"
        " reported confidence left out",
    )


@pytest.mark.parametrize(
    ("bins", "where"),
    [
        ([(0.2, 50, 0.25, 40, True), (0.9, 50, 0.95, 47, False)], "confidence is too low below 0.3"),
        ([(0.2, 50, 0.25, 40, True)], "confidence is too low throughout"),
        (
            [(0.2, 50, 0.25, 12, False), (0.5, 50, 0.55, 5, True), (0.9, 50, 0.95, 47, False)],
            "confidence is too high from 0.5 to 0.6",
        ),
    ],
)
def test_confidence_is_off_where_bins_are(bins, where):
    """Below, throughout, or between."""
    assert headings.of_routing(routed(*bins)).text.endswith(where)


def test_confidence_that_holds_says_what_would_have_been_seen():
    """Too few executions tell nothing."""
    one = (0.8, 1000, 0.87, 861, False)

    assert headings.of_routing(routed(one, p_value=0.4)).text == (
        "Routing confidence holds: 87% sure on average, 86% succeed"
    )
    assert headings.of_routing(routed(one, p_value=0.4, detectable=0.2)).text == (
        "Too little is known to judge routing confidence: 87% sure on average, 86% succeed"
    )
    assert headings.of_routing(routed(one, p_value=0.01)).text == (
        "Routing is 87% sure on average, 86% succeed; a small difference beyond chance"
    )
    assert headings.of_routing(routed((0.8, 12, 0.87, 10, False))).text == (
        "Too few executions with a routing confidence to judge it: 12"
    )


def test_dearest_are_set_beside_the_whole(database):
    """And a lower bound, or an unknown cost, is said to be one."""
    assert headings.of_extremes(extremes(database)).text == "No executions, so none is slow or dear"

    database.append([record(duration_seconds=float(each), actual_cost=1.0) for each in range(1, 21)])
    assert headings.of_extremes(extremes(database, limit=2)).text == (
        "The 2 dearest of 20 executions make up 10% of the cost; the slowest took 20.0 s"
    )
    assert headings.of_extremes(extremes(database, limit=20)).text == (
        "The dearest execution cost $1.00; the slowest took 20.0 s"
    )


def test_extremes_without_a_cost_are_the_slow_ones(database):
    """Unknown costs are none."""
    database.append([record(duration_seconds=1.0), record(duration_seconds=90.0)])

    heading = headings.of_extremes(extremes(database))

    assert heading.text == "The slowest execution took 90.0 s; no cost was reported"
    assert heading.evidence == "half take 1.0 s or longer"


def test_patterns_are_counted():
    """The most frequent is quoted."""
    pattern = SolutionPattern("Added a retry", "fix", 31, 40, wilson(38, 40), 0, 1.0, None, 0, None, ())

    assert headings.of_patterns([]).text == "No solution is told of often enough to make a pattern"
    assert headings.of_patterns([pattern]).text == 'One solution worked repeatedly; "Added a retry" 31 times'
    assert headings.of_patterns([pattern, pattern]).text == '2 solutions worked repeatedly; "Added a retry" 31 times'


def test_running_and_lost_are_counted():
    """Nothing running is said, too."""
    assert headings.of_running([]).text == "Nothing is running"
    assert headings.of_running([3.0], lost=1).text == "1 execution is running, it began 3.0 s ago; 1 was lost before"
    assert headings.of_running([3.0, 4000.0], dead=1).text == (
        "2 executions are running, the oldest began 1 h 06 m ago; 1 has lost its process"
    )


def test_size_is_told_with_losses(database):
    """By their reasons."""
    database.append([record(), record()])
    found = summary(database)

    assert headings.of_losses(found, 12_345_678).text == "2 executions in 12.3 MB; nothing was lost"
    lost = dataclasses.replace(found, losses={"queue full": 4, "model calls: disk full": 1})
    assert headings.of_losses(lost) == Heading(
        "2 executions are recorded; 5 records could not be kept", "4 for queue full; 1 for model calls: disk full"
    )


NAMES = st.sampled_from(["small", "", "unknown", "a\nb\x1b[31m\u202e", "x" * 4000, "<script>", "Zoë's tier", "a.b"])
AMOUNTS = st.floats(0.01, 1e7)
NAMED = {
    "day": st.dates().map(str),
    "group": st.tuples(NAMES),
    "bias": st.floats(-1, 1e3),
    "low": st.floats(0, 0.5),
    "high": st.floats(0.5, 1),
    "mean_confidence": st.floats(0, 1),
    "p_value": st.sampled_from([0.0, 0.0001]) | st.floats(0, 1),
    "left_usd": st.floats(-1e6, 1e6),
    "groups": st.integers(1, 3),
}
TYPES = {
    float: AMOUNTS,
    int: st.integers(0, 10**7),
    str: NAMES,
    bool: st.booleans(),
    datetime: st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc)),
    Proportion: st.builds(wilson, st.integers(0, 50), st.integers(50, 100)),
    ExecutionRecord: st.builds(
        record,
        task_type=NAMES,
        model_tier=st.none() | NAMES,
        success=st.booleans(),
        duration_seconds=AMOUNTS,
        actual_cost=AMOUNTS,
    ),
}


def values(kind):
    """Return the strategy of what a field of the type *kind* may hold."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in TYPES:
        return TYPES[kind]
    if kind is type(None):
        return st.none()
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if dataclasses.is_dataclass(kind):
        return answers(kind)
    return st.dictionaries(*map(values, inner), max_size=3)


def answers(kind):
    """Return the strategy of any answer of the type *kind*."""
    return st.builds(kind, **{name: field(name, hint) for name, hint in typing.get_type_hints(kind).items()})


def field(name, hint):
    """Return the strategy of the field *name*: some have narrower values than their types."""
    if name not in NAMED or (name == "groups" and hint is not int):
        return values(hint)
    return st.none() | NAMED[name] if type(None) in typing.get_args(hint) else NAMED[name]


def check(heading):
    for text in (heading.text, heading.evidence):
        assert text.isprintable(), text
        assert not re.search(r"\b(nan|inf|None|True|False)\b", text), text
        assert not re.search(r"\$0(?!\.?\d)", text), text
    assert 0 < len(heading.text) <= 150, heading.text
    assert heading.text.endswith("...") or not heading.text.endswith("."), heading.text
    assert heading.text[0] == heading.text[0].upper(), heading.text


BYS = st.sampled_from(["model_tier", "task_type", "repo", "metadata.customer", "metadata." + "k" * 100, "worker_id"])
SECTIONS = {
    "side_by_side": (headings.of_side_by_side, answers(SideBySide)),
    "errors": (headings.of_errors, answers(ErrorReport)),
    "failures": (
        headings.of_failures,
        st.integers(0, 9),
        st.none() | answers(ErrorReport),
        st.none() | st.lists(answers(ErrorGroup), max_size=4),
    ),
    "accuracy": (headings.of_accuracy, answers(Costs)),
    "spend": (headings.of_spend, answers(Costs)),
    "budget": (headings.of_spend, answers(Costs), answers(BurnDown)),
    "durations": (
        headings.of_durations,
        st.lists(answers(Performance), max_size=4),
        st.lists(answers(QueueWait), max_size=4),
        BYS,
    ),
    "groups": (headings.of_groups, st.lists(answers(GroupSpend) | answers(Performance), max_size=4), BYS),
    "routing": (headings.of_routing, answers(RoutingCalibration)),
    "extremes": (headings.of_extremes, answers(Extremes)),
    "patterns": (headings.of_patterns, st.lists(answers(SolutionPattern), max_size=3)),
    "running": (headings.of_running, st.lists(AMOUNTS), st.integers(0, 9), st.integers(0, 9)),
    "losses": (headings.of_losses, answers(Summary), st.none() | st.integers(0, 10**12)),
}


@pytest.mark.parametrize("section", SECTIONS)
@given(data=st.data())
def test_any_answer_makes_a_sentence(section, data):
    """Of bounded length, on one line, without an unknown that looks like a number."""
    heading_of, *arguments = SECTIONS[section]

    check(heading_of(*map(data.draw, arguments)))


def test_every_section_is_tried():
    """With any answer."""
    functions = {getattr(headings, name) for name in dir(headings) if name.startswith("of_")}

    assert functions == {of for of, *_ in SECTIONS.values()}


def test_empty_database_has_every_heading(database):
    """And none of them is empty."""
    none = summary(database)
    found = [
        headings.of_side_by_side(side_by_side(database, "model_tier")),
        headings.of_durations(performance(database), queue_waits(database)),
        headings.of_errors(error_groups(database, with_costs=True)),
        headings.of_accuracy(costs(database)),
        headings.of_spend(costs(database), burn_down(database, 100.0)),
        headings.of_groups(costs(database, by="repo").groups, "repo"),
        headings.of_routing(routing_calibration(database)),
        headings.of_extremes(extremes(database)),
        headings.of_patterns(solution_patterns(database)),
        headings.of_losses(none, 4096),
    ]

    for heading in found:
        check(heading)
