"""What happened on which days of a period, and where: found in sums of days, and told in a sentence."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from .. import formatting
from ..columns import UNKNOWN
from ..rollups.measures import IS_PRICED
from ..safety.control_characters import one_line
from ..sqlite.selection import Queryable, Selection
from .blocks import frequent, sums_of
from .days import MEASURES, Days, within
from .group_totals import cube_for, totals
from .headings import times
from .periods import Period
from .spells import Parts, Place, Spell, Watched, by_value, contrast_of, find_place, find_spell, is_still_one, parts

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_NOUNS: Final = {"model_tier": "tier", "pool_type": "pool", "repo": "repository", "task_type": "task type"}
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
            event = replace(event, tokens=contrast.ratio if contrast.outside else None)
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
        if cube_for(database, (name, "day"), chosen) is None:
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


def sentence(event: Event, period: Period) -> str:
    """Return what happened, and where."""
    spell, place = event.spell, event.place
    then = when(spell, period)
    of = f" of {place_name(place.by, place.value)}" if event.is_of_place and place is not None else ""
    if spell.figure == "success":
        text = (
            f"Success{of} {'rose' if spell.is_higher else 'fell'} to {formatting.percent(spell.contrast.inside)} {then}"
        )
        where = "" if place is None else formatting.percent(place.contrast.inside)
    else:
        noun, much = _VERBS[spell.figure]
        text = f"{noun.format(of)} {times(spell.contrast.ratio)} as {much} {then}"
        where = "" if place is None else f"{times(place.contrast.ratio)}"
    if place is None or event.is_of_place:
        return text
    return f"{text}, {'all' if place.is_all else 'most'} of it in {place_name(place.by, place.value)} ({where})"


_VERBS: Final[Mapping[Watched, tuple[str, str]]] = {
    "cost": ("An execution{} cost", "much"),
    "duration": ("An execution{} took", "long"),
    "queue wait": ("A task{} waited in the queue", "long"),
}


def evidence(event: Event) -> str:
    """Return how well an event is supported."""
    spell = event.spell
    outside = _UNITS[spell.figure](spell.contrast.outside)
    p_value = formatting.p_value(spell.p_value)
    said = [
        f"{outside} on {formatting.counted(spell.other_days, 'other day')} for the same mix of tasks",
        f"corrected p {'' if p_value.startswith('<') else '= '}{p_value}",
    ]
    if event.tokens is not None:
        tokens = "as many" if abs(event.tokens - 1) < _SAME else f"{times(event.tokens)} as many"
        cost = (event.place or event.spell).contrast.ratio
        is_of_prices = min(event.tokens, cost) > 0 and abs(math.log(event.tokens)) < abs(math.log(cost)) / 2
        said.insert(0, f"with {tokens} tokens{': prices changed' if is_of_prices else ''}")
    if event.model is not None and event.place is not None:
        said.insert(0, f"{place_name(event.place.by, event.place.value)} is model {named(event.model)}")
    return "; ".join(said)


_UNITS: Final[Mapping[Watched, Callable[[float], str]]] = {
    "success": formatting.percent,
    "cost": formatting.dollars,
    "duration": formatting.seconds,
    "queue wait": formatting.seconds,
}


def when(spell: Spell, period: Period) -> str:
    """Return on which days it is."""
    first = day_name(spell.first, period)
    if spell.first == spell.last:
        return f"on {first}"
    if spell.is_over and days_between(spell.first, spell.last) == 1:
        return f"on {first} and {day_name(spell.last, period)}"
    if spell.is_over:
        return f"from {first} to {day_name(spell.last, period)}"
    if spell.first == period.dates[0]:
        return f"in these {period.days} days"
    return f"on {first} and stays there" if spell.figure == "success" else f"from {first} on"


def days_between(first: str, last: str) -> int:
    """Return how many days *last* is after *first*."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def day_name(day: str, period: Period) -> str:
    """Return what a day is called: by its weekday in the last week of a period that is not over, else by its date."""
    date_of = date.fromisoformat(day)
    last = date.fromisoformat(period.dates[-1])
    is_over = period.until.time() == period.until.min.time()
    if not is_over and last - date_of < timedelta(days=7):
        return _WEEKDAYS[date_of.weekday()]
    return date_name(date_of)


def date_name(day: date) -> str:
    """Return a date: ``22 November``."""
    return f"{day.day} {_MONTHS[day.month - 1]}"


def place_name(by: str, value: str) -> str:
    """Return what a value of a dimension is called: ``tier small``."""
    return f"{_NOUNS.get(by, by)} {named(value)}"


def named(value: str) -> str:
    """Return a name on one line, cut where it is long."""
    name = one_line(value)
    return name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
