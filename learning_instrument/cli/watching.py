"""A watch: looks at a database for news, and remembers in it how far it looked and what there is to tell."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from ..analytics.budget_use import budget_use
from ..analytics.bursts import FEWEST, WINDOW, Burst, burst_of, counts_before
from ..analytics.news import Minutes, News, NewsReader, place_now
from ..analytics.values import unmatched
from ..formatting import counted, seconds
from ..sqlite.connection import open_for_maintenance
from ..sqlite.paths import absolute
from ..sqlite.read_only import ReadOnlyDatabase
from ..sqlite.selection import Selection
from ..storage.alert_memory import Alert, WatchState, advance, count_since, last_told, state_of
from .alerts import (
    BUDGET,
    BURST,
    GROUP_BACK,
    NEW_GROUP,
    SHARES,
    Origin,
    budget_alert,
    budget_subject,
    burst_alert,
    group_alerts,
    subject_of,
)
from .terminal import tell

_MINUTE: Final = "%Y-%m-%dT%H:%M"
#: The error groups that are told in one interval, or in one look. A flood of unlike messages is one thing to know.
_MOST_GROUPS: Final = 20
#: How long a budget is not read again while nothing is stored: costs of model calls may follow.
_BUDGET_READ: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Budgeted:
    """An amount in US dollars for each period."""

    usd: float
    period: str


class Watch:
    """Looks at one database.

    Args:
        path: the path of the database.
        name: what the file knows the watch by.
        targets: the names of the places where its alerts are told.
        selection: the filters.
        budget: what may be spent; or None.
        interval: the shortest time between two alerts of one kind and group.
    """

    def __init__(
        self,
        path: str,
        name: str,
        targets: Sequence[str],
        selection: Selection,
        budget: Budgeted | None,
        interval: timedelta,
    ) -> None:
        self._path = absolute(path)
        self._name = name
        self._targets = targets
        self._selection = selection
        self._budget = budget
        self._interval = interval
        self._news = NewsReader(selection)
        self._budget_read = datetime.min.replace(tzinfo=timezone.utc)

    def look(self) -> Sequence[Alert]:
        """Look once; return the alerts that were stored, to be told.

        Raises:
            DatabaseError: if the database cannot be read or written.
        """
        now = datetime.now(timezone.utc)
        news = None
        with ReadOnlyDatabase(self._path) as database, database.snapshot():
            before = state_of(database, self._name)
            if before is None:
                self._tell_of_strangers(database)
            after = before or WatchState(now, now, place_now(database), {}, False)
            alerts: list[Alert] = []
            if before is not None:
                news = self._news.read(database, before.place, before.looked, before.began, now - WINDOW)
                after = replace(after, looked=now, place=news.place, minutes=_recent(before.minutes, news.minutes, now))
                alerts += self._of_groups(database, news, now)
                burst = self._burst(database, after.minutes, now)
                if burst is None:
                    after = replace(after, is_in_burst=False)
                elif not before.is_in_burst and self._is_time(database, BURST, "", now):
                    after = replace(after, is_in_burst=True)
                    alerts.append(burst_alert(self._origin(now), burst, news.examples))
            if self._budget is not None and (
                news is None or before is None or news.place != before.place or now - self._budget_read >= _BUDGET_READ
            ):
                alerts += self._of_budget(database, self._budget, before is not None, now)
                self._budget_read = now
        if not alerts and before is not None and replace(after, looked=before.looked) == before:
            return ()
        with open_for_maintenance(self._path) as connection:
            was_first = connection.transact(
                lambda execute: advance(execute, self._name, before, after, alerts, self._targets)
            )
        if not was_first:
            return ()
        if news is not None:
            self._news.remember(news)
        return alerts

    def _tell_of_strangers(self, database: ReadOnlyDatabase) -> None:
        """Say which filter no execution meets, for a mistyped one would be waited for without end."""
        for stranger in unmatched(database, self._selection):
            if stranger.values.executions:
                tell(str(stranger))

    def _origin(self, now: datetime) -> Origin:
        return Origin(os.path.basename(self._path), now, str(self._selection) if self._selection.filters else "")

    def _is_time(self, database: ReadOnlyDatabase, kind: str, subject: str, now: datetime) -> bool:
        """Tell whether the last alert of that kind and subject is long enough ago."""
        last = last_told(database, self._name, kind, subject)
        return last is None or now - last >= self._interval

    def _of_groups(self, database: ReadOnlyDatabase, news: News, now: datetime) -> Iterable[Alert]:
        groups = [
            group
            for group in news.groups
            if self._is_time(database, GROUP_BACK if group.is_back else NEW_GROUP, subject_of(group), now)
        ]
        told = count_since(database, self._name, (NEW_GROUP, GROUP_BACK), now - self._interval)
        most = max(0, _MOST_GROUPS - told)
        if groups and not most:
            tell(
                f"{counted(len(groups), 'more new error group')}, not told:"
                f" {_MOST_GROUPS} were within {seconds(self._interval.total_seconds())}."
            )
        return group_alerts(self._origin(now), groups, most)

    def _burst(self, database: ReadOnlyDatabase, minutes: Minutes, now: datetime) -> Burst | None:
        executions, failures = (sum(counts[place] for counts in minutes.values()) for place in (0, 1))
        if failures < FEWEST:
            return None
        all_executions, all_failures = counts_before(database, self._selection, now)
        # These are of executions that began in the day; long ones that ended just now may have begun earlier.
        others, other_failures = max(0, all_executions - executions), max(0, all_failures - failures)
        return burst_of(failures, executions, min(other_failures, others), others)

    def _of_budget(
        self, database: ReadOnlyDatabase, budget: Budgeted, has_looked: bool, now: datetime
    ) -> Iterator[Alert]:
        """Yield the alert of the highest limit that is reached, if it was not told yet."""
        use = budget_use(database, budget.usd, budget.period, self._selection, now)
        reached = [share for share in SHARES if use.spent_usd >= share * use.budget_usd]
        if not reached:
            return
        if not has_looked or last_told(database, self._name, BUDGET, budget_subject(use, reached[-1])) is None:
            yield budget_alert(self._origin(now), use, reached[-1])


def _recent(before: Minutes, found: Minutes, now: datetime) -> Minutes:
    """Return both together, without the minutes before the window."""
    first = (now - WINDOW).strftime(_MINUTE)
    counts = {minute: counts for minute, counts in before.items() if minute > first}
    for minute, (executions, failures) in found.items():
        if minute > first:
            known = counts.get(minute, (0, 0))
            counts[minute] = (known[0] + executions, known[1] + failures)
    return counts
