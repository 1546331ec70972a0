"""What the figures of each section of a report come to, in one sentence.

Each function takes answers of this package, and asks no database. A difference is stated where a test of the answer has
found it; where nothing was tested the sentence gives figures alone, and its evidence says so.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from .. import formatting
from ..columns import UNKNOWN
from .burndown import BurnDown
from .choice import choose
from .choice_words import advised, figures, ranked, support
from .costs import Costs, EstimateAccuracy, GroupSpend
from .error_groups import ErrorGroup, ErrorReport
from .executions import is_cost_partial
from .extremes import Extremes
from .intervals import wilson
from .mix import ENOUGH
from .names import named, nouns
from .overview import Summary
from .patterns import SolutionPattern
from .performance import Performance, QueueWait
from .routing import RoutingBin, RoutingCalibration
from .side_by_side import SideBySide

#: Characters of a sentence, beyond which its second part is told as evidence.
_SENTENCE: Final = 90
#: Dimensions whose values are not chosen: an execution has the one that its task has.
_GIVEN: Final = ("task_type", "repo")
#: The share of the cost that a few groups have where it is said to be concentrated.
_MOST: Final = 0.8
#: The dearest are set beside the whole where there are so many times as many.
_TENTH: Final = 10
#: Where only a larger gap of confidence and success would have been seen, nothing is said.
_TOO_WIDE: Final = 0.1
#: How often a place of failures is named by chance.
_LEVEL: Final = 0.05
#: Failures of a kind that make it worth a word, and the error type of executions whose process died.
_FEWEST: Final = 3
_CRASH: Final = "crash"
#: Biases below this are none worth a word.
_UNBIASED: Final = 0.005


@dataclass(frozen=True, slots=True)
class Heading:
    """What some figures come to."""

    #: One plain sentence, no markup, no full stop at its end.
    text: str
    #: How well it is supported, or what was left out.
    evidence: str = ""


def of_side_by_side(found: SideBySide) -> Heading:
    """Return which value of a dimension to use, or that nothing tells them apart, or that too little is known."""
    one, several = nouns(found.by)
    every = found.alternatives
    if not every:
        return Heading(f"No executions to compare {several} by")
    if len(every) == 1 and not found.others:
        (alone,) = every
        if alone.value == UNKNOWN:
            return Heading(f"No execution says its {one}", formatting.counted(alone.executions, "execution"))
        return _told(f"All executions are of {one} {named(alone.value)}", [figures(alone)], support(found, every))
    compared = [each for each in every if each.compared]
    if found.inconclusive:
        executions = sum(each.executions for each in every) + found.others_executions
        if max(each.executions for each in every) < ENOUGH:
            few = f"to compare {several}" if found.by in _GIVEN else f"to choose a {one}"
            return Heading(f"Too few executions {few}: {executions:,}")
        return Heading(
            f"The {several} cannot be compared: no two share enough tasks",
            f"no two have {ENOUGH} executions or more of the same kinds of tasks, of {executions:,}",
        )
    if found.by in _GIVEN:
        return Heading(_capital(ranked(compared, one, several)), "; ".join(support(found, compared)))
    text, left = advised(found, choose(found))
    return Heading(text, "; ".join([*left, *support(found, compared)]))


def of_durations(groups: Sequence[Performance], waits: Sequence[QueueWait] = (), by: str = "task_type") -> Heading:
    """Return which group waits longer than it runs, or which is the slowest.

    Args:
        groups: of all executions, by *by*.
        waits: of the same.
        by: the dimension.
    """
    one, _ = nouns(by)
    timed = {each.group: each for each in groups if each.p50_seconds is not None and each.groups == 1}
    if not timed:
        return Heading("No duration was measured" if groups else "No executions, so no durations")
    large = [each for each in timed.values() if each.executions >= ENOUGH]
    if not large:
        executions = sum(each.executions for each in timed.values())
        return Heading(f"Too few executions to tell durations: {executions:,}")
    waiting = [
        (wait, timed[wait.group])
        for wait in waits
        if wait.group in timed and wait.measured >= ENOUGH and (wait.p50_seconds or 0) > _median(timed[wait.group])
    ]
    ranked = ["by what was measured, without a test"]
    if waiting:
        wait, run = max(waiting, key=lambda pair: (pair[0].mean_seconds or 0.0) * pair[0].measured)
        known = f"the wait of {wait.measured:,} of {formatting.counted(wait.executions, 'execution')} is known"
        whom = f"{_capital(one)} {named(wait.group[0])} waits" if len(timed) > 1 else "Tasks wait"
        runs = "it runs" if len(timed) > 1 else "they run"
        more = [f"{len(waiting) - 1} more do so"] if len(waiting) > 1 else []
        return _told(
            f"{whom} longer than {runs}: {formatting.seconds(wait.p50_seconds or 0.0)} against"
            f" {formatting.seconds(_median(run))}",
            more,
            ["medians", known],
        )
    slow = max(large, key=lambda each: each.p95_seconds or 0.0)
    figures = (
        f"half take {formatting.seconds(_median(slow))} or longer,"
        f" 1 in 20 over {formatting.seconds(slow.p95_seconds or 0.0)}"
    )
    if len(large) == 1:
        whose = [] if len(timed) == 1 else [f"of {one} {named(slow.group[0])}, the others are too few"]
        return _told(_capital(figures), whose, [formatting.counted(slow.executions, "execution")])
    return _told(f"{_capital(one)} {named(slow.group[0])} is slowest: {figures}", [], ranked)


def _median(group: Performance) -> float:
    return group.p50_seconds or 0.0


def of_errors(report: ErrorReport, new: Sequence[ErrorGroup] | None = None) -> Heading:
    """Return what makes up most of the failures, and how many kinds of them are new.

    Args:
        report: the failures.
        new: the kinds that are said to be new; None: those of :func:`new_kinds`.
    """
    if not report.executions:
        return Heading("No executions, so no failures")
    if not report.groups or not report.failures:
        none = wilson(0, report.executions)
        most = [] if none is None else [f"at most {formatting.share(none.high)} fail, at 95%"]
        return _told(f"No failures among {formatting.counted(report.executions, 'execution')}", [], most)
    kinds = Counter[str]()
    for group in report.groups:
        kinds[_kind(group)] += group.executions
    kind, most_of = max(kinds.items(), key=lambda item: (item[1], item[0]))
    failures = formatting.counted(report.failures, "failure")
    if len(kinds) == 1:
        text = f"All {failures} are {kind}" if report.failures > 1 else f"The only failure is {kind}"
    else:
        text = f"{_capital(formatting.percent(most_of / report.failures))} of {failures} are {kind}"
    new = new_kinds(report) if new is None else new
    parts = (
        [f"{len(new):,} of {formatting.counted(len(report.groups), 'kind')} {'is' if len(new) == 1 else 'are'} new"]
        if new
        else []
    )
    parts += _where(report.groups, kind)
    # Some may have been deleted between the two questions.
    rate = wilson(report.failures, max(report.failures, report.executions))
    evidence = [] if rate is None else [f"{formatting.interval(rate)} of all executions fail"]
    evidence += _cost_of(report.groups)
    return _told(text, parts, evidence)


def _cost_of(groups: Sequence[ErrorGroup]) -> list[str]:
    """Return what the failures cost; nothing where it was not asked for."""
    costs = [group.cost for group in groups if group.cost is not None]
    if not costs:
        return []
    known = [cost.usd for cost in costs if cost.usd is not None]
    is_bound = any(cost.partial or cost.unpriced for cost in costs)
    if not known:
        return ["what they cost was not reported"]
    return [f"they cost {formatting.bound(formatting.dollars(sum(known)), is_bound)}"]


def _kind(group: ErrorGroup) -> str:
    return named(group.exception_type or group.error_type or group.template)


def _where(groups: Sequence[ErrorGroup], kind: str) -> list[str]:
    """Return where a kind of failures is more frequent than by chance: the one that is so most."""
    tested = [
        (_kind(group), noun, place)
        for group in groups
        for noun, found in (("pool", group.pool_types), ("tier", group.model_tiers), ("repository", group.repos))
        for place in found
    ]
    # Telling is so in 5% of cases for the places of one group: here one is picked of all.
    places = [each for each in tested if each[2].is_telling and each[2].p_value * len(tested) <= _LEVEL]
    known = [each for each in places if each[2].name != UNKNOWN]
    if not known:
        return []
    which, noun, place = max(known, key=lambda each: (each[0] == kind, each[2].executions, each[1], each[2].name))
    whose = "" if which == kind else f"{which} "
    if place.times_elsewhere is None:
        return [f"{whose}only in {noun} {named(place.name)}"]
    times = formatting.times(place.times_elsewhere)
    return [f"{whose}{times} as often in {noun} {named(place.name)} as elsewhere"]


def of_failures(failures: int, report: ErrorReport | None = None, new: Sequence[ErrorGroup] | None = None) -> Heading:
    """Return of how many kinds the failures are, and how many of these are new.

    Args:
        failures: how many there are.
        report: their kinds; None: not asked for.
        new: those of them that are new, by :func:`new_kinds`; None: not known.
    """
    if not failures:
        return Heading("No failures")
    text = formatting.counted(failures, "failure")
    kinds = 0 if report is None else len(report.groups)
    if not kinds:
        return Heading(text)
    text = f"{text} of {formatting.counted(kinds, 'kind')}"
    if new is None:
        return Heading(text)
    if new:
        return Heading(f"{text}; {_are_new(new)}")
    is_rare = any(group.is_new and not _is_crash(group) for group in report or ())
    return Heading(f"{text}, {'no frequent one' if is_rare else 'none'} new")


def new_kinds(groups: Iterable[ErrorGroup]) -> tuple[ErrorGroup, ...]:
    """Return the kinds of failures that are said to be new: never seen before, and more than once or twice.

    Executions whose process died are no such kind: they are reported as lost.
    """
    return tuple(group for group in groups if group.is_new and group.executions >= _FEWEST and not _is_crash(group))


def _is_crash(group: ErrorGroup) -> bool:
    return group.error_type == _CRASH and group.exception_type is None


def _are_new(new: Sequence[ErrorGroup]) -> str:
    return f"{formatting.counted(len(new), 'kind')} {'is' if len(new) == 1 else 'are'} new"


def of_accuracy(costs: Costs) -> Heading:
    """Return how far cost estimates are off on the whole, and what corrects them."""
    found = costs.accuracy
    if found is None:
        return Heading("No execution has both an estimate and a known cost")
    if found.compared < ENOUGH:
        return Heading(f"Too few estimates to judge: {found.compared:,}", _accuracy(found))
    if found.bias is None:
        estimated = formatting.dollars(found.estimate_usd)
        return Heading(f"{estimated} was estimated for executions that cost nothing", _accuracy(found))
    if abs(found.bias) < _UNBIASED:
        text = "Estimates are right on the whole"
    else:
        size = formatting.percent(abs(found.bias)) if abs(found.bias) < 10 else formatting.times(1 + found.bias)
        way = "low" if found.bias < 0 else "high"
        text = f"Estimates are {size} too {way} on the whole"
        if abs(found.bias) >= 10:
            text = f"Estimates are {size} the actual costs on the whole"
    off = formatting.percent(1 - found.within_20_percent.estimate)
    parts = [f"{off} are off by more than a fifth"]
    evidence = [_accuracy(found)]
    test = costs.correction_test
    if test is not None:
        before, after = formatting.off_by(test.error_before), formatting.off_by(test.error_after)
        helps = "makes" if test.error_after < test.error_before else "would not help: it makes"
        evidence.append(f"correction {helps} the typical error {after}, it was {before}")
    return _told(text, parts, evidence)


def _accuracy(found: EstimateAccuracy) -> str:
    return (
        f"{formatting.dollars(found.estimate_usd)} estimated, {formatting.dollars(found.actual_usd)} spent"
        f" on {formatting.counted(found.compared, 'execution')}"
    )


def of_spend(costs: Costs, budget: BurnDown | None = None) -> Heading:
    """Return what was spent, or how long the budget lasts."""
    if budget is not None:
        return _of_budget(budget)
    if not costs.executions:
        return Heading("No executions, so no spend")
    if costs.cost_usd is None:
        return Heading("The spend is unknown: no cost was reported")
    is_bound = bool(costs.partial or costs.unpriced)
    spent = formatting.bound(formatting.dollars(costs.cost_usd), is_bound)
    days = [datetime.fromisoformat(day.day) for day in costs.by_day]
    length = (max(days) - min(days) + timedelta(days=1)).days if days else 0
    text = f"{_capital(spent)} spent in {formatting.counted(length, 'day')}"
    parts = []
    if costs.failures_cost_usd is not None and costs.cost_usd > 0 and costs.failures_cost_usd > 0:
        parts.append(f"{formatting.percent(costs.failures_cost_usd / costs.cost_usd)} of it on failures")
    known = [(day.cost_usd, day.day) for day in costs.by_day if day.cost_usd]
    if len(known) > 1:
        most, dearest = max(known)
        parts.append(f"most on {formatting.date(date.fromisoformat(dearest))}, {formatting.dollars(most)}")
    return _told(text, parts, [])


def _of_budget(budget: BurnDown) -> Heading:
    """Return how long a budget lasts."""
    period = {1: "day", 7: "week"}.get(length := (budget.period_end - budget.period_start).days) or (
        "month" if length < 32 else "quarter" if length < 93 else "year"
    )
    amount = formatting.dollars(budget.amount_usd)
    unknown = ["the pace is a lower bound: it may run out earlier"] if budget.history_unknown else []
    if budget.spent_usd is None:
        return _told(f"How much of the {period}'s {amount} is spent is unknown: no cost was reported", [], unknown)
    is_bound = bool(budget.partial or budget.unpriced)
    spent = formatting.bound(formatting.dollars(budget.spent_usd), is_bound)
    if budget.left_usd <= 0:
        return _told(f"The {period}'s budget of {amount} is spent: {spent} so far", [], unknown)
    if budget.lasts is None:
        some = _capital(spent) if budget.spent_usd or is_bound else "Nothing"
        return _told(f"{some} of the {period}'s {amount} is spent", ["no day tells the pace yet"], unknown)
    evidence = [f"{spent} of {amount} spent", *unknown]
    ending = budget.until_renewal()
    if budget.earliest is None:
        evidence.append("by the mean of the days before: they are too few for a band")
    else:
        evidence.append(f"80% band, learned from {formatting.counted(budget.forecast_days, 'day')}")
    if budget.lasts:
        left = budget.expected_left_usd
        parts = [f"about {formatting.dollars(left)} will be left"] if left is not None and left > 0 else []
        if ending.earliest is not None:
            may = f"it may run out from {formatting.date(ending.earliest)} on"
            return _told(f"The {period}'s budget is expected to last", [may], evidence)
        return _told(f"The {period}'s budget lasts", parts, evidence)
    text = f"The {period}'s budget runs out"
    if ending.earliest is not None and ending.latest is not None:
        return _told(f"{text} {_dates(ending.earliest, ending.latest)}", [], evidence)
    assert budget.run_out is not None, "a budget that does not last runs out"
    around = f"{text} around {formatting.date(budget.run_out)}"
    parts = [] if ending.earliest is None else [f"at the earliest on {formatting.date(ending.earliest)}"]
    return _told(around, parts, evidence)


def _dates(first: datetime, last: datetime) -> str:
    """Return two dates as a range in words."""
    start, end = formatting.date(first), formatting.date(last)
    if start == end:
        return f"on {start}"
    day, month = start.split(" ")
    return f"between {day if end.endswith(month) else start} and {end}"


def of_groups(groups: Sequence[GroupSpend] | Sequence[Performance], by: str) -> Heading:
    """Return which group costs most, and how few have most of the cost.

    Args:
        groups: the spend or the performance by *by*, with or without the others as one group.
        by: the dimension.
    """
    one, several = nouns(by)
    executions = sum(each.executions for each in groups)
    if not executions:
        return Heading(f"No executions, so no {several}")
    known = [each for each in groups if each.groups == 1 and each.group[0] != UNKNOWN]
    if not known:
        return Heading(f"No execution says its {one}", formatting.counted(executions, "execution"))
    costs = [each.cost_usd for each in groups if each.cost_usd is not None]
    if not costs:
        most = max(known, key=lambda each: each.executions)
        share = formatting.percent(most.executions / executions)
        return _told(
            f"{_capital(one)} {named(most.group[0])} has most executions, {share}",
            ["no cost was reported"],
            ["by their number, without a test"],
        )
    whole = sum(costs)
    dearest = sorted(known, key=lambda each: -(each.cost_usd or 0.0))
    if whole <= 0 or not dearest[0].cost_usd:
        return Heading(f"No {one} has a known cost above nothing")
    is_bound = bool(dearest[0].partial or dearest[0].unpriced)
    cost = formatting.bound(formatting.dollars(dearest[0].cost_usd), is_bound)
    share = formatting.percent(dearest[0].cost_usd / whole)
    text = f"{_capital(one)} {named(dearest[0].group[0])} costs most: {cost}, {share} of the {_cost(_unknown(groups))}"
    count = sum(each.groups for each in groups)
    few, reached = 0, 0.0
    for each in dearest:
        if reached >= _MOST * whole:
            break
        few, reached = few + 1, reached + (each.cost_usd or 0.0)
    parts = []
    if reached >= _MOST * whole and 1 < few <= count / 4:
        parts.append(f"{few} of {count:,} {several} make up {formatting.percent(reached / whole)}")
    return _told(text, parts, ["by what is known, without a test"])


def _unknown(groups: Sequence[GroupSpend] | Sequence[Performance]) -> bool:
    """Tell whether some cost of *groups* is not known."""
    return any(each.partial or each.unpriced or (isinstance(each, Performance) and each.unreported) for each in groups)


def of_routing(found: RoutingCalibration) -> Heading:
    """Return whether the confidence of routing is what it says, and where it is not."""
    if not found.executions or found.mean_confidence is None or found.success is None:
        return Heading("No routing confidence was reported")
    if found.executions < ENOUGH:
        return Heading(f"Too few executions with a routing confidence to judge it: {found.executions:,}")
    sure, succeed = formatting.percent(found.mean_confidence), formatting.percent(found.success.estimate)
    evidence = (
        [] if found.p_value is None else [f"p {formatting.p_value(found.p_value)}, by the means and Spiegelhalter's z"]
    )
    if found.detectable is not None:
        evidence.append(f"a gap of {found.detectable * 100:.1f} points would have been seen")
    if found.unreported:
        evidence.append(f"{formatting.counted(found.unreported, 'execution')} without a reported confidence left out")
    off = [each for each in found.bins if each.is_off]
    if found.is_off and off:
        worst = max(off, key=lambda each: abs(each.gap) * each.executions)
        sure, succeed = formatting.percent(worst.mean_confidence), formatting.percent(worst.success.estimate)
        return _told(f"When routing is {sure} sure, {succeed} succeed: {_off_where(found.bins, worst)}", [], evidence)
    average = f"{sure} sure on average, {succeed} succeed"
    if found.is_off:
        return _told(f"Routing is {average}", ["a small difference beyond chance"], evidence)
    if found.detectable is not None and found.detectable > _TOO_WIDE:
        return _told(f"Too little is known to judge routing confidence: {average}", [], evidence)
    return _told(f"Routing confidence holds: {average}", [], evidence)


def _off_where(bins: Sequence[RoutingBin], worst: RoutingBin) -> str:
    """Return in which direction confidence is off, and in which bins beside *worst*."""
    way = "high" if worst.gap > 0 else "low"
    are_alike = [each.is_off and (each.gap > 0) == (worst.gap > 0) for each in bins]
    first = last = bins.index(worst)
    while first > 0 and are_alike[first - 1]:
        first -= 1
    while last < len(bins) - 1 and are_alike[last + 1]:
        last += 1
    if first == 0 and last == len(bins) - 1:
        return f"confidence is too {way} throughout"
    if last == len(bins) - 1:
        return f"confidence is too {way} above {bins[first].low:.1f}"
    if first == 0:
        return f"confidence is too {way} below {bins[last].high:.1f}"
    return f"confidence is too {way} from {bins[first].low:.1f} to {bins[last].high:.1f}"


def of_extremes(found: Extremes) -> Heading:
    """Return how much of the cost the dearest have, and how long the slowest took."""
    if not found.executions:
        return Heading("No executions, so none is slow or dear")
    slow = found.slowest[0].duration_seconds if found.slowest else None
    took = [] if slow is None else [f"the slowest took {formatting.seconds(slow)}"]
    evidence = [] if found.p50_seconds is None else [f"half take {formatting.seconds(found.p50_seconds)} or longer"]
    if not found.dearest or not found.cost_usd:
        none = "no cost was reported" if found.cost_usd is None else "nothing cost anything"
        if slow is None:
            return _told("No duration was measured", [none], [])
        return _told(f"The slowest execution took {formatting.seconds(slow)}", [none], evidence)
    count, costs = len(found.dearest), [execution.actual_cost for execution in found.dearest]
    if count > 1 and found.executions >= _TENTH * count:
        share = formatting.percent(min(1.0, sum(costs) / found.cost_usd))
        whole = _cost(bool(found.partial or found.unpriced or found.unreported))
        text = f"The {count} dearest of {found.executions:,} executions make up {share} of the {whole}"
    else:
        cost = formatting.bound(formatting.dollars(costs[0]), is_cost_partial(found.dearest[0]))
        text = f"The dearest execution cost {cost}"
    return _told(text, took, evidence)


def of_patterns(patterns: Sequence[SolutionPattern]) -> Heading:
    """Return which solution worked most often."""
    if not patterns:
        return Heading("No solution is told of often enough to make a pattern")
    first = max(patterns, key=lambda pattern: pattern.support)
    solutions = "One solution worked" if len(patterns) == 1 else f"{len(patterns):,} solutions worked"
    text = f"{solutions} repeatedly"
    often = f'"{named(first.summary)}" {first.support:,} times'
    evidence = [f"{formatting.interval(first.success)} of tasks like these succeed, whatever their solution"]
    return _told(text, [often], evidence)


def of_running(running: Sequence[float], dead: int = 0, lost: int = 0) -> Heading:
    """Return what runs, how long the oldest has, and what was lost.

    Args:
        running: the ages of the executions that run, in seconds.
        dead: how many are marked as running although their process has ended.
        lost: how many executions ended as lost.
    """
    if running:
        are = "execution is" if len(running) == 1 else "executions are"
        since = "it began" if len(running) == 1 else "the oldest began"
        text = f"{len(running):,} {are} running, {since} {formatting.seconds(max(0.0, *running))} ago"
    else:
        text = "Nothing is running"
    parts = []
    if dead:
        parts.append(f"{dead:,} {'has' if dead == 1 else 'have'} lost {'its' if dead == 1 else 'their'} process")
    if lost:
        parts.append(f"{lost:,} {'was' if lost == 1 else 'were'} lost before")
    return _told(text, parts, [])


def of_losses(summary: Summary, size_bytes: int | None = None) -> Heading:
    """Return how large the database is, and how much could not be recorded.

    Args:
        summary: of the executions.
        size_bytes: that of its files; None: not known.
    """
    held = formatting.counted(summary.executions, "execution")
    text = f"{held} in {formatting.size(size_bytes)}" if size_bytes is not None else f"{held} are recorded"
    losses = sum(summary.losses.values())
    if not losses:
        return _told(text, ["nothing was lost"], [])
    by_reason = [f"{count:,} for {named(reason)}" for reason, count in summary.losses.items()]
    return _told(text, [f"{formatting.counted(losses, 'record')} could not be kept"], by_reason[:3])


def _cost(is_unknown: bool) -> str:
    """Return what a share is of."""
    return "known cost" if is_unknown else "cost"


def _told(text: str, parts: Sequence[str], evidence: Sequence[str]) -> Heading:
    """Return the heading: as many of *parts* as there is room for follow *text*, the others are evidence."""
    left = []
    for number, part in enumerate(parts):
        if len(text) + len("; ") + len(part) > _SENTENCE:
            left = list(parts[number:])
            break
        text = f"{text}; {part}"
    return Heading(text, "; ".join([*left, *evidence]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
