"""The first sentences of a page: what happened in a period, and which tier to use."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from .. import formatting
from ..sqlite.selection import Selection
from .choice import Choice, choose
from .choice_words import advised
from .error_groups import ErrorGroup, ErrorReport
from .events import Event, Events, day_after, day_name, evidence, place_name, sentence, short_name
from .headings import Heading, new_kinds, of_failures, of_side_by_side
from .mix import ENOUGH
from .performance import Performance
from .periods import Period
from .side_by_side import SideBySide
from .spells import LEVELS, Watched
from .tiles import Tiles, before_words, counts_of
from .tiles import evidence as change_evidence
from .values import Unmatched

#: What happened is told in so many sentences.
_MOST: Final = 2
_NUMBERS: Final = {2: "Two", 3: "Three", 4: "Four"}
#: Characters of what supports an advice.
_EVIDENCE: Final = 170
_LOOKED: Final = "not by chance, though every run of days was looked at"
#: What a page says of a database without executions.
NOTHING: Final = Heading("Nothing is recorded yet")


def what_happened(
    found: Tiles, events: Events, period: Period, new_errors: Sequence[ErrorGroup] | None, lost: int
) -> tuple[Heading, ...]:
    """Return what happened in *period*, the most important first, or that nothing did.

    Args:
        found: its figures.
        events: its events.
        period: the one of both.
        new_errors: the kinds of failures that are new in it; None: not known.
        lost: the executions whose process died.
    """
    said = [*_said(found, events, period, new_errors or (), lost)]
    said.sort(key=lambda item: not item[0])
    return tuple(heading for _, heading in said[:_MOST]) or (_quiet(found, period, new_errors),)


def nothing_happened(period: Period, last: datetime | None) -> Heading:
    """Return that *period* has no execution, and when the *last* one before its end was; None: there is none."""
    these = "on this day" if period.days == 1 else f"in these {period.days} days"
    return Heading(
        f"No execution {these}", "" if last is None else f"the last one before was on {formatting.date(last)}"
    )


def nothing_matches(selection: Selection, strangers: Sequence[Unmatched]) -> Heading:
    """Return that no execution passes the filters of *selection*, and what there is in place of its *strangers*."""
    together = "Every filter matches some executions; no execution matches all of them."
    return Heading(
        f"No execution matches {short_name(str(Selection(where=selection.filters)))}",
        " ".join(map(str, strangers)) or together,
    )


def failures_heading(failures: int, errors: ErrorReport | None, new_errors: Sequence[ErrorGroup] | None) -> Heading:
    """Return of how many kinds the failures are, and how many are new, as :func:`what_happened` says."""
    return of_failures(failures, errors, None if new_errors is None else new_kinds(new_errors))


def _said(
    found: Tiles, events: Events, period: Period, new_errors: Sequence[ErrorGroup], lost: int
) -> Iterator[tuple[bool, Heading]]:
    """Yield what happened, the most important first, and whether it is for the worse."""
    success, cost, duration = found.of_success, found.of_cost, found.of_duration
    ago = before_words(period)

    def told(event: Event) -> tuple[bool, Heading]:
        return event.is_worse, Heading(sentence(event, period), evidence(event))

    if "success" in events:
        yield told(events["success"])
    elif success.verdict in ("better", "worse"):
        text = f"Success is {formatting.percent(found.success.after or 0.0)}, {found.success.change.text} than in {ago}"
        yield success.verdict == "worse", Heading(text, found.success.change.evidence)
    new = _new(new_errors)
    if new is not None:
        yield True, new
    if "cost" in events:
        yield told(events["cost"])
    elif cost.verdict in ("better", "worse"):
        text = f"An execution cost {_than(cost.effect or 1.0, 'much', 'less')} in {ago}, for the same mix of tasks"
        yield cost.verdict == "worse", Heading(text, change_evidence(cost))
    if "duration" in events:
        yield told(events["duration"])
    elif duration.verdict in ("better", "worse"):
        than = _than(duration.effect or 1.0, "long", "less time")
        text = f"An execution took {than} in {ago}, for the same mix of tasks"
        yield duration.verdict == "worse", Heading(text, change_evidence(duration))
    if "queue wait" in events:
        yield told(events["queue wait"])
    if lost:
        yield True, Heading(f"{formatting.counted(lost, 'execution')} got lost: the process ended before the task did")


def _than(ratio: float, more: str, less: str) -> str:
    return f"{formatting.times(ratio)} as {more} as" if ratio >= 1 else f"{1 - ratio:.0%} {less} than"


def _new(groups: Sequence[ErrorGroup]) -> Heading | None:
    """Return which kinds of failures are new, how many there are of each, and where."""
    kinds = new_kinds(groups)
    if not kinds:
        return None
    counts = Counter[str]()
    for group in kinds:
        counts[_kind(group)] += group.executions
    largest = counts.most_common(2)
    more = f" and {len(counts) - 2} more" if len(counts) > 2 else ""
    place = _common_place(kinds)
    number = len(kinds)
    where = "" if place is None else f", {'' if number == 1 else 'both ' if number == 2 else 'all '}in {place}"
    count = "A new kind" if number == 1 else f"{_NUMBERS.get(number, f'{number:,}')} new kinds"
    first, last = min(group.first_seen for group in kinds), max(group.last_seen for group in kinds)
    until = "" if first.date() == last.date() else f"on {formatting.date(last)} "
    return Heading(
        f"{count} of failure{where}: {', '.join(f'{name} ({of_name:,})' for name, of_name in largest)}{more}",
        f"first seen on {formatting.date(first)} at {first:%H:%M}, last {until}at {last:%H:%M} UTC",
    )


def _kind(group: ErrorGroup) -> str:
    """Return what a kind of failures is called: its exception without the module."""
    name = group.exception_type or group.template
    return short_name(name.rpartition(".")[2] if name.replace(".", "").isidentifier() else name)


def _common_place(kinds: Sequence[ErrorGroup]) -> str | None:
    """Return the place in which all failures of *kinds* are, where that is no chance."""
    for by, places in (("model_tier", "model_tiers"), ("pool_type", "pool_types"), ("repo", "repos")):
        touched = [place for group in kinds for place in getattr(group, places)]
        if len({place.name for place in touched}) == 1 and any(place.is_telling for place in touched):
            return place_name(by, touched[0].name)
    return None


def _quiet(found: Tiles, period: Period, new_errors: Sequence[ErrorGroup] | None) -> Heading:
    """Return that nothing happened, or that too little is known to tell."""
    before, after = round(found.executions.before or 0.0), round(found.executions.after or 0.0)
    succeeded = _succeeded(found.success.after or 0.0, after)
    said = found.success.change.evidence
    if found.of_success.after_executions != after:
        said += f" ({counts_of(found.of_success)} of the same tasks)"
    ago = before_words(period)
    if not before:
        return Heading(f"{succeeded}; there is nothing older to compare with")
    if found.of_success.verdict == "too few days":
        return Heading(f"{succeeded}: too few days to compare with {ago}", said)
    if found.of_success.verdict == "too little data":
        is_few = min(before, after) < ENOUGH
        return Heading(
            f"{succeeded}: {'too few' if is_few else 'too few of the same tasks'} to compare with {ago}",
            f"{before:,} in {ago}",
        )
    quiet = {1: "A quiet day", 7: "A quiet week"}.get(period.days, f"{period.days} quiet days")
    errors = "" if new_errors is None else f"; no {'frequent ' if new_errors else ''}new kind of failure"
    return Heading(f"{quiet}: {succeeded[0].lower()}{succeeded[1:]}, as before{errors}", said)


def _succeeded(share: float, executions: int) -> str:
    if executions == 1:
        return f"The only execution {'succeeded' if share else 'failed'}"
    if share in (0.0, 1.0):
        return f"{'All' if share else 'None of'} {executions:,} executions succeeded"
    return f"{formatting.percent(share)} of {executions:,} executions succeeded"


def days_heading(found: Performance, events: Events, period: Period, is_watched: bool) -> Heading:
    """Return what the days come to in success."""
    return _of_days("success", events, period, is_watched, f"{formatting.percent(found.success.estimate)} succeeded")


def spend_heading(found: Performance, events: Events, period: Period, is_watched: bool) -> Heading:
    """Return what the days come to in cost."""
    if found.cost_usd is None:
        return Heading("No cost is known", f"of {formatting.counted(found.executions, 'execution')}")
    is_bound = found.partial + found.unpriced > 0
    amount = formatting.bound(formatting.dollars(found.cost_usd), is_bound)
    return _of_days("cost", events, period, is_watched, f"{amount[:1].upper()}{amount[1:]} spent")


def durations_heading(found: Performance, events: Events, period: Period, is_watched: bool) -> Heading:
    """Return what the days come to in durations."""
    if found.p50_seconds is None or found.p95_seconds is None:
        return Heading("No duration was measured", f"of {formatting.counted(found.executions, 'execution')}")
    half, most = (formatting.seconds(value) for value in (found.p50_seconds, found.p95_seconds))
    return _of_days("duration", events, period, is_watched, f"Half took up to {half}, 1 in 20 longer than {most}")


def _of_days(watched: Watched, events: Events, period: Period, is_watched: bool, figure: str) -> Heading:
    event = events.get(watched)
    if event is not None:
        return Heading(sentence(event, period), f"{figure[:1].lower()}{figure[1:]}; {evidence(event)}; {_LOOKED}")
    if not is_watched:
        return Heading(figure, "too few days to tell whether any stands out")
    by_chance = f"in 1 of {1 / LEVELS[watched]:.0f} quiet periods one stands out by chance"
    return Heading(f"{figure}; no day stands out", f"every run of days was looked at; {by_chance}")


def comparison_days(events: Events, period: Period) -> tuple[Period, ...]:
    """Return over which days of *period*, and before, values are held against each other: the best first.

    Without a spell that is over, those before it, else those after it; those since a change that lasts; *period*
    itself, where these tell too little.
    """
    event = next((events[figure] for figure in ("success", "cost") if figure in events), None)
    if event is None:
        return (period,)
    start = _midnight(event.spell.first)
    if not event.spell.is_over:
        return Period(max(start, period.since), period.until), period
    return Period(period.before.since, start), Period(_midnight(event.spell.last, 1), period.until), period


def advice(
    found: SideBySide,
    days: Period,
    events: Events,
    period: Period,
    models: Mapping[str, str] | None = None,
    later: Mapping[str, tuple[float, float]] | None = None,
) -> Heading | None:
    """Return which tier to use; None: too little is known of these *days*.

    Args:
        found: the tiers over *days*.
        days: one of those that :func:`comparison_days` gives for *period*.
        events: what happened in it.
        period: the one that they are in.
        models: tier -> its model, of those that have one.
        later: tier -> how many executions succeeded after what happened, and of how many.
    """
    failing = _failing(events, found.by)
    if found.inconclusive:
        return of_side_by_side(found) if days == period else None
    choice = choose(found, failing)
    if choice is None and days != period:
        return None
    when = _words(days, period)
    is_past = days.until < period.until
    since = _since(choice, later or {}, events, period) if is_past else ""
    text, left = advised(found, choice, failing, when if is_past else "", since)
    if days != period and days.until == period.until:
        left = [when, *left]
    cost = events.get("cost")
    if days == period and cost is not None and not cost.spell.is_over:
        left = [*left, f"costs are averages of before and since {day_name(cost.spell.first, period)}"]
    said = ""
    for part in (*left, *_figures(found, failing, models or {})):
        if len(said) + len(part) <= _EVIDENCE:
            said = f"{said}; {part}" if said else part
    return Heading(text, said)


def _failing(events: Events, by: str) -> str | None:
    """Return the value of a dimension that fails, and still does."""
    event = events.get("success")
    if event is None or not event.is_worse or event.spell.is_over or event.place is None or event.place.by != by:
        return None
    return event.place.value


def _words(days: Period, period: Period) -> str:
    if days.until < period.until:
        return f"before {day_name(days.until.date().isoformat(), period)}"
    return f"since {day_name(days.since.date().isoformat(), period)}"


def _since(choice: Choice | None, later: Mapping[str, tuple[float, float]], events: Events, period: Period) -> str:
    """Return how the value that was chosen has done since a spell of failures."""
    event = events.get("success")
    if event is None or choice is None or len(choice.best) > 1:
        return ""
    succeeded, executions = later.get(choice.best[0].value, (0.0, 0.0))
    if executions < ENOUGH:
        return ""
    return f", {formatting.percent(succeeded / executions)} since {day_after(event.spell, period)}"


def _figures(found: SideBySide, failing: str | None, models: Mapping[str, str]) -> list[str]:
    """Return the figures of the most frequent values, for a reader who would choose otherwise."""
    compared = [each for each in found.alternatives if each.compared and each.value != failing][:3]
    shown, is_said = [], False
    for each in compared if len(compared) > 1 else ():
        model, cost = models.get(each.value, each.value), each.cost_per_success_usd
        text = short_name(each.value) if model == each.value else f"{short_name(each.value)} ({short_name(model)})"
        text += f" {formatting.percent(each.success.estimate)}"
        if cost is not None:
            text += f" at {formatting.dollars(cost.estimate)}{'' if is_said else ' a success'}"
            is_said = True
        shown.append(text)
    if not shown:
        return []
    most, second, *_ = sorted(found.alternatives, key=lambda each: -each.executions)
    if most.executions == second.executions:
        return [", ".join(shown)]
    share = most.executions / (found.others_executions + sum(each.executions for each in found.alternatives))
    return [", ".join(shown), f"most used is {short_name(most.value)}, {formatting.percent(share)} of executions"]


def _midnight(day: str, later: int = 0) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=timezone.utc) + timedelta(days=later)
