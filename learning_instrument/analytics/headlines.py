"""The first sentences of a page: what happened in a period, and which tier to use."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from .. import formatting
from .error_groups import ErrorGroup
from .events import Event, Events, date_name, evidence, named, place_name, sentence, when
from .headings import Heading, of_side_by_side, times
from .mix import ENOUGH
from .performance import Performance
from .periods import Period
from .side_by_side import SideBySide
from .tiles import Tiles, before_words

#: Failures of a kind that make it worth a word.
_FEWEST: Final = 3
#: What happened is told in so many sentences.
_MOST: Final = 2
_NUMBERS: Final = {2: "Two", 3: "Three", 4: "Four"}
#: The error type of executions whose process died: they are told of as lost.
_CRASH: Final = "crash"


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
    if last is None:
        return Heading("Nothing is recorded yet")
    return Heading(f"No execution {these}", f"the last one before was on {date_name(last.date())}")


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
        text = f"Success is {formatting.percent(found.success.after or 0.0)}, {found.success.change.text}"
        yield success.verdict == "worse", Heading(text, found.success.change.evidence)
    new = _new(new_errors)
    if new is not None:
        yield True, new
    if "cost" in events:
        yield told(events["cost"])
    elif cost.verdict in ("better", "worse"):
        text = f"An execution cost {times(cost.effect or 1.0)} as much as in {ago}, for the same mix of tasks"
        yield cost.verdict == "worse", Heading(text, found.cost.change.evidence)
    if "duration" in events:
        yield told(events["duration"])
    elif duration.verdict in ("better", "worse"):
        text = f"An execution took {times(duration.effect or 1.0)} as long as in {ago}, for the same mix of tasks"
        yield duration.verdict == "worse", Heading(text, found.p95.change.evidence)
    if "queue wait" in events:
        yield told(events["queue wait"])
    if lost:
        yield True, Heading(f"{formatting.counted(lost, 'execution')} got lost: the process ended before the task did")


def _new(groups: Sequence[ErrorGroup]) -> Heading | None:
    """Return which kinds of failures are new, and where they are."""
    kinds = [group for group in groups if group.executions >= _FEWEST and group.error_type != _CRASH]
    if not kinds:
        return None
    names = list(dict.fromkeys(named(group.exception_type or group.template) for group in kinds))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    place = _common_place(kinds)
    number = len(kinds)
    where = "" if place is None else f", {'' if number == 1 else 'both ' if number == 2 else 'all '}in {place}"
    count = "A new kind" if number == 1 else f"{_NUMBERS.get(number, number)} new kinds"
    failures = formatting.counted(sum(group.executions for group in kinds), "failure")
    return Heading(
        f"{count} of failure{where}: {', '.join(names[:2])}{more}",
        f"{failures}; never seen before this period",
    )


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
    share = formatting.percent(found.success.after or 0.0)
    succeeded = f"{share} of {after:,} executions succeeded"
    if after == 1:
        succeeded = f"The only execution {'succeeded' if found.success.after else 'failed'}"
    said = found.success.change.evidence
    ago = before_words(period)
    if not before:
        return Heading(f"{succeeded}; there is nothing older to compare with", said)
    if found.of_success.verdict == "too few days":
        return Heading(f"{succeeded}: too few days to compare with {ago}", said)
    if found.of_success.verdict == "too little data":
        is_few = min(before, after) < ENOUGH
        return Heading(
            f"{succeeded}: {'too few' if is_few else 'too few of the same tasks'} to compare with {ago}", said
        )
    quiet = {1: "A quiet day", 7: "A quiet week"}.get(period.days, f"{period.days} quiet days")
    errors = "" if new_errors is None else f", no {'frequent ' if new_errors else ''}new kind of failure"
    return Heading(f"{quiet}: {succeeded}, as before{errors}", said)


def days_heading(found: Performance, events: Events, period: Period, is_watched: bool) -> Heading:
    """Return what the days come to in success."""
    return _of_days(
        events.get("success"), period, is_watched, f"{formatting.percent(found.success.estimate)} succeeded"
    )


def spend_heading(found: Performance, events: Events, period: Period, is_watched: bool) -> Heading:
    """Return what the days come to in cost."""
    if found.cost_usd is None:
        return Heading("No cost is known")
    is_bound = found.partial + found.unpriced > 0
    amount = formatting.bound(formatting.dollars(found.cost_usd), is_bound)
    return _of_days(events.get("cost"), period, is_watched, f"{amount[:1].upper()}{amount[1:]} spent")


def durations_heading(found: Performance, events: Events, period: Period, is_watched: bool) -> Heading:
    """Return what the days come to in durations."""
    if found.p50_seconds is None or found.p95_seconds is None:
        return Heading("No duration was measured")
    half, most = (formatting.seconds(value) for value in (found.p50_seconds, found.p95_seconds))
    return _of_days(events.get("duration"), period, is_watched, f"Half took up to {half}, 95% up to {most}")


def _of_days(event: Event | None, period: Period, is_watched: bool, figure: str) -> Heading:
    if event is not None:
        return Heading(sentence(event, period), f"{figure[:1].lower()}{figure[1:]}; {evidence(event)}")
    if not is_watched:
        return Heading(figure, "too few days to tell whether any stands out")
    return Heading(f"{figure}; no run of days stands out")


def advice(found: SideBySide, events: Events, period: Period) -> Heading:
    """Return which tier to use, or that nothing tells them apart, and what of its figures may not last."""
    told = of_side_by_side(found)
    event = events.get("success")
    if event is None or event.place is None or event.place.by != found.by:
        return told
    return replace(told, evidence=f"{told.evidence}; with what happened {when(event.spell, period)}")
