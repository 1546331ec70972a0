"""What happened on which days of a period, and where: found in sums of days, and told in a sentence."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from .. import formatting
from ..columns import UNKNOWN
from ..rollups.measures import IS_PRICED
from ..sqlite.selection import Queryable, Selection
from .blocks import frequent, sums_of
from .days import MEASURES, Days, within
from .group_totals import has_cube, totals
from .names import named, nouns
from .periods import Period
from .spells import (
    Parts,
    Place,
    Spell,
    Watched,
    by_value,
    contrast_of,
    find_place,
    find_spell,
    is_still_one,
    parts,
)

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAME: Final = 30
_FIGURES: Final[Sequence[Watched]] = ("success", "cost", "duration", "queue wait")
#: Dimensions in which an event may be, where it is in none of the mix: those that roll-ups answer for.
_PLACES: Final = ("pool_type", "repo")
#: Values of a dimension in which an event is looked for.
_MOST_VALUES: Final = 8
#: Of the sums that single executions may have made, the column, and the SQL that tells whether it is known.
_SUMMED: Final[Mapping[Watched, tuple[str, str]]] = {
    "cost": ("actual_cost", IS_PRICED),
    "queue wait": ("queue_seconds", "queue_seconds IS NOT NULL"),
}
#: How many of the largest are left out, at least, and as a share; and executions of which one makes no difference.
_FEWEST_LARGEST: Final = 2
_LARGEST: Final = 0.01
_MANY: Final = 20_000
#: Tokens of an execution are as many as on other days within this share. Prices changed, where tokens explain less than
#: half of the change.
_SAME: Final = 0.05


@dataclass(frozen=True, slots=True)
class Event:
    """A spell, and where it was."""

    spell: Spell
    place: Place | None = None
    #: Whether it is one of the executions of that place, rather than of all.
    is_of_place: bool = False
    #: The only model of that place, where it has one.
    model: str | None = None
    #: How many times as many tokens an execution took as on other days; None: not known.
    tokens: float | None = None
    #: What its executions cost more than on other days, in US dollars; None: it is of another figure.
    extra_usd: float | None = None

    @property
    def is_worse(self) -> bool:
        """Whether it is for the worse."""
        return self.spell.is_higher is (self.spell.figure != "success")


Events = Mapping[Watched, Event]


def find_events(
    database: Queryable, days: Days, period: Period, selection: Selection, *, everywhere: bool
) -> dict[Watched, Event]:
    """Return the spells of *period*, one at most of each figure.

    Args:
        database: the one to ask where something was found.
        days: the executions.
        period: the one in which a spell begins.
        selection: which executions these are.
        everywhere: whether they are looked for in each tier and task type as well.
    """
    by_day = days.by_day(period)
    found: dict[Watched, Event] = {}
    for figure in _FIGURES:
        of_figure = parts(figure, by_day)
        event = _found(figure, of_figure, days.mix, period, everywhere=everywhere)
        if event is None:
            continue
        place = event.place if event.is_of_place else None
        looked = of_figure if place is None else by_value(of_figure, days.mix.index(place.by))[place.value]
        if not _is_of_many(database, event, looked, period, selection):
            continue
        if everywhere:
            event = _placed(database, event, period, selection)
        if figure == "cost":
            tokens = parts("tokens", by_day)
            if event.place is not None and event.place.by in days.mix:
                tokens = by_value(tokens, days.mix.index(event.place.by)).get(event.place.value, {})
            contrast = contrast_of("tokens", tokens, event.spell.first, event.spell.last)
            extra = extra_of(event.spell, looked)
            event = replace(event, tokens=contrast.ratio if contrast.outside else None, extra_usd=extra)
        found[figure] = event
    return found


def _found(figure: Watched, days: Parts, mix: Sequence[str], period: Period, *, everywhere: bool) -> Event | None:
    groups = {name: by_value(days, number) for number, name in enumerate(mix) if everywhere}
    looked = [
        (name, value, of_value)
        for name, of_name in groups.items()
        if 1 < len(of_name) <= _MOST_VALUES
        for value, of_value in of_name.items()
    ]
    looks = 1 + len(looked)
    spell = find_spell(figure, days, period.dates, looks)
    if spell is not None:
        places = (find_place(spell, name, by_value(days, number)) for number, name in enumerate(mix))
        return Event(spell, next((place for place in places if place is not None), None))
    of_places = [
        Event(spell, Place(name, value, spell.contrast, is_all=False), is_of_place=True)
        for name, value, of_value in looked
        if (spell := find_spell(figure, of_value, period.dates, looks)) is not None
    ]
    return min(of_places, key=lambda event: event.spell.p_value, default=None)


def _is_of_many(database: Queryable, event: Event, days: Parts, period: Period, selection: Selection) -> bool:
    """Tell whether it is one as well without the largest values, *days* being those in which it was found."""
    if event.spell.figure not in _SUMMED or not event.spell.is_higher:
        return True
    column, is_known = _SUMMED[event.spell.figure]
    if event.is_of_place and event.place is not None:
        selection = selection.narrowed({event.place.by: event.place.value})
    condition, parameters = within(selection, _span(event.spell, period)).condition()
    known = f"FROM executions WHERE {condition} AND {is_known}"
    (row,) = database.query(f"SELECT count(*) AS count, total({column}) AS total {known}", parameters)
    if row["count"] > _MANY:
        return True
    largest = max(_FEWEST_LARGEST, math.ceil(_LARGEST * row["count"]))
    (of_largest,) = database.query(
        f"SELECT total(value) AS total FROM (SELECT {column} AS value {known} ORDER BY value DESC LIMIT :most)",
        {**parameters, "most": largest},
    )
    return row["total"] > 0 and is_still_one(event.spell, days, 1 - of_largest["total"] / row["total"])


def _placed(database: Queryable, event: Event, period: Period, selection: Selection) -> Event:
    """Return it with the pool or repository that it was in, or the model of its tier."""
    around = Period(period.before.since, period.until)
    chosen = within(selection, around)
    for name in _PLACES if event.place is None else ():
        if not has_cube(database, (name, "day"), chosen):
            continue
        by_day: dict[str, dict[tuple[str, ...], tuple[Any, Any]]] = {}
        for (value, day), group in totals(database, (name, "day"), chosen, MEASURES, with_durations=True).items():
            by_day.setdefault(day, {})[value,] = group, sums_of(group)
        place = find_place(event.spell, name, by_value(parts(event.spell.figure, by_day), 0))
        if place is not None:
            return replace(event, place=place)
    if event.place is not None and event.place.by == "model_tier":
        of_tier = selection.narrowed({event.place.by: event.place.value})
        models = frequent(database, "model", within(of_tier, _span(event.spell, period)), 1)
        if not models.others and models.values not in ((), (UNKNOWN,)):
            return replace(event, model=models.values[0])
    return event


def _span(spell: Spell, period: Period) -> Period:
    end = datetime.fromisoformat(spell.last).replace(tzinfo=timezone.utc) + timedelta(days=1)
    start = datetime.fromisoformat(spell.first).replace(tzinfo=timezone.utc)
    return Period(max(start, period.since), min(end, period.until))


def extra_of(spell: Spell, days: Parts) -> float:
    """Return what the executions of a spell of costs, found in *days*, cost more than on other days for their mix."""
    cells = (part for day, of_day in days.items() if spell.first <= day <= spell.last for part in of_day.values())
    return (spell.contrast.inside - spell.contrast.outside) * math.fsum(count for _, count in cells)


def after(days: Days, event: Event, by: str, period: Period) -> dict[str, tuple[float, float]]:
    """Return how many executions of each value of *by* succeeded after an event, and of how many."""
    if by not in days.mix:
        return {}
    later = {day: cells for day, cells in days.by_day(period).items() if day > event.spell.last}
    found = {}
    for value, of_value in by_value(parts("success", later), days.mix.index(by)).items():
        cells = [part for of_day in of_value.values() for part in of_day.values()]
        found[value] = math.fsum(part for part, _ in cells), math.fsum(count for _, count in cells)
    return found


def day_after(spell: Spell, period: Period) -> str:
    """Return what the day after a spell is called."""
    return day_name((date.fromisoformat(spell.last) + timedelta(days=1)).isoformat(), period)


def sentence(event: Event, period: Period) -> str:
    """Return what happened, where, and whether it is over: one size of it alone."""
    spell = event.spell
    when, end = _when(spell, period), _end(spell, period)
    if spell.figure == "success":
        return f"{_success(event, when)}{end}"
    place = event.place
    is_there = place is not None and (place.is_all or event.is_of_place)
    contrast = place.contrast if place is not None and is_there else spell.contrast
    name = "" if place is None else place_name(place.by, place.value)
    text = f"{_subject(spell.figure, name if is_there else '')} {_change(spell, contrast.ratio)} {when}"
    if place is not None and not is_there:
        text += f", mostly in {name}"
    return f"{text}{_why(event, place, is_there)}{_so_far(event)}{end}"


def _success(event: Event, when: str) -> str:
    spell, place = event.spell, event.place
    verb, share = "rose" if spell.is_higher else "fell", formatting.percent(spell.contrast.inside)
    went = f"{verb} to" if spell.is_over else f"is {'up' if spell.is_higher else 'down'} to"
    if place is None:
        return f"Success {went} {share} {when}"
    name, of_place = place_name(place.by, place.value), formatting.percent(place.contrast.inside)
    if event.is_of_place:
        return f"Success of {name} {went} {share} {when}"
    return f"Success {went} {share} {when}: {'only' if place.is_all else 'mostly'} {name} {verb}, to {of_place}"


def _subject(figure: Watched, name: str) -> str:
    if figure == "queue wait":
        return f"Tasks of {name}" if name else "Tasks"
    return f"{name[:1].upper()}{name[1:]}" if name else "An execution"


def _change(spell: Spell, ratio: float) -> str:
    more, less = _MUCH[spell.figure]
    present, past = _VERBS[spell.figure]
    verb = past if spell.is_over else present
    return f"{verb} {f'{formatting.times(ratio)} as {more}' if ratio >= 1 else f'{1 - ratio:.0%} {less}'}"


_VERBS: Final[Mapping[Watched, tuple[str, str]]] = {
    "cost": ("costs", "cost"),
    "duration": ("takes", "took"),
    "queue wait": ("wait", "waited"),
}
_MUCH: Final[Mapping[Watched, tuple[str, str]]] = {
    "cost": ("much", "less"),
    "duration": ("long", "less time"),
    "queue wait": ("long in the queue", "less in the queue"),
}


def _why(event: Event, place: Place | None, is_there: bool) -> str:
    """Return whether tokens tell why an execution costs more."""
    if event.tokens is None:
        return ""
    contrast = event.spell.contrast if place is None else place.contrast
    if min(event.tokens, contrast.ratio) <= 0 or contrast.ratio == math.inf:
        return ""
    if abs(math.log(event.tokens)) < abs(math.log(contrast.ratio)) / 2:
        verb = "rose" if contrast.ratio > 1 else "fell"
        return f": its price {verb}" if is_there else f": prices {verb}"
    return f", with {formatting.times(event.tokens)} as many tokens"


def _so_far(event: Event) -> str:
    if event.extra_usd is None:
        return ""
    more = "more" if event.extra_usd > 0 else "less"
    return f"; about {formatting.dollars(abs(event.extra_usd))} {more}{'' if event.spell.is_over else ' so far'}"


def evidence(event: Event) -> str:
    """Return what an event is held against."""
    spell, place, unit = event.spell, event.place, _UNITS[event.spell.figure]
    if spell.figure == "success":
        said = [f"{unit(spell.contrast.outside)} on other days"]
    else:
        contrast = place.contrast if place is not None and (place.is_all or event.is_of_place) else spell.contrast
        before, now = ("on other days", "then") if spell.is_over else ("before", "now")
        each = "a task" if spell.figure == "queue wait" else "an execution"
        said = [f"{unit(contrast.outside)} {each} {before}, {unit(contrast.inside)} {now}"]
    if event.tokens is not None and abs(event.tokens - 1) < _SAME:
        said[0] += ", for the same number of tokens"
    if event.model is not None and place is not None:
        said.append(f"{place_name(place.by, place.value)} is model {short_name(event.model)}")
    return "; ".join(said)


_UNITS: Final[Mapping[Watched, Callable[[float], str]]] = {
    "success": formatting.percent,
    "cost": formatting.dollars,
    "duration": formatting.seconds,
    "queue wait": formatting.seconds,
}


def _when(spell: Spell, period: Period) -> str:
    if not spell.is_over and spell.first == period.dates[0] and period.days > 1:
        return f"in these {period.days} days"
    if not spell.is_over and _is_today(spell.first, period):
        return f"today ({formatting.short_date(date.fromisoformat(spell.first))})"
    if not spell.is_over:
        return f"since {_dated(spell.first, spell.first, period)}"
    return f"{'on' if days_between(spell.first, spell.last) < 2 else 'from'} {_dated(spell.first, spell.last, period)}"


def _end(spell: Spell, period: Period) -> str:
    """Return whether a spell is over."""
    if spell.is_over:
        return f"; over since {day_after(spell, period)}"
    if spell.figure != "success" or _is_today(spell.first, period):
        return ""
    if spell.last < period.dates[-1]:
        return "; no execution since" if spell.first == spell.last else "; still so on the last day with any"
    return "; still so today" if is_going_on(period) else "; still so at the end"


def _dated(first: str, last: str, period: Period) -> str:
    """Return days from *first* to *last*: ``Tuesday and Wednesday (24-25 Nov)``."""
    days = days_between(first, last)
    joint = " and " if days == 1 else " to "
    names = [day_name(day, period) for day in ((first, last) if days else (first,))]
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    is_weekday = all(name in _WEEKDAYS for name in names)
    if not is_weekday:
        return joint.join(formatting.date(each) for each in ((start, end) if days else (start,)))
    of_start = f"{start.day}" if start.month == end.month and days else formatting.short_date(start)
    return f"{joint.join(names)} ({f'{of_start}-{formatting.short_date(end)}' if days else of_start})"


def _is_today(day: str, period: Period) -> bool:
    return day == period.dates[-1] and is_going_on(period)


def is_going_on(period: Period) -> bool:
    """Tell whether a period ends within a day, which is then not over."""
    return period.until.time() != period.until.min.time()


def days_between(first: str, last: str) -> int:
    """Return how many days *last* is after *first*."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def day_name(day: str, period: Period) -> str:
    """Return what a day is called: by its weekday in the last week of a period that is not over, else by its date."""
    when = date.fromisoformat(day)
    last = date.fromisoformat(period.dates[-1])
    if is_going_on(period) and last - when < timedelta(days=7):
        return _WEEKDAYS[when.weekday()]
    return formatting.date(when)


def place_name(by: str, value: str) -> str:
    """Return what a value of a dimension is called: ``tier small``."""
    return f"{nouns(by)[0]} {short_name(value)}"


def short_name(value: str) -> str:
    """Return a name that has others beside it."""
    return named(value, _NAME)
