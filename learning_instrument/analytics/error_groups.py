"""Failures grouped by the template of their message: how often, since when, and where."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import nlargest
from itertools import pairwise
from typing import Final

from .. import message_templates
from ..errors import ConfigurationError
from ..rollups.measures import COST_NANO, IS_PARTIAL, IS_PRICED, NANO_SCALE
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso, iso
from .executions import execution_ids
from .group_totals import totals
from .significance import binomial_tail
from .sources.failures import PLACES, message_of
from .sources.source import source_of

#: A failure that was not seen for so long, and is seen again, is back.
SILENCE: Final = timedelta(days=7)
_EXAMPLES: Final = 3
_COSTS: Final = ("cost_nano", "executions", "priced", "partial", "unpriced")
#: Fewer failures say nothing of a place, nor do such as this share of places has by chance, or hardly more.
_FEWEST_TELLING: Final = 3
_CHANCE: Final = 0.05
_LEAST_TIMES: Final = 1.25
#: After every timestamp.
_NEVER: Final = "~"

_Kind = tuple[str, str]  # error type, exception class

Message = tuple[str, str, str]
"""Error type, exception class and masked message of failures; the first two are empty where there is none."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A pool, a tier or a repository in which a group's failures happened."""

    name: str
    executions: int
    #: How much more often it is found among these failures than among all executions; 1 is as often.
    lift: float
    #: How many times as often as elsewhere an execution is one of these failures. None where none elsewhere is.
    times_elsewhere: float | None
    #: Whether that is more often than by chance (5%, for all places together), of 3 failures and 1.25 times at least.
    is_telling: bool
    #: How likely so many failures, or more, are here by chance.
    p_value: float


@dataclass(frozen=True, slots=True)
class GroupCost:
    """The cost of a group's failures."""

    #: In US dollars, of those whose cost is known; None where it is of none.
    usd: float | None
    #: Failures of which a part of the cost is unknown, so that this is a lower bound; those whose model calls could not
    #: be priced, and those without a reported cost.
    partial: int
    unpriced: int
    unreported: int


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures of one error type and exception class whose messages have one template."""

    template: str
    error_type: str | None
    exception_type: str | None
    executions: int
    #: The first of all times, also before the selected ones.
    first_seen: datetime
    last_seen: datetime
    is_new: bool
    #: When it was seen again, the last time it had been silent for a week or longer.
    back_since: datetime | None
    silence_seconds: float | None
    pool_types: tuple[Touched, ...]
    model_tiers: tuple[Touched, ...]
    repos: tuple[Touched, ...]
    #: Execution ids, the newest first.
    examples: tuple[str, ...]
    #: None: not asked for.
    cost: GroupCost | None = None


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """Groups of failures, the largest first, and how many executions there were in all."""

    executions: int
    failures: int
    #: Of the algorithm that makes the templates.
    version: int
    groups: tuple[ErrorGroup, ...]

    def __iter__(self) -> Iterator[ErrorGroup]:
        """Yield the groups."""
        return iter(self.groups)


def error_groups(
    database: Queryable,
    selection: Selection | None = None,
    *,
    new_since: datetime | None = None,
    with_costs: bool = False,
) -> ErrorReport:
    """Return the selected failures, grouped by error type, exception class and message template.

    Args:
        database: the one to ask.
        selection: which executions; by default all.
        new_since: a group first seen at this moment or later is new; by default the selection's ``since``.
        with_costs: whether to read what the failures of each group cost: some tenths of a second for each million
            executions, for the counts of failures do not have it.

    Raises:
        ConfigurationError: for a ``new_since`` without a time zone.
        DatabaseError: if the database cannot be read.
    """
    selection = selection or Selection()
    if new_since is not None and (not isinstance(new_since, datetime) or new_since.tzinfo is None):
        raise ConfigurationError(
            f"Invalid new_since {new_since!r}: expected a datetime with a time zone, such as timezone.utc."
        )
    new_since = new_since or selection.since
    of_message = _grouped(database, selection)
    costs = _costs(database, selection, of_message) if with_costs else {}
    grouped = {id(group): group for group in of_message.values()}
    groups = [group for group in grouped.values() if group.executions]
    everywhere = {name: _population(database, name, selection) for name in PLACES}
    in_all = {name: sum(population.values()) for name, population in everywhere.items()}
    newest = [rowid for group in groups for rowid in group.newest()]
    ids = execution_ids(database, newest)
    return ErrorReport(
        executions=in_all["repo"],
        failures=sum(group.executions for group in groups),
        version=message_templates.VERSION,
        groups=tuple(
            group.answer(new_since, selection.since, everywhere, in_all, ids, costs.get(id(group)))
            for group in sorted(groups, key=lambda group: (-group.executions, group.template, group.kind))
        ),
    )


@dataclass(frozen=True, slots=True)
class GroupHistory:
    """One group in the whole file."""

    #: Tells it from the others, also when its template changes.
    founder: Message
    template: str
    executions: int
    first_seen: datetime
    last_seen: datetime
    back_since: datetime | None
    silence_seconds: float | None


def group_histories(database: Queryable, selection: Selection) -> dict[Message, GroupHistory]:
    """Return the group that each masked message belongs to, of all failures that pass the filters of *selection*.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    grouped = _grouped(database, selection)
    histories = {id(group): group.history() for group in grouped.values()}
    return {message: histories[id(group)] for message, group in grouped.items()}


@dataclass(slots=True)
class _Group:
    """The failures of one group."""

    kind: _Kind
    template: str
    #: The masked message that was seen first: a template changes when messages merge, this does not.
    founder: str
    executions: int = 0  # of the selection; the days are all until its end
    days: dict[str, list[str]] = field(default_factory=dict)  # day -> first and last seen
    places: tuple[dict[str, int], ...] = field(default_factory=lambda: tuple({} for _ in PLACES))
    examples: dict[tuple[str, str], int] = field(default_factory=dict)  # masked message and day -> newest rowid

    def add_day(self, first: str, last: str) -> None:
        seen = self.days.get(first[:10])
        if seen is None:
            self.days[first[:10]] = [first, last]
        else:
            if first < seen[0]:
                seen[0] = first
            if last > seen[1]:
                seen[1] = last

    def add_example(self, template: str, day: str, rowid: int) -> None:
        self.examples[template, day] = max(rowid, self.examples.get((template, day), 0))

    def add_places(self, executions: int, places: Iterable[str]) -> None:
        self.executions += executions
        for counts, place in zip(self.places, places, strict=True):
            counts[place] = counts.get(place, 0) + executions

    def newest(self) -> list[int]:
        """Return the rowids of the examples: the newest of each of the last days."""
        return nlargest(_EXAMPLES, self.examples.values())

    def answer(
        self,
        new_since: datetime | None,
        since: datetime | None,
        everywhere: Mapping[str, Mapping[str, int]],
        in_all: Mapping[str, int],
        ids: Mapping[int, str],
        cost: GroupCost | None,
    ) -> ErrorGroup:
        first_seen = from_iso(min(first for first, _ in self.days.values()))
        back_since, silence = self._return(since)
        touched = {
            name: _touched(counts, everywhere[name], in_all[name])
            for name, counts in zip(PLACES, self.places, strict=True)
        }
        return ErrorGroup(
            template=self.template,
            error_type=self.kind[0] or None,
            exception_type=self.kind[1] or None,
            executions=self.executions,
            first_seen=first_seen,
            last_seen=from_iso(max(last for _, last in self.days.values())),
            is_new=new_since is not None and first_seen >= new_since,
            back_since=back_since,
            silence_seconds=silence,
            pool_types=touched["pool_type"],
            model_tiers=touched["model_tier"],
            repos=touched["repo"],
            examples=tuple(ids[rowid] for rowid in self.newest() if rowid in ids),
            cost=cost,
        )

    def history(self) -> GroupHistory:
        back_since, silence = self._return(None)
        return GroupHistory(
            founder=(*self.kind, self.founder),
            template=self.template,
            executions=self.executions,
            first_seen=from_iso(min(first for first, _ in self.days.values())),
            last_seen=from_iso(max(last for _, last in self.days.values())),
            back_since=back_since,
            silence_seconds=silence,
        )

    def _return(self, since: datetime | None) -> tuple[datetime | None, float | None]:
        """Return when the group was last seen again after a silence, in the selection, and the silence's length."""
        days = sorted(self.days.values(), reverse=True)
        for (back, _), (_, gone) in pairwise(days):
            if since is not None and back < iso(since):
                break
            silence = from_iso(back) - from_iso(gone)
            if silence >= SILENCE:
                return from_iso(back), silence.total_seconds()
        return None, None


def _grouped(database: Queryable, selection: Selection) -> dict[Message, _Group]:
    """Return the group of each masked message of failures: messages whose templates merge are one group."""
    since = "" if selection.since is None else iso(selection.since)
    found = source_of(database).failures(selection)
    first_seen: defaultdict[_Kind, dict[str, str]] = defaultdict(dict)
    for each in found:
        of_kind = first_seen[each.error_type, each.exception_type]
        of_kind[each.message] = min(each.first_seen, of_kind.get(each.message, _NEVER))
    group_of: dict[Message, _Group] = {}
    ordered = {
        kind: tuple(sorted(of_kind, key=lambda message: (of_kind[message], message)))
        for kind, of_kind in sorted(first_seen.items())
    }
    for kind, names in zip(ordered, _templates(tuple(ordered.values())), strict=True):
        groups: dict[str, _Group] = {}
        for message, name in names.items():
            group_of[kind[0], kind[1], message] = groups.setdefault(name, _Group(kind, name, founder=message))
    for each in found:
        group = group_of[each.error_type, each.exception_type, each.message]
        for first, last, newest in each.days:
            group.add_day(first, last)
            if first >= since:
                group.add_example(each.message, first[:10], newest)
        for executions, *places in each.places:
            group.add_places(executions, places)
    return group_of


@functools.lru_cache(maxsize=1)
def _templates(kinds: tuple[tuple[str, ...], ...]) -> list[dict[str, str]]:
    """Return the template of each message of each kind. They are the same for all periods until one time."""
    return [message_templates.merge(messages) for messages in kinds]


def _costs(database: Queryable, selection: Selection, groups: Mapping[Message, _Group]) -> dict[int, GroupCost]:
    """Return what the failures of each of *groups* cost, by its id in memory."""
    condition, parameters = selection.condition()
    rows = database.query(
        f"SELECT {source_of(database).failure_columns()}, count(*) AS executions,"
        f" total({COST_NANO}) AS cost_nano, total({IS_PRICED}) AS priced,"
        f" total({IS_PARTIAL}) AS partial, total(cost_source IS 'unpriced') AS unpriced"
        f" FROM executions WHERE NOT success AND {condition} GROUP BY 1, 2, 3, 4",
        parameters,
    )
    sums: defaultdict[int, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_COSTS, 0.0))
    for row in rows:
        message = message_of(row)
        if message in groups:  # else it came between the two questions
            of_group = sums[id(groups[message])]
            for name in _COSTS:
                of_group[name] += row[name]
    return {
        group: GroupCost(
            usd=of_group["cost_nano"] / NANO_SCALE if of_group["priced"] else None,
            partial=round(of_group["partial"]),
            unpriced=round(of_group["unpriced"]),
            unreported=round(of_group["executions"] - of_group["priced"] - of_group["unpriced"]),
        )
        for group, of_group in sums.items()
    }


def _population(database: Queryable, name: str, selection: Selection) -> dict[str, int]:
    """Return how many executions there are in all in each place called *name*."""
    return {place: total.count("executions") for (place,), total in totals(database, (name,), selection, ()).items()}


def _touched(failures: Mapping[str, int], executions: Mapping[str, int], in_all: int) -> tuple[Touched, ...]:
    # A file may have as many places as groups: nothing here is done for each place that a group was not in.
    places = {name: max(executions.get(name, 0), count) for name, count in failures.items()}
    # An execution that came between the two questions is not among all of them yet.
    in_all += sum(count - executions.get(name, 0) for name, count in places.items())
    number = len(executions) + sum(name not in executions for name in places)
    failed = sum(failures.values())
    touched = []
    for name, count in sorted(failures.items(), key=lambda item: (-item[1], item[0])):
        share = places[name] / in_all
        p_value = binomial_tail(count, failed, share)
        rest = (failed - count) / max(1, in_all - places[name])
        times = count / places[name] / rest if rest else None
        is_enough = count >= _FEWEST_TELLING and (times is None or times >= _LEAST_TIMES)
        touched.append(
            Touched(
                name=name,
                executions=count,
                lift=count / failed / share,
                times_elsewhere=times,
                is_telling=is_enough and p_value * number <= _CHANCE,
                p_value=p_value,
            )
        )
    return tuple(touched)
